"""`tfrec churn`: predicts who comes back, and what they buy again."""

import argparse
from pathlib import Path

from tfrec.cli.analyses import add_log, print_json, read_log, wording
from tfrec.cli.outputs import add_force, check_table, save_table
from tfrec.cli.plots import add_plot, check_plot, save_plot

HELP = "predict who comes back, and which items are due again"
DESCRIPTION = """\
Gives each buyer the probability of an order within the horizon (churn risk = 1 − probability), and each user and item
the probability of a repeat purchase. Both are checked on the last horizon, which the model then had not seen.
"""
EXAMPLES = """\
examples:
  tfrec churn prepared/online_retail
  tfrec churn prepared/online_retail --horizon 30 --out churn.csv
  tfrec churn prepared/online_retail --buy-again due.parquet
"""
_BUYERS, _DUE = "buyers and their risk", "items due again"
_BUYER_COLUMNS = (
    "user_id", "num_repeats", "recency_days", "age_days", "alive", "returns", "churn_risk", "risk", "expected_orders",
)  # fmt: skip
_DUE_COLUMNS = ("user_id", "item_id", "num_purchases", "last_days", "interval_days", "probability", "due_days")
INTERRUPTED = "Nothing was written; an older file is untouched."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    add_log(parser)
    parser.add_argument("--horizon", type=float, default=90.0, metavar="DAYS", help="horizon of a next order")
    parser.add_argument(
        "--again-days", type=float, default=28.0, metavar="DAYS", help="horizon of buying the same item again"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="file of the buyers and their risk, .csv or .parquet")
    parser.add_argument(
        "--buy-again", type=Path, metavar="FILE", help="file of users and items due again, .csv or .parquet"
    )
    add_plot(parser)
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Predicts and prints."""
    from tfrec.analysis.repurchase import predict_churn, predict_repurchase
    from tfrec.errors import ConfigError
    from tfrec.report.plots import churn_figure
    from tfrec.report.terminal.loyalty import churn_text
    from tfrec.schema.json_values import to_json

    check_table(options, options.out, _BUYERS, columns=_BUYER_COLUMNS)
    check_table(options, options.buy_again, _DUE, columns=_DUE_COLUMNS)
    if (
        options.out is not None
        and options.buy_again is not None
        and options.out.resolve() == options.buy_again.resolve()
    ):
        raise ConfigError("--out and --buy-again must be two files. Rename one.")
    check_plot(options)
    tables = read_log(options)
    churn = predict_churn(tables, horizon_days=options.horizon)
    again = predict_repurchase(tables, horizon_days=options.again_days)
    if options.out is not None:
        save_table(options, options.out, churn.users.reset_index(), _BUYERS)
    if options.buy_again is not None:
        save_table(options, options.buy_again, again.pairs, _DUE)
    if options.plot is not None:
        save_plot(options, churn_figure(churn, wording(options)))
    if options.json:
        print_json({"churn": churn, "buy_again": {**to_json(again), "pairs": again.pairs.head(100)}})
    else:
        print(churn_text(churn, again, wording(options), out=options.out, due=options.buy_again))
