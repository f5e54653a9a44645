"""`tfrec relations`: shows which categories complete which, with the evidence."""

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tfrec.cli.outputs import add_force, check_table, save_table
from tfrec.cli.settings import count

if TYPE_CHECKING:
    import pandas as pd

HELP = "show which categories complete which, as cross-sell learns it"
DESCRIPTION = """\
Compares the visits that bought from a category with those that looked at it and bought something else (in a log of
orders alone: with orders of the same size). Where the purchase makes another category likelier, that one completes it;
the order in which the two were chosen gives the direction. `cross_sell` offers these first on an item's page.
"""
EXAMPLES = """\
examples:
  tfrec relations demo/prepared
  tfrec relations demo/prepared --category "Electronics > Cameras > Compact cameras"
  tfrec relations demo/prepared --item P00964 --json
  tfrec relations demo/prepared --out relations.csv      # every pair that was bought together, with strength 0 if none
"""
INTERRUPTED = "Nothing was written; an older file is untouched."
_KIND = "category relations"
_COLUMNS = ("category", "complement", "visits", "both", "rate", "rate_without", "forward", "strength")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("prepared", type=Path, metavar="PREPARED", help="folder that `tfrec prepare` wrote")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--item", metavar="ID", help="only what completes the category of this item")
    which.add_argument("--category", metavar="PATH", help="only what completes this leaf category, by its whole path")
    parser.add_argument("--top", type=count, default=30, metavar="N", help="number of pairs printed")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file of all pairs, .csv or .parquet")
    parser.add_argument("--json", action="store_true", help="output as JSON in place of text")
    add_force(parser)


def run(options: argparse.Namespace) -> None:
    """Learns and prints."""
    from tfrec.schema.text_columns import plain_json

    check_table(options, options.out, _KIND, columns=_COLUMNS)
    pairs, category = _pairs(options)
    if options.out is not None:
        save_table(options, options.out, pairs, _KIND)
    shown = pairs[pairs["strength"] > 0]
    if category:
        shown = shown[shown["category"] == category]
    if options.json:
        print(plain_json(json.dumps(shown.head(options.top).to_dict("records"), indent=2, ensure_ascii=False)))
    else:
        print(_text(shown, category, len(pairs), top=options.top))


def _pairs(options: argparse.Namespace) -> "tuple[pd.DataFrame, str]":
    """Returns the pairs by name, the strongest first, and the category that was asked for; `""` = all.

    Raises:
        SchemaError: the item or the category is unknown, or has no category.
    """
    import numpy as np

    from tfrec.errors import SchemaError, nearest_hint
    from tfrec.features.complements import compare_categories
    from tfrec.features.feature_tables import target_type
    from tfrec.features.shop import load_shop

    shop = load_shop(options.prepared)
    names, catalogue = shop.vocabularies.categories, shop.vocabularies.catalogue
    category = options.category or ""
    if options.item:
        row = shop.vocabularies.items.encode([options.item])
        if not row[0]:
            hint = nearest_hint(options.item, shop.vocabularies.items.tokens.tolist())
            raise SchemaError(f"The catalogue has no item {options.item!r}.{hint}")
        category = str(names.decode(catalogue.leaf_category[row])[0])
        if not category:
            raise SchemaError(f"Item {options.item!r} has no category, so it is not known what completes it.")
    if category and category not in set(names.decode(np.unique(catalogue.leaf_category))):
        raise SchemaError(f"No item has the category {category!r}.{nearest_hint(category, names.tokens.tolist())}")
    train = shop.train
    pairs = compare_categories(train, np.ones(len(train), bool), train.event_type == target_type(train))
    for name in ("category", "complement"):
        pairs[name] = names.decode(pairs[name].to_numpy())
    return pairs.sort_values(["strength", "both"], ascending=False, kind="stable", ignore_index=True), category


def _text(shown: "pd.DataFrame", category: str, num_pairs: int, *, top: int) -> str:
    from tfrec.schema.text_columns import cut, text_table

    if shown.empty:
        about = f"of {category} " if category else ""
        return (
            f"No complement {about}is certain enough: {num_pairs:,} pairs of categories were bought together. "
            "Shops without categories have none; few orders prove nothing."
        )
    names = _short_names([*shown["category"], *shown["complement"]])
    rows = [
        [
            cut(names[row.category]),
            cut(names[row.complement]),
            f"{row.strength:.1%}",
            f"{row.rate:.1%}",
            f"{row.rate_without:.1%}",
            f"{row.visits:,}",
            f"{row.forward:.0%}",
        ]
        for row in shown.head(top).itertuples()
    ]
    heads = ["who buys from", "also takes from", "added", "with", "without", "buyers", "first"]
    return "\n".join(
        [
            text_table(heads, rows),
            "",
            "added: share of the buyers who take it on that account, at least. with, without: share who take it among",
            "those who bought the first, and among those compared with. first: how often the first was chosen first.",
        ]
    )


def _short_names(paths: Iterable[str]) -> dict[str, str]:
    """Returns category path → its last level, the whole path where two have the same."""
    from tfrec.schema.category_paths import CATEGORY_SEPARATOR

    last = {path: path.rpartition(CATEGORY_SEPARATOR)[2] for path in paths}
    times = Counter(last.values())
    return {path: name if times[name] == 1 else path for path, name in last.items()}
