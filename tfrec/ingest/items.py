"""Specifies the items table, and completes it by what the training events know."""

import functools
import logging
from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from tfrec.ingest.category_tree import CategoryPaths, notes_of_categories
from tfrec.ingest.frequent import most_frequent
from tfrec.ingest.number_styles import notes_of_numbers
from tfrec.ingest.recipes import ItemsRecipe, Recipe
from tfrec.ingest.table_spec import Column, MappedTable, TableSpec, is_empty, is_rounded
from tfrec.ingest.time_formats import check_times
from tfrec.schema.tables import ITEM_COLUMNS, conform
from tfrec.sources.notes import Note

logger = logging.getLogger(__name__)

PROFIT = "_profit"
"""Column of the events: what all pieces of a row earned; absent where the recipe states neither cost nor profit."""

ITEM_PREFIX = "_item_"
"""Before the names of raw event columns that describe the event's item."""


def items_spec(recipe: Recipe, *, num_images: int, tree: CategoryPaths) -> TableSpec:
    """Returns the spec of the catalogue files: each id once; an item without one of its values is an item still.

    Args:
        recipe: its `items` and time zone are used.
        num_images: pictures that an `image_index` may point at.
        tree: paths of the categories whose ids items have.
    """
    section = recipe.items
    columns = {
        "item_id": Column(name="item_id", kind="id", upper_case=recipe.clean.upper_case_ids),
        **{name: Column(name=name) for name in ("title", "category", "brand")},
        "price": Column(name="price", kind="number", is_optional=True, low=0),
        "margin": Column(name="margin", kind="number", is_optional=True, high=1),
        "cost": Column(name="cost", kind="number", is_kept="cost" in section.columns, is_optional=True, low=0),
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
        note_makers=(
            notes_of_numbers,
            functools.partial(_notes_of_times, section=section),
            functools.partial(_notes_of_categories, section=section, tree=tree),
        ),
        free_text=recipe.privacy.free_text,
        country=recipe.country,
        order=("item_id",),
        finish=functools.partial(translate, words=section.words, tree=tree),
    )


def items_from_events(
    training: ir.Table, recipe: Recipe, *, train_end: pd.Timestamp, tree: CategoryPaths
) -> pd.DataFrame:
    """Returns the items of the training events, ascending by id: most frequent words, median price of late, margin.

    The margin is the profit of an item's purchases by their revenue, where the events state costs or profits.

    The price is the median of an item's event prices above 0 in the last `price_weeks` before `train_end`; of all
    training where there are none. Of equally frequent words the alphabetically first is taken.

    Args:
        training: events before `train_end`, with text columns `_item_title` and the like.
        recipe: its `items` is used.
        train_end: end of training, UTC.
        tree: paths of the categories whose ids items have.
    """
    sold = training.filter(training["item_id"] != "")
    start = train_end - pd.Timedelta(weeks=recipe.items.price_weeks)
    price = sold["price"].cast("float64")
    is_priced = price > 0
    is_late = sold["timestamp"] >= ibis.literal(start.to_pydatetime()).cast("timestamp")
    median = ibis.coalesce(price.median(where=is_late & is_priced), price.median(where=is_priced))
    items = sold.group_by("item_id").aggregate(price=median, **_margin(sold)).execute()
    items = items.merge(most_frequent(sold, "item_id", prefix=ITEM_PREFIX), on="item_id", how="left")
    return _sorted(translate(conform(items, ITEM_COLUMNS, table="items"), words=recipe.items.words, tree=tree))


def _margin(sold: ir.Table) -> dict[str, ir.FloatingValue]:
    """Returns the margin of purchases with a known profit, below 0 at a loss; null where they earned nothing at all."""
    if PROFIT not in sold.columns:
        return {}
    revenue = sold["price"].cast("float64") * sold["quantity"].cast("float64")
    counts = (sold["event_type"] == "purchase") & sold[PROFIT].notnull() & revenue.notnull()
    margin = sold[PROFIT].sum(where=counts) / revenue.sum(where=counts).nullif(0.0)
    return {"margin": ibis.ifelse(margin <= 1, margin, None)}


def add_margins(items: pd.DataFrame) -> pd.DataFrame:
    """Returns the items with margins by price and cost where none is known, and without their costs."""
    if "cost" not in items.columns:
        return items
    price = items["price"].where(items["price"] > 0)
    by_cost = ((price - items["cost"]) / price).astype(np.float32)
    return items.assign(margin=items["margin"].where(items["margin"].notna(), by_cost)).drop(columns="cost")


def complete_items(catalogue: pd.DataFrame, in_training: pd.DataFrame) -> pd.DataFrame:
    """Returns the catalogue with what only the training events know: absent items, open prices, margins and words.

    An item's cost goes before what its events earned.

    Args:
        catalogue: `ITEM_COLUMNS`, maybe with `cost`; items never sold stay.
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
    filled = add_margins(catalogue.assign(price=price.astype(np.float32), **words))
    margin = filled["margin"].where(filled["margin"].notna(), from_events["margin"].to_numpy())
    filled = filled.assign(margin=margin.astype(np.float32))
    return _sorted(pd.concat([filled, absent]) if len(absent) else filled)


def translate(items: pd.DataFrame, *, words: Mapping[str, Mapping[str, str]], tree: CategoryPaths) -> pd.DataFrame:
    """Returns the items with paths in place of ids of categories, and the recipe's words in place of raw ones.

    Words without an entry stay.
    """
    if tree.paths:
        items = items.assign(category=items["category"].map(tree.path_of))
    return items.assign(**{column: items[column].replace(dict(table)) for column, table in words.items()})


def _notes_of_times(mapped: MappedTable, *, section: ItemsRecipe) -> list[Note]:
    name = "available_from"
    if name not in section.columns or name in mapped.plain_times:
        return []
    form = section.time_format
    return check_times(mapped.text, time_format=form, where=mapped.origin, column=name, section="items")


def _notes_of_categories(mapped: MappedTable, *, section: ItemsRecipe, tree: CategoryPaths) -> list[Note]:
    if not tree.paths or "category" not in section.columns:
        return []
    return notes_of_categories(mapped.text.select("category").execute()["category"], tree)


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("item_id").reset_index(drop=True)
