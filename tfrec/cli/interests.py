"""`tfrec interests`: a prepared shop → what users care for."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.analyses import add_log, check_table, print_json, read_log, write_table

if TYPE_CHECKING:
    from tfrec.analysis.interests import Interests

HELP = "measure what users care for, by category and item"
DESCRIPTION = """\
Scores each user's interest in each category and item from views, purchases and ratings, fading with time, in four
levels: core, regular, occasional, curious. --user shows one user's profile.
"""
EXAMPLES = """\
examples:
  tfrec interests prepared/online_retail
  tfrec interests prepared/online_retail --user 17850
  tfrec interests prepared/online_retail --user 17850 --out profile.html
  tfrec interests prepared/online_retail --half-life 30 --out interests.parquet
"""
INTERRUPTED = "Nothing was written; an older file is untouched."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    add_log(parser)
    parser.add_argument(
        "--half-life", type=float, default=90.0, metavar="DAYS", help="after which an event counts half"
    )
    parser.add_argument("--user", metavar="ID", help="the profile of one user")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=".csv or .parquet of all scores; with --user an .html page"
    )


def run(options: argparse.Namespace) -> None:
    """Measures and prints."""
    from tfrec.analysis.interests import InterestConfig, measure_interests, profile_page
    from tfrec.cli.tables import cut, text_table

    if options.user is None:
        check_table(options.out)
    found = measure_interests(read_log(options), config=InterestConfig(half_life_days=options.half_life))
    if options.user is not None:
        profile = found.profile(options.user)
        if options.out is not None:
            options.out.write_text(profile_page(profile), encoding="utf-8")
            print(f"Profile: {options.out}")
        elif options.json:
            print(json.dumps(profile, indent=2, ensure_ascii=False))
        else:
            for rows in (*profile["levels"], profile["items"]):
                cells = [[cut(row["name"]), f"{row['score']:.2f}", row["interest"]] for row in rows]
                print(text_table(["interest in", "score", "level"], cells) + "\n")
        return
    if options.json:
        print_json(found.to_dict())
    else:
        print(found.summary())
        print("\n" + _items_table(found))
    if options.out is not None:
        items = found.items.assign(kind="item", name=found.items["item_id"]).drop(columns="item_id")
        categories = found.categories.assign(kind="category", name=found.categories["category"])
        write_table(_together(categories.drop(columns="category"), items), options.out)


def _items_table(found: "Interests") -> str:
    from tfrec.analysis.interests import LEVELS
    from tfrec.cli.tables import cut, text_table

    counts = found.items.groupby(["item_id", "interest"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=list(LEVELS), fill_value=0).sort_values([*LEVELS[:2]], ascending=False).head(10)
    rows = [
        [cut(found.titles.get(str(item)) or str(item)), *(f"{row[level]:,}" for level in LEVELS)]
        for item, row in counts.iterrows()
    ]
    return text_table(["item", *LEVELS], rows)


def _together(*frames: object) -> "object":
    import pandas as pd

    return pd.concat(frames, ignore_index=True)
