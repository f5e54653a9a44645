"""Turns a catalogue, or what the training events know, into the items table."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from tfrec.ingest.frequent import most_frequent
from tfrec.ingest.mapping import ROUNDED_ID, id_text, map_columns, raw_columns
from tfrec.ingest.number_styles import find_styles, notes_of_styles
from tfrec.ingest.numbers import number
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.rejected import CheckedTable, check_rows
from tfrec.ingest.sources import read_text
from tfrec.ingest.time_formats import check_times
from tfrec.ingest.timestamps import parse_timestamps
from tfrec.schema.tables import ITEM_COLUMNS, conform

logger = logging.getLogger(__name__)

ITEM_PREFIX = "_item_"
"""Before the names of raw event columns that describe the event's item."""

_NUMBERS = ("price", "margin", "stock", "image_index")
_BOUNDS = {"price": (0.0, np.inf), "margin": (0.0, 1.0), "stock": (0.0, np.inf)}


def read_catalogue(
    connection: ibis.BaseBackend, recipe: Recipe, paths: Sequence[Path], *, num_images: int, scratch: Path
) -> CheckedTable | None:
    """Returns the items of the catalogue files, each id once; None where the recipe has no catalogue.

    Args:
        connection: DuckDB backend.
        recipe: its `items` and time zone are used.
        paths: paths of the catalogue.
        num_images: pictures that an `image_index` may point at.
        scratch: folder for files in between.

    Raises:
        SourceError: a file is empty or unreadable, or lacks a column.
    """
    if not paths:
        return None
    logger.info("Reading %s", ", ".join(map(str, paths)))
    raw, lines = read_text(
        connection, recipe.items, paths, name="items_raw", scratch=scratch, wanted=raw_columns(recipe.items.columns)
    )
    mapped = map_columns(
        raw,
        recipe.items.columns,
        paths=paths,
        missing=recipe.items.missing,
        category_separator=recipe.items.category_separator,
    )
    styles = find_styles(mapped, recipe.items.columns, names=_NUMBERS, declared=recipe.items.decimal)
    notes = notes_of_styles(styles)
    if "available_from" in recipe.items.columns:
        where = ", ".join(map(str, paths))
        form = recipe.items.time_format
        notes += check_times(mapped, time_format=form, where=where, column="available_from", section="items")
    item_id = id_text(mapped["item_id"])
    typed: dict[str, ir.Value] = {"item_id": item_id.upper() if recipe.clean.upper_case_ids else item_id}
    reasons = [(item_id == "", "missing item_id"), (item_id.re_search(ROUNDED_ID), "rounded item_id")]
    bounds = {**_BOUNDS, "image_index": (-1.0, num_images - 1.0)}
    lost = []  # an item without one of its values is an item still
    for name in recipe.items.columns:
        text = mapped[name]
        if ITEM_COLUMNS[name] == "str":
            typed.setdefault(name, text)
            continue
        if ITEM_COLUMNS[name] == "datetime64[us]":
            zone = recipe.events.time_zone
            value = parse_timestamps(text, time_format=recipe.items.time_format, time_zone=zone)
        else:
            value = number(text, styles[name])
        lost.append(((text != "") & value.isnull(), f"unreadable {name}"))
        if name in bounds:
            low, high = bounds[name]
            lost.append(((value < low) | (value > high), f"impossible {name}"))
            value = ibis.ifelse(value.between(low, high), value, None)
        typed[name] = value
    good, rejected, incomplete = check_rows(
        connection, raw, mapped, typed, reasons, key="item_id", table="items", lines=lines, lost=lost
    )
    items = good.execute()
    if "image_index" in items:
        items["image_index"] = items["image_index"].fillna(-1)
    items = _sorted(translate(conform(items, ITEM_COLUMNS, table="items"), recipe.items.words))
    return CheckedTable(items, rejected, incomplete, tuple(notes))


def items_from_events(training: ir.Table, recipe: Recipe, *, train_end: pd.Timestamp) -> pd.DataFrame:
    """Returns the items of the training events, ascending by id: most frequent words, median price of late.

    The price is the median of an item's event prices above 0 in the last `price_weeks` before `train_end`; of all
    training where there are none. Of equally frequent words the alphabetically first is taken.

    Args:
        training: events before `train_end`, with text columns `_item_title` and the like.
        recipe: its `items` is used.
        train_end: end of training, UTC.
    """
    sold = training.filter(training["item_id"] != "")
    start = train_end - pd.Timedelta(weeks=recipe.items.price_weeks)
    price = sold["price"].cast("float64")
    is_priced = price > 0
    is_late = sold["timestamp"] >= ibis.literal(start.to_pydatetime()).cast("timestamp")
    median = ibis.coalesce(price.median(where=is_late & is_priced), price.median(where=is_priced))
    items = sold.group_by("item_id").aggregate(price=median).execute()
    items = items.merge(most_frequent(sold, "item_id", prefix=ITEM_PREFIX), on="item_id", how="left")
    return _sorted(translate(conform(items, ITEM_COLUMNS, table="items"), recipe.items.words))


def complete_items(catalogue: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Returns the catalogue with what only the training events know: absent items, open prices and words.

    Args:
        catalogue: `ITEM_COLUMNS`; items never sold stay.
        known: result of `items_from_events`.
    """
    absent = known[~known["item_id"].isin(catalogue["item_id"])]
    if len(absent):
        logger.info("%d items were sold in training but are not in the catalogue; they are added", len(absent))
    seen = known.set_index("item_id").reindex(catalogue["item_id"])
    price = catalogue["price"].where(catalogue["price"].notna(), seen["price"].to_numpy())
    words = {
        name: catalogue[name].where(catalogue[name] != "", seen[name].fillna("").to_numpy())
        for name in ("title", "category", "brand")
    }
    filled = catalogue.assign(price=price.astype(np.float32), **words)
    return _sorted(pd.concat([filled, absent]) if len(absent) else filled)


def translate(items: pd.DataFrame, words: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Returns the items with the recipe's words in place of raw ones; words without an entry stay."""
    return items.assign(**{column: items[column].replace(dict(table)) for column, table in words.items()})


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("item_id").reset_index(drop=True)
