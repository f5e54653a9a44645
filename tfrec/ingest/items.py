"""Specifies the items table, and completes it by what the training events know."""

import functools
import logging
from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from tfrec.ingest.category_tree import CategoryPaths, notes_of_categories
from tfrec.ingest.frequent import most_frequent
from tfrec.ingest.item_section import ItemsRecipe
from tfrec.ingest.number_styles import notes_of_numbers
from tfrec.ingest.picture_folder import PictureRows, picture_name
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.rejected import CheckedTable
from tfrec.ingest.table_spec import Check, Column, Expression, MappedTable, TableSpec, is_empty, is_rounded
from tfrec.ingest.time_formats import check_times
from tfrec.ingest.vectors import align_vectors, pass_of_lengths
from tfrec.schema.tables import ITEM_COLUMNS, OPTIONAL_ITEM_COLUMNS, conform
from tfrec.sources.engine import Workspace
from tfrec.sources.notes import Note

logger = logging.getLogger(__name__)

PROFIT = "_profit"
"""Column of the events: what all pieces of a row earned; absent where the recipe states neither cost nor profit."""

ITEM_PREFIX = "_item_"
"""Before the names of raw event columns that describe the event's item."""


UNKNOWN_ITEM = "unknown item"
"""Reason of a row whose item is not in the catalogue, where the recipe leaves such rows out."""


def items_spec(recipe: Recipe, *, num_images: int, tree: CategoryPaths, pictures: PictureRows) -> TableSpec:
    """Returns the spec of the catalogue files: each id once; an item without one of its values is an item still.

    Args:
        recipe: its `items` and time zone are used.
        num_images: pictures that an `image_index` may point at.
        tree: paths of the categories whose ids items have.
        pictures: rows of the pictures that items name by their paths.
    """
    section = recipe.items
    source = section.with_attributes()
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
    stated = {
        "item_group": Column(name="item_group", kind="id"),
        "list_price": Column(name="list_price", kind="number", is_optional=True, low=0),
        "available_until": Column(name="available_until", kind="time", is_optional=True),
        "embedding": Column(name="embedding", kind="vector"),
        "picture": Column(name="picture"),
        **{name: Column(name=name) for name in section.attributes},
    }
    columns |= {name: column for name, column in stated.items() if name in source.columns}
    return TableSpec(
        name="items",
        types={
            **ITEM_COLUMNS,
            **{name: OPTIONAL_ITEM_COLUMNS[name] for name in columns if name in OPTIONAL_ITEM_COLUMNS},
        },
        section=source,
        columns=tuple(columns[name] for name in dict.fromkeys((*source.columns, *columns))),
        category_separator=section.category_separator,
        time_format=section.time_format,
        time_zone=recipe.time_zone,
        checks=(is_empty("item_id"), is_rounded("item_id")),
        derive=_with_picture_names if "picture" in columns else None,
        losses=(Check("picture not found", _no_picture(pictures)),) if "picture" in columns else (),
        passes=(pass_of_lengths("embedding", table="items"),) if "embedding" in columns else (),
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
        catalogue: `ITEM_COLUMNS`, maybe with `cost`, optional columns and attributes; items never sold stay.
        in_training: result of `items_from_events`.
    """
    absent = in_training[~in_training["item_id"].isin(catalogue["item_id"])]
    optional = {name: kind for name, kind in OPTIONAL_ITEM_COLUMNS.items() if name in catalogue.columns}
    absent = conform(absent, {**ITEM_COLUMNS, **optional}, table="items") if optional else absent
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
    if not len(absent):
        return _sorted(filled)
    texts = [name for name in filled.columns if name not in absent.columns]  # attributes
    return _sorted(pd.concat([filled, absent.assign(**dict.fromkeys(texts, ""))]))


def collect_embeddings(catalogue: CheckedTable | None, item_ids: pd.Series) -> np.ndarray | None:
    """Returns `[N, d]` the vectors of the items, NaN where one has none; None where no item has one.

    Args:
        catalogue: the checked items, or None.
        item_ids: `[N]` of the completed items.
    """
    if catalogue is None or "embedding" not in catalogue.rows.columns:
        return None
    good = catalogue.good
    return align_vectors(good.select(id=good["item_id"], vector=good["embedding"]), item_ids)


def translate(items: pd.DataFrame, *, words: Mapping[str, Mapping[str, str]], tree: CategoryPaths) -> pd.DataFrame:
    """Returns the items with paths in place of ids of categories, and the recipe's words in place of raw ones.

    Words without an entry stay.
    """
    if tree.paths:
        items = items.assign(category=items["category"].map(tree.path_of))
    return items.assign(**{column: items[column].replace(dict(table)) for column, table in words.items()})


def _notes_of_times(mapped: MappedTable, *, section: ItemsRecipe) -> list[Note]:
    form = section.time_format
    notes: list[Note] = []
    for name in ("available_from", "available_until"):
        if name in section.columns and name not in mapped.plain_times:
            notes += check_times(mapped.text, time_format=form, where=mapped.origin, column=name, section="items")
    return notes


def notes_of_sales(items: pd.DataFrame) -> list[Note]:
    """Returns a note where the sale of items ends before it begins: they are never offered."""
    if "available_until" not in items.columns:
        return []
    is_odd = items["available_until"] <= items["available_from"]
    if not is_odd.any():
        return []
    text = (
        f"{int(is_odd.sum()):,} items have an `available_until` that is not after their `available_from`, e.g. "
        f"{items.loc[is_odd, 'item_id'].iloc[0]!r}; they are never offered."
    )
    return [Note("sale_ends_before_it_begins", int(is_odd.sum()), text)]


def set_aside_unknown_items(workspace: Workspace, rows: ir.Table, *, table: str) -> tuple[ir.Table, Sequence[Note]]:
    """Sets aside the good rows whose item is not in the catalogue, which is read before.

    Args:
        workspace: holds the checked catalogue.
        rows: checked rows with `item_id`.
        table: name of their table.
    """
    items = workspace.stored("items_typed")
    catalogue = items.filter(items["reason"].isnull())
    is_unknown = (rows["item_id"] != "") & ~rows["item_id"].isin(catalogue["item_id"])
    reason = ibis.coalesce(rows["reason"], ibis.ifelse(is_unknown, UNKNOWN_ITEM, None))
    return workspace.store(f"{table}_known", rows.mutate(reason=reason)), []


def _with_picture_names(typed: ir.Table) -> ir.Table:
    return typed.mutate(picture=picture_name(typed["picture"]))


def _no_picture(pictures: PictureRows) -> Expression:
    """Returns whether the path of an item's picture names no file that could be read."""
    names = ibis.memtable(pd.DataFrame({"name": pd.Series(list(pictures.rows), dtype="str")}))
    return (_["picture"] != "") & ~_["picture"].isin(names["name"])


def _notes_of_categories(mapped: MappedTable, *, section: ItemsRecipe, tree: CategoryPaths) -> list[Note]:
    if not tree.paths or "category" not in section.columns:
        return []
    return notes_of_categories(mapped.text.select("category").execute()["category"], tree)


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("item_id").reset_index(drop=True)
