"""`tfrec interests`: computes the categories and items that users care for."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.analyses import add_log, print_json, read_log, wording
from tfrec.cli.outputs import add_force, check_output, check_table, inputs_of, save_table
from tfrec.cli.terminal import plain_json

if TYPE_CHECKING:
    import pandas as pd

    from tfrec.analysis.interests import Interests
    from tfrec.report.words import Language

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
_KIND, _PAGE = "interests", "a user's interests"
_COLUMNS = (
    "user_id", "level", "score", "interest", "views", "purchases", "rating", "num_events", "last_days", "kind", "name",
)  # fmt: skip
INTERRUPTED = "Nothing was written; an older file is untouched."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    add_log(parser)
    parser.add_argument("--half-life", type=float, default=90.0, metavar="DAYS", help="half-life of an event's weight")
    parser.add_argument("--user", metavar="ID", help="id of the user whose profile is printed")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="file of all scores, .csv or .parquet; with --user an .html page"
    )
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Measures and prints."""
    from tfrec.analysis.interests import InterestConfig, measure_interests, profile_page
    from tfrec.cli.tables import cut, text_table
    from tfrec.publish import write_page

    say = wording(options)
    if options.user is None:
        check_table(options, options.out, _KIND, columns=_COLUMNS)
    else:
        check_output(options, options.out, _PAGE)
    interests = measure_interests(read_log(options), config=InterestConfig(half_life_days=options.half_life))
    if options.user is not None:
        profile = interests.profile(options.user)
        if options.out is not None:
            page = profile_page(profile, say=say, language={"zh": "zh-CN"}.get(say.code, say.code))
            write_page(options.out, page, _PAGE, inputs=inputs_of(options), force=options.force)
            print(say("Profile: {path}", path=options.out))
        elif options.json:
            print(plain_json(json.dumps(profile, indent=2, ensure_ascii=False)))
        else:
            for rows in (*profile["levels"], profile["items"]):
                cells = [[cut(row["name"]), f"{row['score']:.2f}", say.name(row["interest"])] for row in rows]
                print(text_table([say("interest in"), say("score"), say("level")], cells) + "\n")
        return
    if options.json:
        print_json(interests.to_dict())
    else:
        print(interests.summary(say))
        print("\n" + _items_table(interests, say))
    if options.out is not None:
        items = interests.items.assign(kind="item", name=interests.items["item_id"]).drop(columns="item_id")
        categories = interests.categories.assign(kind="category", name=interests.categories["category"])
        save_table(options, options.out, _together(categories.drop(columns="category"), items), _KIND)


def _items_table(found: "Interests", say: "Language") -> str:
    from tfrec.analysis.interests import LEVELS
    from tfrec.cli.tables import cut, text_table

    counts = found.items.groupby(["item_id", "interest"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=list(LEVELS), fill_value=0).sort_values([*LEVELS[:2]], ascending=False).head(10)
    rows = [
        [cut(found.titles.get(str(item)) or str(item)), *(f"{row[level]:,}" for level in LEVELS)]
        for item, row in counts.iterrows()
    ]
    return text_table([say("item"), *map(say.name, LEVELS)], rows)


def _together(*frames: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    return pd.concat(frames, ignore_index=True)
