"""`tfrec churn`: a prepared shop → who comes back, and what they buy again."""

import argparse
from pathlib import Path

from tfrec.cli.analyses import add_log, check_table, print_json, read_log, wording, write_table

HELP = "predict who comes back, and which items are due again"
DESCRIPTION = """\
Gives each buyer the chance of an order within the horizon (churn risk = 1 − chance), and each user and item the chance
of a repeat. Both are checked on the last horizon, which the model then had not seen.
"""
EXAMPLES = """\
examples:
  tfrec churn prepared/online_retail
  tfrec churn prepared/online_retail --horizon 30 --out churn.csv
  tfrec churn prepared/online_retail --buy-again due.parquet
"""
INTERRUPTED = "Nothing was written; an older file is untouched."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    add_log(parser)
    parser.add_argument("--horizon", type=float, default=90.0, metavar="DAYS", help="within which an order counts")
    parser.add_argument(
        "--again-days", type=float, default=28.0, metavar="DAYS", help="horizon of buying an item again"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help=".csv or .parquet of the buyers and their risk")
    parser.add_argument("--buy-again", type=Path, metavar="FILE", help=".csv or .parquet of users and items due again")


def run(options: argparse.Namespace) -> None:
    """Predicts and prints."""
    from tfrec.analysis.repurchase import predict_churn, predict_repurchase
    from tfrec.cli.tables import text_table

    check_table(options.out)
    check_table(options.buy_again)
    tables = read_log(options)
    churn = predict_churn(tables, horizon_days=options.horizon)
    again = predict_repurchase(tables, horizon_days=options.again_days)
    if options.out is not None:
        write_table(churn.users.reset_index(), options.out)
    if options.buy_again is not None:
        write_table(again.pairs, options.buy_again)
    if options.json:
        print_json({"churn": churn.to_dict(), "buy_again": again.to_dict(limit=100)})
        return
    say = wording(options)
    print(churn.summary(say))
    print(again.summary(say) + "\n")
    rows = []
    for risk in ("low", "medium", "high"):
        own = churn.users[churn.users["risk"] == risk]
        mean = f"{own['returns'].mean():.0%}" if len(own) else "–"
        rows.append([say.name(risk), f"{len(own):,}", mean, f"{own['expected_orders'].sum():,.0f}"])
    print(text_table([say("churn risk"), say("buyers"), say("mean chance of an order"), say("orders expected")], rows))
    if options.out is not None:
        print(say("Buyers: {path}", path=options.out))
    if options.buy_again is not None:
        print(say("Due again: {path}", path=options.buy_again))
