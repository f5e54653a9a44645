"""Withholds from a raw demo shop what some shops do not have: views, or categories."""

import gzip
from pathlib import Path

import pandas as pd

from tfrec.demo_shop.dirt import ACTIONS
from tfrec.ingest.recipes import find_recipe

_SHOP = "demo_shop"


def withhold_views(place: Path) -> Path:
    """Copies the raw log of a demo shop without its views, the other files as they are; returns the data home."""
    source, target = place / "data" / _SHOP, place / "data without views" / _SHOP
    if (target / "events.csv.gz").is_file():
        return target.parent
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.name != "events.csv.gz" and not (target / path.name).exists():
            (target / path.name).symlink_to(path.absolute())
    unfinished = target / "events.csv.gz.unfinished"
    with gzip.open(source / "events.csv.gz", "rt") as log, gzip.open(unfinished, "wt", compresslevel=3) as kept:
        kept.writelines(line for line in log if f",{ACTIONS['view']}," not in line)
    unfinished.replace(target / "events.csv.gz")
    return target.parent


def withhold_categories(raw: Path, home: Path) -> Path:
    """Writes a demo shop whose catalogue states no categories, and the recipe that learns them from titles.

    Args:
        raw: folder of a demo shop as it was generated.
        home: data home that is written to.

    Returns:
        The recipe.
    """
    folder, recipe = home / _SHOP, home / "without_categories.toml"
    if recipe.is_file():
        return recipe
    folder.mkdir(parents=True, exist_ok=True)
    for path in raw.iterdir():
        if path.name != "items.csv" and not (folder / path.name).exists():
            (folder / path.name).symlink_to(path.absolute())
    items = pd.read_csv(raw / "items.csv", dtype=str, keep_default_na=False)
    items.drop(columns="category").to_csv(folder / "items.csv", index=False)
    text = find_recipe(_SHOP).read_text().replace('category = "category"\n', "")
    unfinished = recipe.with_suffix(".unfinished")
    unfinished.write_text(text.replace("[items]\n", "[items]\ncategory_from_title = true\n", 1))
    unfinished.replace(recipe)
    return recipe
