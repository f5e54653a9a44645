"""`tfrec campaign read`: estimates from a plan and later logs what the campaign caused, with a verdict."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.analyses import add_language, print_json, wording
from tfrec.cli.keys import add_key
from tfrec.cli.settings import add_json, moment

if TYPE_CHECKING:
    import pandas as pd

    from tfrec.schema.calendar import ShopCalendar


HELP = "what the campaign caused, from the logs, with a verdict"
DESCRIPTION = """\
Compares the users who were meant to get an offer with those held out by the same rule, whatever they saw, with their
orders of the weeks before as a covariate. ORDERS is a prepared shop whose log covers the campaign, or a CSV or Parquet
file with user_id, timestamp, revenue, margin (before the discount) and discount. --impressions holds who was reached
(user_id or, with --key, pseudonym; timestamp). Read days on which nothing was sent first: nothing must be found there.
"""
EXAMPLES = """\
examples:
  tfrec campaign rehearse spring demo/prepared --out after    # the demo shop: draws what happens
  tfrec campaign read spring after/orders.csv --from 2025-12-01 --impressions after/impressions.csv
  tfrec campaign read spring orders.csv --from 2025-12-01 --until 2025-12-15 --impressions opened.csv --key mailer.key
  tfrec campaign read spring demo/prepared --from 2025-11-01 --until 2025-11-15    # nothing was sent: nothing found
"""
INTERRUPTED = "Nothing was written."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the action takes."""
    parser.add_argument("plan", type=Path, metavar="PLAN", help="folder that `tfrec campaign plan` wrote")
    parser.add_argument("orders", type=Path, metavar="ORDERS", help="prepared shop, or a file of orders")
    parser.add_argument(
        "--from",
        dest="start",
        required=True,
        metavar="DATE",
        help="first day of the campaign, on the clock of the shop; of a file of orders, in UTC",
    )
    parser.add_argument("--until", metavar="DATE", help="first day after the campaign (default: end of the log)")
    parser.add_argument("--impressions", type=Path, metavar="FILE", help="file of who was shown an offer, and when")
    add_key(parser, purpose="the one of the plan's send.csv, to match its pseudonyms")
    parser.add_argument(
        "--pre-days", type=int, default=56, metavar="DAYS", help="days before the campaign, as covariate; 0 = none"
    )
    parser.add_argument(
        "--margin", type=float, default=0.3, metavar="SHARE", help="margin of prices where it is unknown"
    )
    add_json(parser)
    add_language(parser)


def run(options: argparse.Namespace) -> None:
    """Reads, compares and prints the result."""
    import pandas as pd

    from tfrec.errors import ConfigError, SchemaError
    from tfrec.promotions.campaign_results import evaluate_campaign
    from tfrec.promotions.plan_files import read_plan
    from tfrec.report.terminal.campaigns import result_text

    plan = read_plan(options.plan)
    orders, calendar = _read_orders(options)
    start, until = (moment(options.start, "--from", calendar), moment(options.until, "--until", calendar))
    assert start is not None
    end = until if until is not None else orders["timestamp"].max() + pd.Timedelta(microseconds=1)
    shown = calendar.moment_text
    if not start < end:
        raise ConfigError(f"--from {shown(start)} must come before the end, {shown(end)}.")
    is_inside = (orders["timestamp"] >= start) & (orders["timestamp"] < end)
    if not is_inside.any():
        raise SchemaError(
            f"No order lies between {shown(start)} and {shown(end)}; the log covers "
            f"{calendar.day_text(orders['timestamp'].min())} to {calendar.day_text(orders['timestamp'].max())}. "
            "Prepare a newer log first."
        )
    if not orders.loc[is_inside, "user_id"].isin(plan.table["user_id"]).any():
        raise SchemaError(
            "No order is of a user of the plan: ids differ. Read orders prepared with the same pseudonyms' key."
        )
    result = evaluate_campaign(
        plan, orders=orders, start=start, end=end, impressions=_read_impressions(options, plan.table["user_id"]),
        pre_days=options.pre_days,
    )  # fmt: skip
    if options.json:
        print_json(result)
    else:
        print(result_text(result, wording(options)))


def _read_orders(options: argparse.Namespace) -> "tuple[pd.DataFrame, ShopCalendar]":
    """Returns the orders, times in UTC, and the clock of the shop's days; that of a file is UTC."""
    from tfrec.experiments.user_tables import as_moments, read_table, require, with_user_ids
    from tfrec.ingest.prepared import read_prepared
    from tfrec.promotions.campaign_results import orders_of
    from tfrec.report.findings import whole_log
    from tfrec.schema.calendar import ShopCalendar

    if not options.orders.is_file():
        tables = whole_log(read_prepared(options.orders))
        return orders_of(tables, default_margin=options.margin), tables.calendar
    orders = with_user_ids(read_table(options.orders), is_unique=False)
    require(orders, ["timestamp", "revenue"], what=str(options.orders))
    if "margin" not in orders.columns:
        orders = orders.assign(margin=orders["revenue"] * options.margin)
    if "discount" not in orders.columns:
        orders = orders.assign(discount=0.0)
    return orders.assign(timestamp=as_moments(orders["timestamp"])), ShopCalendar()


def _read_impressions(options: argparse.Namespace, users: "pd.Series") -> "pd.DataFrame | None":
    from tfrec.errors import ConfigError
    from tfrec.experiments.user_tables import as_moments, read_table, require, with_user_ids
    from tfrec.ingest.privacy import pseudonyms, read_key

    if options.impressions is None:
        return None
    shown = read_table(options.impressions)
    require(shown, ["timestamp"], what=str(options.impressions))
    shown = shown.assign(timestamp=as_moments(shown["timestamp"]))
    if "pseudonym" not in shown.columns:
        return with_user_ids(shown, is_unique=False)
    if options.key is None:
        raise ConfigError(f"{options.impressions} names pseudonyms; give the mailer's secret with --key FILE.")
    user_of = dict(zip(pseudonyms(users, key=read_key(options.key)), users, strict=True))
    return shown.assign(user_id=shown["pseudonym"].map(user_of)).dropna(subset=["user_id"])
