"""`tfrec experiment assign`: assigns users to arms, always the same ones."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.analyses import add_language, print_json, wording
from tfrec.cli.outputs import add_force, check_table, save_table
from tfrec.cli.settings import add_json, named_numbers

if TYPE_CHECKING:
    import pandas as pd

HELP = "which user sees what, by salted hash"
DESCRIPTION = """\
Gives each user an arm by a salted hash: the same user and name always get the same arm, another name splits again. The
shop's own code can give the same answer: u = first 8 bytes, big-endian, of SHA-256("NAME:USER"), >> 11, / 2^53; the
arm is the one in whose share u falls, in the order of --arms. Shares under 100 % leave the rest out. A shop's users are
all of its log; the file states each arm's share, against which `read` checks the sizes of the arms.
"""
EXAMPLES = """\
examples:
  tfrec experiment assign prepared/online_retail --name new-page --out arms.csv
  tfrec experiment assign users.csv --name new-page --arms control=80%,bold=10%,calm=10% --out arms.csv
"""
_KIND = "arms of users"
INTERRUPTED = "Nothing was written; an older file is untouched."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the action takes."""
    parser.add_argument("users", type=Path, metavar="USERS", help="prepared shop, or a file with a column of user ids")
    parser.add_argument("--name", required=True, metavar="NAME", help="name of the experiment, used as the salt")
    parser.add_argument(
        "--arms", default="control=50%,treatment=50%", metavar="ARM=SHARE,...", help="names and shares of the arms"
    )
    parser.add_argument("--user", metavar="COLUMN", help="column of user ids in a file (default: a usual name)")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="file of user_id, arm and the arm's share, .csv or .parquet",
    )
    add_force(parser)
    add_json(parser)
    add_language(parser)


def run(options: argparse.Namespace) -> None:
    """Assigns users, writes the table and prints the sizes of the arms."""
    import pandas as pd

    from tfrec.experiments.assignment import SHARE, assign, check_sample_ratio
    from tfrec.promotions.offer_log import CONTROLS
    from tfrec.report.terminal.experiments import assignment_text

    check_table(options, options.out, _KIND, columns=("user_id", "arm", SHARE))
    shares = named_numbers(options.arms, "--arms")
    ids = _read_ids(options)
    arms = assign(ids.to_numpy(), salt=options.name, shares=shares)
    table = pd.DataFrame({"user_id": ids.to_numpy(), "arm": arms})
    table = table[table["arm"] != ""]
    table[SHARE] = table["arm"].map(shares)
    save_table(options, options.out, table, _KIND)
    counts = {name: int((table["arm"] == name).sum()) for name in shares}
    left = len(ids) - len(table)
    if options.json:
        print_json({"experiment": options.name, "users": counts, "left_out": left, "file": options.out})
        return
    ratio = check_sample_ratio(counts, shares=shares) if len(counts) > 1 and len(table) else None
    control = "" if any(name in CONTROLS for name in shares) else f" --control {next(iter(shares))}"
    shop = "PREPARED" if options.users.is_file() else options.users
    command = f"tfrec experiment read {options.out} {shop} --from DATE --primary conversion{control}"
    print(
        assignment_text(
            ratio, wording(options), left_out=left, path=options.out, num_users=len(table), following=command
        )
    )


def _read_ids(options: argparse.Namespace) -> "pd.Series":
    import pandas as pd

    from tfrec.errors import SchemaError
    from tfrec.experiments.shop_metrics import users_of
    from tfrec.experiments.user_tables import read_table, with_user_ids
    from tfrec.ingest.prepared import read_prepared
    from tfrec.report.findings import whole_log

    if options.users.is_file():
        return with_user_ids(read_table(options.users), column=options.user)["user_id"]
    # Users first seen in the test period are in the experiment too: it is read from the whole log.
    ids = pd.Series(users_of(whole_log(read_prepared(options.users))))
    if ids.empty:
        raise SchemaError("This shop names no user, all its orders are of guests; an experiment needs user ids.")
    return ids
