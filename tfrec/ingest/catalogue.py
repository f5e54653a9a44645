"""Turns catalogue and user files, or what the training events know, into the items and users tables."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from tfrec.ingest.mapping import id_text, map_columns, number
from tfrec.ingest.privacy import pseudonymise
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.rejected import describe_rejected, describe_unreadable
from tfrec.ingest.sources import FILE, ROW, Unreadable, read_text
from tfrec.ingest.timestamps import parse_timestamps
from tfrec.schema.tables import ITEM_COLUMNS, USER_COLUMNS, conform

log = logging.getLogger(__name__)

ITEM_PREFIX, USER_PREFIX = "_item_", "_user_"
"""Before the names of raw event columns that describe the event's item or user."""

_BOUNDS = {
    "price": (0.0, np.inf),
    "margin": (0.0, 1.0),
    "stock": (0.0, np.inf),
    "image_index": (0.0, np.inf),
}


@dataclasses.dataclass(frozen=True)
class CheckedCatalogue:
    """Items or users, and the rows of their files that were set aside.

    Attributes:
        table: `ITEM_COLUMNS`, or `USER_COLUMNS` and attributes; ascending by id.
        rejected: rows in the form of `describe_rejected`.
    """

    table: pd.DataFrame
    rejected: list[ir.Table] = dataclasses.field(default_factory=list)


def read_items(
    connection: ibis.BaseBackend,
    recipe: Recipe,
    paths: Sequence[Path],
    training: ir.Table,
    *,
    train_end: pd.Timestamp,
    scratch: Path,
) -> CheckedCatalogue:
    """Returns the items: the catalogue (items never sold included), completed by what training knows; or that alone.

    Args:
        connection: DuckDB backend.
        recipe: its `items` and time zone are used.
        paths: of the catalogue; empty without one.
        training: good events before `train_end`.
        train_end: end of training, UTC.
        scratch: folder for files in between.

    Raises:
        SourceError: a file is empty or unreadable, or lacks a column.
    """
    words = recipe.items.words
    known = translate(items_from_events(training, price_weeks=recipe.items.price_weeks, train_end=train_end), words)
    if not paths:
        return CheckedCatalogue(known)
    raw, lines = read_text(connection, recipe.items, paths, name="items_raw", scratch=scratch)
    mapped = map_columns(raw, recipe.items.columns, paths=paths)
    typed = {"item_id": id_text(mapped["item_id"])}
    if recipe.clean.upper_case_ids:
        typed["item_id"] = typed["item_id"].upper()
    reasons = [(typed["item_id"] == "", "missing item_id")]
    for name in recipe.items.columns:
        text, kind = mapped[name], ITEM_COLUMNS[name]
        if name == "item_id":
            continue
        if kind == "str":
            typed[name] = text
            continue
        if kind == "datetime64[us]":
            typed[name] = parse_timestamps(
                text, time_format=recipe.items.time_format, time_zone=recipe.events.time_zone
            )
        else:
            typed[name] = number(text, recipe.items.decimal)
        reasons.append(((text != "") & typed[name].isnull(), f"unreadable {name}"))
        if name in _BOUNDS:
            low, high = _BOUNDS[name]
            reasons.append(((typed[name] < low) | (typed[name] > high), f"impossible {name}"))
    good, rejected = _checked(
        connection, raw, mapped.select(**typed, _reason=_first(reasons), **_place(mapped)), "item_id", "items", lines
    )
    items = good.execute()
    if "image_index" in items:
        items["image_index"] = items["image_index"].fillna(-1)
    catalogue = translate(conform(items, ITEM_COLUMNS, table="items"), words)
    return CheckedCatalogue(complete_items(catalogue, known), rejected)


def read_users(
    connection: ibis.BaseBackend,
    recipe: Recipe,
    paths: Sequence[Path],
    training: ir.Table,
    *,
    key: bytes | None,
    scratch: Path,
) -> CheckedCatalogue:
    """Returns the users: the users file completed by the users of training; or these alone.

    Args:
        connection: DuckDB backend.
        recipe: its `users` is used.
        paths: of the users file; empty without one.
        training: good events of the training period.
        key: secret of the pseudonyms, or None.
        scratch: folder for files in between.

    Raises:
        SourceError: a file is empty or unreadable, or lacks a column.
    """
    known = users_from_events(training)
    if not paths:
        return CheckedCatalogue(known)
    raw, lines = read_text(connection, recipe.users, paths, name="users_raw", scratch=scratch)
    mapped = map_columns(raw, recipe.users.columns, paths=paths)
    if key is not None:
        mapped = pseudonymise(connection, mapped, key=key, guest_ids=recipe.clean.guest_ids)
    typed = {name: mapped[name] for name in recipe.users.columns} | {"user_id": id_text(mapped["user_id"])}
    reason = _first([(typed["user_id"] == "", "missing user_id")])
    hidden = recipe.users.columns["user_id"] if key is not None else ""
    good, rejected = _checked(
        connection, raw, mapped.select(**typed, _reason=reason, **_place(mapped)), "user_id", "users", lines, hidden
    )
    register = conform(good.execute(), USER_COLUMNS, table="users", extra=True)
    return CheckedCatalogue(complete_users(register, known), rejected)


def items_from_events(training: ir.Table, *, price_weeks: float, train_end: pd.Timestamp) -> pd.DataFrame:
    """Returns the items of the training events, ascending by id: most frequent words, median price of late.

    The price is the median of an item's event prices in the last `price_weeks` before `train_end`; of all training
    where it was not sold lately. Of equally frequent words the alphabetically first is taken.

    Args:
        training: events before `train_end`, with text columns `_item_title` and the like.
        price_weeks: how long "of late" is.
        train_end: end of training, UTC.
    """
    priced = training.filter(training["item_id"] != "")
    late = priced["timestamp"] >= ibis.literal(train_end - pd.Timedelta(weeks=price_weeks)).cast("timestamp")
    price = priced["price"].cast("float64")
    items = (
        priced.group_by("item_id")
        .aggregate(price=ibis.coalesce(price.median(where=late & (price > 0)), price.median(where=price > 0)))
        .execute()
    )
    items = items.merge(_most_frequent(priced, "item_id", ITEM_PREFIX), on="item_id", how="left")
    return _sorted(conform(items, ITEM_COLUMNS, table="items"), "item_id")


def users_from_events(training: ir.Table) -> pd.DataFrame:
    """Returns the known users of the training events, ascending by id, with their most frequent attribute values."""
    known = training.filter(training["user_id"] != "")
    users = known.select("user_id").distinct().execute()
    users = users.merge(_most_frequent(known, "user_id", USER_PREFIX), on="user_id", how="left")
    return _sorted(conform(users, USER_COLUMNS, table="users", extra=True), "user_id")


def translate(items: pd.DataFrame, words: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Returns the items with the recipe's words in place of raw ones; words without entry stay."""
    return items.assign(**{column: items[column].replace(dict(table)) for column, table in words.items()})


def complete_items(catalogue: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Returns the catalogue with what only the training events know: absent items, open prices and words."""
    absent = known[~known["item_id"].isin(catalogue["item_id"])]
    if len(absent):
        log.info("%d items were sold in training but are not in the catalogue; they are added.", len(absent))
    seen = known.set_index("item_id").reindex(catalogue["item_id"])
    price = catalogue["price"].where(catalogue["price"].notna(), seen["price"].to_numpy())
    texts = {
        name: catalogue[name].where(catalogue[name] != "", seen[name].fillna("").to_numpy())
        for name in ("title", "category", "brand")
    }
    filled = catalogue.assign(price=price.astype(np.float32), **texts)
    return _sorted(pd.concat([filled, absent]) if len(absent) else filled, "item_id")


def complete_users(register: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Returns the users file with the users that only the training events know; their attributes are missing."""
    absent = known[~known["user_id"].isin(register["user_id"])]
    return _sorted(pd.concat([register, absent]) if len(absent) else register, "user_id")


def _most_frequent(events: ir.Table, key: str, prefix: str) -> pd.DataFrame:
    columns = [name for name in events.columns if name.startswith(prefix)]
    result = events.select(key).distinct().execute()
    for column in columns:
        counted = (
            events.filter(events[column] != "").group_by(key, column).aggregate(_count=lambda table: table.count())
        )
        counts = counted.execute().sort_values([key, "_count", column], ascending=[True, False, True])
        best = counts.drop_duplicates(key)[[key, column]].rename(columns={column: column.removeprefix(prefix)})
        result = result.merge(best, on=key, how="left")
    return result


def _sorted(table: pd.DataFrame, key: str) -> pd.DataFrame:
    return table.sort_values(key).reset_index(drop=True)


def _checked(
    connection: ibis.BaseBackend,
    raw: ir.Table,
    typed: ir.Table,
    key: str,
    table: str,
    lines: Sequence[Unreadable],
    hidden: str = "",
) -> tuple[ir.Table, list[ir.Table]]:
    """The rows without a `_reason`, each `key` once, and the others as rejected rows."""
    is_bad = typed["_reason"].notnull()
    earlier = ibis.row_number().over(ibis.window(group_by=[is_bad, typed[key]], order_by=[FILE, ROW]))
    reason = ibis.coalesce(typed["_reason"], ibis.ifelse(earlier > 0, f"duplicate {key}", None))
    connection.create_table(f"{table}_checked", typed.mutate(reason=reason).drop("_reason"))
    checked = connection.table(f"{table}_checked")
    rejected = [describe_rejected(raw, checked, table=table, hidden=[hidden])]
    rejected += describe_unreadable(lines, table=table, is_hidden=bool(hidden))
    return checked.filter(checked["reason"].isnull()).drop(FILE, ROW, "reason"), rejected


def _first(reasons: Sequence[tuple[ir.BooleanValue, str]]) -> ir.StringValue:
    return ibis.cases(*reasons, else_=ibis.null("string"))


def _place(table: ir.Table) -> dict[str, ir.Value]:
    return {FILE: table[FILE], ROW: table[ROW]}
