"""`tfrec profile`: shows one user, whole."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.analyses import add_log, print_json, read_shop, wording
from tfrec.cli.outputs import add_force, check_output, inputs_of

if TYPE_CHECKING:
    import pandas as pd

HELP = "show one user: orders, segment, interests, outlook, offers, experiments"
DESCRIPTION = """\
Puts together what the other verbs find of all users for one: the latest orders and returns, the segment, the chance of
an order, the expected value, items due again, interests by category and item with new items that suit them by content,
the arms of experiments, and with --offers the predicted effect of each offer (on a user of the coupon test).
"""
EXAMPLES = """\
examples:
  tfrec profile prepared/online_retail 17850
  tfrec profile prepared/online_retail 17850 --out profile.html
  tfrec profile prepared/online_retail 17850 --arms new-page.csv --json
"""
_PAGE = "profile of a user"
INTERRUPTED = "Nothing was written; an older file is untouched."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    add_log(parser)
    parser.add_argument("user", metavar="USER", help="id of the user, as in the prepared shop")
    parser.add_argument(
        "--arms",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="file of user ids and `arm`, as `tfrec experiment assign` writes it; may be repeated",
    )
    parser.add_argument(
        "--offers", action="store_true", help="predicted effects of the coupon test's offers, which are learned first"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help=".html page in place of text")
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Studies the user and prints or writes the profile."""
    from tfrec.publish import write_page
    from tfrec.report.profile_page import profile_page, profile_text, written_text
    from tfrec.report.user_study import study_user

    check_output(options, options.out, _PAGE)
    assigned = _assigned(options.arms)
    prepared, tables = read_shop(options)
    study = study_user(tables, options.user, prepared=prepared, assigned=assigned, with_offers=options.offers)
    say = wording(options)
    if options.out is not None:
        write_page(options.out, profile_page(study, say), _PAGE, inputs=inputs_of(options), force=options.force)
        print(written_text(options.out, say))
    elif options.json:
        print_json(study)
    else:
        print(profile_text(study, say))


def _assigned(paths: list[Path]) -> "dict[str, pd.DataFrame]":
    from tfrec.experiments.user_tables import read_table, require, with_user_ids

    tables = {}
    for path in paths:
        table = with_user_ids(read_table(path))
        require(table, ["arm"], what=str(path))
        tables[path.name.partition(".")[0]] = table
    return tables
