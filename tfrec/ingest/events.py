"""Turns the raw event files of a recipe into one stored table: typed, checked, cut into sessions and orders."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.errors import SourceError
from tfrec.ingest.cleaning import EventTypes, set_aside_duplicates, set_aside_unknown_items, type_events
from tfrec.ingest.id_notes import notes_of_ids
from tfrec.ingest.items import ITEM_PREFIX
from tfrec.ingest.mapping import column_texts, raw_columns
from tfrec.ingest.notes import Note
from tfrec.ingest.number_styles import find_styles, notes_of_currency, notes_of_styles
from tfrec.ingest.order_notes import notes_of_orders, notes_of_states
from tfrec.ingest.privacy import pseudonymise
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.sessions import cut_sessions, group_orders
from tfrec.ingest.sources import FILE, ROW, Unreadable, read_text
from tfrec.ingest.splits import add_clock
from tfrec.ingest.time_bounds import find_bounds, outlier_reason
from tfrec.ingest.time_formats import check_times
from tfrec.ingest.timestamps import local_time
from tfrec.ingest.users import USER_PREFIX
from tfrec.schema.tables import EVENT_COLUMNS

logger = logging.getLogger(__name__)

_NUMBERS = ("quantity", "price", "line_total", "rating")


@dataclasses.dataclass(frozen=True)
class CheckedEvents:
    """What became of the event files.

    Attributes:
        raw: stored table of text, as in the files, with `_file` and `_row`.
        checked: stored table: every row typed, with the `reason` why it is set aside, or null.
        good: stored table of the events that stay, with sessions and orders.
        unreadable: lines that were no rows.
        notes: what the owner of the files should know.
    """

    raw: ir.Table
    checked: ir.Table
    good: ir.Table
    unreadable: list[Unreadable]
    notes: tuple[Note, ...]


def check_events(
    connection: ibis.BaseBackend,
    recipe: Recipe,
    paths: Sequence[Path],
    *,
    catalogue: pd.DataFrame | None,
    key: bytes | None,
    scratch: Path,
) -> CheckedEvents:
    """Returns the events of the files, the bad ones with a reason; `good + set aside = rows read`.

    Args:
        connection: DuckDB backend that stores the tables.
        recipe: how to read them.
        paths: the located files.
        catalogue: items of the catalogue, or None.
        key: secret of the pseudonyms, or None.
        scratch: folder for files in between.

    Raises:
        SourceError: a file is empty or unreadable, lacks a column, or its times cannot be read with certainty.
    """
    logger.info("Reading %s", ", ".join(map(str, paths)))
    described = [table.columns for table in (recipe.items, recipe.users) if not table.files]
    ruled = [rule.raw_column for rule in recipe.clean.rules if rule.raw_column]
    wanted = [*raw_columns(recipe.events.columns, *described), *ruled]
    raw, unreadable = read_text(connection, recipe.events, paths, name="events_raw", scratch=scratch, wanted=wanted)
    mapped = _stored(connection, "events_mapped", _mapped(raw, recipe, paths))
    styles = find_styles(mapped, recipe.events.columns, names=_NUMBERS, declared=recipe.events.decimal)
    notes = _check_dates(mapped, recipe, paths) if recipe.has_time else []
    notes += [
        *notes_of_ids(connection, mapped, raw, recipe),
        *notes_of_styles(styles),
        *notes_of_currency(styles, recipe.currency.upper()),
    ]
    if key is not None and "user_id" in mapped.columns:
        mapped = pseudonymise(mapped, key=key, guest_ids=recipe.clean.guest_ids)
        for name in ("order_id", "session_id"):  # made of a user's id, they would show it
            if set(raw_columns({name: recipe.events.columns.get(name, ())})) & set(user_columns(recipe)):
                mapped = pseudonymise(mapped, key=key, column=name)
    how = EventTypes(
        types=recipe.events.types,
        time_format=recipe.events.time_format,
        time_zone=recipe.events.time_zone,
        styles=styles,
        currency=recipe.currency.upper(),
        rates=recipe.events.rates,
    )
    typed = type_events(mapped, recipe.clean, how)
    if not recipe.has_time:
        typed = add_clock(typed, recipe.split)
    checked = _stored(connection, "events_checked", typed)
    if recipe.has_time:
        checked, outliers = _set_aside_outliers(connection, checked)
        notes += outliers
    if recipe.clean.unknown_items == "reject" and catalogue is not None:
        item_ids = ibis.memtable(catalogue[["item_id"]])
        checked = _stored(connection, "events_known", set_aside_unknown_items(checked, item_ids))
    if recipe.clean.duplicates == "reject":
        compared = tuple(EVENT_COLUMNS)
        checked = _stored(connection, "events_unique", set_aside_duplicates(checked, compared=compared))
    logger.info("Cutting sessions and orders")
    good = cut_sessions(checked.filter(checked["reason"].isnull()).drop("reason", "incomplete"), recipe.sessions)
    good = group_orders(good, recipe.orders, clock=local_time(good["timestamp"], recipe.events.time_zone))
    good = _stored(connection, "events_good", good)
    notes += notes_of_states(raw, known=wanted)
    notes += notes_of_orders(good, checked, raw, has_orders="order_id" in recipe.events.columns)
    return CheckedEvents(raw, checked, good, unreadable, tuple(notes))


def _mapped(raw: ir.Table, recipe: Recipe, paths: Sequence[Path]) -> ir.Table:
    """Returns schema columns as text, and the further columns of items and users in the rows."""
    missing = recipe.events.missing
    ruled = tuple(dict.fromkeys(rule.raw_column for rule in recipe.clean.rules if rule.raw_column))
    texts: dict[str, ir.Value] = {}
    texts |= column_texts(raw, recipe.events.columns, paths=paths, missing=missing, passing=ruled)
    if recipe.events.type:
        texts["event_type"] = ibis.literal(recipe.events.type)
    separator = recipe.items.category_separator
    for table, prefix in ((recipe.items, ITEM_PREFIX), (recipe.users, USER_PREFIX)):
        if not table.files:
            texts |= column_texts(
                raw, table.columns, paths=paths, missing=missing, prefix=prefix, category_separator=separator
            )
    return raw.select(**texts, **{FILE: raw[FILE], ROW: raw[ROW]})


def user_columns(recipe: Recipe) -> list[str]:
    """Returns the raw columns of the events that user ids come from."""
    columns = recipe.events.columns
    return raw_columns({"user_id": columns["user_id"]}) if "user_id" in columns else []


def _stored(connection: ibis.BaseBackend, name: str, expression: ir.Table) -> ir.Table:
    connection.create_table(name, expression)
    return connection.table(name)


def _check_dates(mapped: ir.Table, recipe: Recipe, paths: Sequence[Path]) -> list[Note]:
    """Refuses a log of which most rows have no date, unless the recipe drops these, and checks how times are read."""
    where = ", ".join(map(str, paths))
    absent = (mapped["timestamp"] == "").sum()
    rows, undated = mapped.aggregate(rows=mapped.count(), undated=absent).execute().fillna(0).iloc[0]
    if undated * 2 > rows and recipe.clean.undated == "refuse":
        raise SourceError(
            f"{where}: {int(undated):,} of {int(rows):,} rows have no timestamp. Map another column to `timestamp` "
            '(or the first that is not empty: {first_of = ["paid_at", "created_at"]}), or leave these rows out by '
            '[clean] undated = "drop".'
        )
    return check_times(mapped, time_format=recipe.events.time_format, where=where)


def _set_aside_outliers(connection: ibis.BaseBackend, checked: ir.Table) -> tuple[ir.Table, list[Note]]:
    """Sets aside the good rows whose time lies far from all others."""
    bounds = find_bounds(checked.filter(checked["reason"].isnull())["timestamp"])
    if not bounds.notes:
        return checked, []
    reason = ibis.coalesce(checked["reason"], outlier_reason(checked["timestamp"], bounds))
    return _stored(connection, "events_bounded", checked.mutate(reason=reason)), [*bounds.notes]
