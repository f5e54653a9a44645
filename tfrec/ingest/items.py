"""Specifies the items table, and completes it by what the training events know."""

import functools
import logging
from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from tfrec.ingest.frequent import most_frequent
from tfrec.ingest.number_styles import notes_of_numbers
from tfrec.ingest.recipes import ItemsRecipe, Recipe
from tfrec.ingest.table_spec import Column, MappedTable, TableSpec, is_empty, is_rounded
from tfrec.ingest.time_formats import check_times
from tfrec.schema.tables import ITEM_COLUMNS, conform
from tfrec.sources.notes import Note

logger = logging.getLogger(__name__)

ITEM_PREFIX = "_item_"
"""Before the names of raw event columns that describe the event's item."""


def items_spec(recipe: Recipe, *, num_images: int) -> TableSpec:
    """Returns the spec of the catalogue files: each id once; an item without one of its values is an item still.

    Args:
        recipe: its `items` and time zone are used.
        num_images: pictures that an `image_index` may point at.
    """
    section = recipe.items
    columns = {
        "item_id": Column(name="item_id", kind="id", upper_case=recipe.clean.upper_case_ids),
        **{name: Column(name=name) for name in ("title", "category", "brand")},
        "price": Column(name="price", kind="number", is_optional=True, low=0),
        "margin": Column(name="margin", kind="number", is_optional=True, low=0, high=1),
        "stock": Column(name="stock", kind="number", is_optional=True, low=0),
        "image_index": Column(
            name="image_index", kind="number", is_optional=True, low=-1, high=num_images - 1, fill=-1
        ),
        "available_from": Column(name="available_from", kind="time", is_optional=True),
    }
    return TableSpec(
        name="items",
        types=ITEM_COLUMNS,
        section=section,
        columns=tuple(columns[name] for name in dict.fromkeys((*section.columns, *columns))),
        category_separator=section.category_separator,
        time_format=section.time_format,
        time_zone=recipe.time_zone,
        checks=(is_empty("item_id"), is_rounded("item_id")),
        unique=("item_id",),
        repeated="duplicate item_id",
        note_makers=(notes_of_numbers, functools.partial(_notes_of_times, section=section)),
        order=("item_id",),
        finish=functools.partial(translate, words=section.words),
    )


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


def complete_items(catalogue: pd.DataFrame, in_training: pd.DataFrame) -> pd.DataFrame:
    """Returns the catalogue with what only the training events know: absent items, open prices and words.

    Args:
        catalogue: `ITEM_COLUMNS`; items never sold stay.
        in_training: result of `items_from_events`.
    """
    absent = in_training[~in_training["item_id"].isin(catalogue["item_id"])]
    if len(absent):
        logger.info("%d items were sold in training but are not in the catalogue; they are added", len(absent))
    from_events = in_training.set_index("item_id").reindex(catalogue["item_id"])
    price = catalogue["price"].where(catalogue["price"].notna(), from_events["price"].to_numpy())
    words = {
        name: catalogue[name].where(catalogue[name] != "", from_events[name].fillna("").to_numpy())
        for name in ("title", "category", "brand")
    }
    filled = catalogue.assign(price=price.astype(np.float32), **words)
    return _sorted(pd.concat([filled, absent]) if len(absent) else filled)


def translate(items: pd.DataFrame, words: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Returns the items with the recipe's words in place of raw ones; words without an entry stay."""
    return items.assign(**{column: items[column].replace(dict(table)) for column, table in words.items()})


def _notes_of_times(mapped: MappedTable, *, section: ItemsRecipe) -> list[Note]:
    name = "available_from"
    if name not in section.columns:
        return []
    form = section.time_format
    return check_times(mapped.text, time_format=form, where=mapped.origin, column=name, section="items")


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("item_id").reset_index(drop=True)
