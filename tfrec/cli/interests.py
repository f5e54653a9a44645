"""`tfrec interests`: computes the categories and items that users care for."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.analyses import add_log, print_json, read_log, wording
from tfrec.cli.outputs import add_force, check_table, save_table

if TYPE_CHECKING:
    import pandas as pd

HELP = "measure what users care for, by category and item"
DESCRIPTION = """\
Scores each user's interest in each category and item from views, purchases and ratings, fading with time, in four
levels: core, regular, occasional, curious. `tfrec profile` shows those of one user.
"""
EXAMPLES = """\
examples:
  tfrec interests prepared/online_retail
  tfrec interests prepared/online_retail --half-life 30 --out interests.parquet
"""
_KIND = "interests"
_COLUMNS = (
    "user_id", "level", "score", "interest", "views", "purchases", "rating", "num_events", "last_days", "kind", "name",
)  # fmt: skip
INTERRUPTED = "Nothing was written; an older file is untouched."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    add_log(parser)
    parser.add_argument("--half-life", type=float, default=90.0, metavar="DAYS", help="half-life of an event's weight")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file of all scores, .csv or .parquet")
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Measures and prints."""
    from tfrec.analysis.interests import InterestConfig, measure_interests
    from tfrec.report.terminal.customers import interests_text

    check_table(options, options.out, _KIND, columns=_COLUMNS)
    interests = measure_interests(read_log(options), config=InterestConfig(half_life_days=options.half_life))
    if options.json:
        print_json(interests)
    else:
        print(interests_text(interests, wording(options)))
    if options.out is not None:
        items = interests.items.assign(kind="item", name=interests.items["item_id"]).drop(columns="item_id")
        categories = interests.categories.assign(kind="category", name=interests.categories["category"])
        save_table(options, options.out, _together(categories.drop(columns="category"), items), _KIND)


def _together(*frames: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    return pd.concat(frames, ignore_index=True)
