"""`tfrec earned`: states what slates earned, from what `tfrec collect` keeps."""

import argparse
from pathlib import Path

from tfrec.cli.analyses import add_language, print_json, wording
from tfrec.cli.outputs import add_force, check_table, save_table
from tfrec.cli.settings import add_json, collected_place, moment, share

HELP = "what recommendations earned: clicks, orders, revenue, and what they added"
DESCRIPTION = """\
Joins what was shown with the clicks, carts and orders after it, from what `tfrec collect` keeps, and prints for each
placement, signature and version: clicks, carts, orders and revenue. Attributed are purchases that name the slate, or
that follow a click of the same user or session on the same item (--window-days); such a purchase may have come without
it. What was added is known from users without recommendations alone (--control): then all purchases of the users in
each arm are compared, whatever they are attributed to.
"""
EXAMPLES = """\
examples:
  tfrec earned collected
  tfrec earned collected --arms arms.csv --control control --from 2026-11-01 --until 2026-11-29
  tfrec earned 'mysql://${DB_USER}:${DB_PASSWORD}@db/shop' --window-days 1 --out earned.csv
"""
INTERRUPTED = "Nothing was written; an older file is untouched."
_KIND = "what slates earned"
_COLUMNS = (
    "placement", "signature", "version", "people", "slates", "shown", "clicks", "click_rate", "click_rate_low",
    "click_rate_high", "carts", "orders", "revenue", "revenue_per_thousand", "revenue_per_thousand_low",
    "revenue_per_thousand_high",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument(
        "place",
        type=collected_place,
        metavar="PLACE",
        help="folder or URL of a database, as `tfrec collect --to` had it",
    )
    parser.add_argument(
        "--window-days",
        type=float,
        default=7.0,
        metavar="N",
        help="days after a click within which a purchase of the same item is attributed to it",
    )
    parser.add_argument("--from", dest="start", metavar="DATE", help="first day that counts")
    parser.add_argument("--until", metavar="DATE", help="first day that no longer counts")
    parser.add_argument("--time-zone", default="UTC", metavar="ZONE", help="zone of these days, such as Europe/Berlin")
    parser.add_argument("--control", metavar="ARM", help="arm of the users without these recommendations: the hold-out")
    parser.add_argument(
        "--arms",
        type=Path,
        metavar="FILE",
        help="user_id and arm of everybody, as `tfrec experiment assign` wrote them (default: the arms in the log)",
    )
    parser.add_argument("--level", default="95%", metavar="SHARE", help="confidence level")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file of a row a place, .csv or .parquet")
    add_force(parser)
    add_json(parser)
    add_language(parser)


def run(options: argparse.Namespace) -> None:
    """Joins and prints."""
    from tfrec.errors import ConfigError
    from tfrec.experiments.collected_log import read_collected
    from tfrec.experiments.earned import measure_earned
    from tfrec.experiments.user_tables import read_table, require, with_user_ids
    from tfrec.report.terminal.earned import earned_text
    from tfrec.schema.calendar import ShopCalendar

    check_table(options, options.out, _KIND, columns=_COLUMNS)
    if options.arms is not None and options.control is None:
        raise ConfigError("Which arm has no recommendations? Name it with --control.")
    calendar = ShopCalendar(options.time_zone)
    start, end = moment(options.start, "--from", calendar), moment(options.until, "--until", calendar)
    arms = None
    if options.arms is not None:
        table = read_table(options.arms)
        require(table, ["arm"], what=str(options.arms))
        arms = with_user_ids(table)
    earned = measure_earned(
        read_collected(options.place).within(start, end),
        window_days=options.window_days,
        arms=arms,
        control=options.control,
        level=share(options.level, "--level"),
    )
    if options.out is not None:
        save_table(options, options.out, earned.to_table(), _KIND)
    if options.json:
        print_json(earned)
    else:
        print(earned_text(earned, wording(options)))
