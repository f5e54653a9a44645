"""`tfrec value`: predicts what buyers will spend (customer lifetime value)."""

import argparse
from pathlib import Path

from tfrec.cli.analyses import add_log, print_json, read_log, wording
from tfrec.cli.outputs import add_force, check_table, save_table
from tfrec.cli.plots import add_plot, check_plot, save_plot

HELP = "predict what each buyer will spend (customer lifetime value)"
DESCRIPTION = """\
Gives each buyer the value expected within the horizon, net of returns and not discounted, with an 80 % interval, and
the expected number of orders. Checked on the last horizon, which the model then had not seen. Users without an order
have no row.
"""
EXAMPLES = """\
examples:
  tfrec value demo/prepared
  tfrec value prepared/online_retail --horizon 30 --out value.csv
  tfrec audience prepared/online_retail 'expected_value > 1000 and recency > 30d'
"""
_KIND = "buyers and their expected value"
_COLUMNS = (
    "user_id", "num_orders", "recency_days", "age_days", "value", "expected_orders", "expected_value", "low", "high",
    "share",
)  # fmt: skip
INTERRUPTED = "Nothing was written; an older file is untouched."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    add_log(parser)
    parser.add_argument("--horizon", type=float, default=90.0, metavar="DAYS", help="time to come that is predicted")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="file of the buyers and their expected value, .csv or .parquet"
    )
    add_plot(parser)
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Predicts and prints."""
    from tfrec.analysis.lifetime_value import predict_value
    from tfrec.report.plots import value_figure
    from tfrec.report.terminal.lifetime import value_text

    check_table(options, options.out, _KIND, columns=_COLUMNS)
    check_plot(options)
    tables = read_log(options)
    values = predict_value(tables, horizon_days=options.horizon)
    if options.out is not None:
        save_table(options, options.out, values.users.reset_index(), _KIND)
    if options.plot is not None:
        save_plot(options, value_figure(values, wording(options), currency=tables.calendar.currency))
    if options.json:
        print_json(values)
    else:
        print(value_text(values, wording(options), currency=tables.calendar.currency, out=options.out))
