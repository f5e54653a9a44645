"""Specifies the events table, and cuts its rows into sessions and orders."""

import dataclasses
import functools
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _

from tfrec.errors import SourceError
from tfrec.ingest.bundles import CHILD, FREE_COPY, PARENT, set_aside_parts
from tfrec.ingest.cleaning import Cleaning, Rule
from tfrec.ingest.clock_errors import RECEIVED, set_aside_clock_errors
from tfrec.ingest.event_section import EventsRecipe
from tfrec.ingest.exchange_rates import CURRENCY, MISSING_RATE, RATE, add_rates
from tfrec.ingest.id_notes import notes_of_ids
from tfrec.ingest.items import ITEM_PREFIX, PROFIT, UNKNOWN_ITEM, set_aside_unknown_items
from tfrec.ingest.mapped_text import VALUE_PREFIX
from tfrec.ingest.number_styles import notes_of_currency, notes_of_numbers
from tfrec.ingest.order_notes import notes_of_orders, notes_of_states
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.rejected import CheckedTable
from tfrec.ingest.retention import EXPIRED, set_aside_expired
from tfrec.ingest.returns import RETURN_REASON
from tfrec.ingest.sessions import cut_sessions, group_orders, number_sessions
from tfrec.ingest.splits import add_clock
from tfrec.ingest.staff import IS_STAFF, STAFF, mark_staff
from tfrec.ingest.table_spec import (
    PART,
    Check,
    Column,
    Expression,
    MappedTable,
    Pass,
    TableSpec,
    is_rounded,
    is_unreadable,
    time_checks,
)
from tfrec.ingest.time_bounds import find_bounds, outlier_reason
from tfrec.ingest.time_formats import check_times
from tfrec.ingest.timestamps import local_time
from tfrec.ingest.users import USER_PREFIX
from tfrec.schema.event_types import EVENT_TYPES, RETURN
from tfrec.schema.tables import EVENT_COLUMNS
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note

_CENT = 0.01
_IDS = ("user_id", "item_id", "order_id", "session_id")


def events_specs(recipe: Recipe, *, rates: ir.Table | None = None) -> tuple[TableSpec, ...]:
    """Returns the spec of the rows of each section of the events, in order.

    Args:
        recipe: states what the rows are.
        rates: the good rows of `rates_spec`, or None.
    """
    return tuple(_spec_of(section, recipe, rates) for section in recipe.events)


def _spec_of(section: EventsRecipe, recipe: Recipe, rates: ir.Table | None) -> TableSpec:
    """Returns the spec of one section; without files of their own, items and users are described in the same rows."""
    cleaning = recipe.clean
    passes: list[Pass] = []
    now = pd.Timestamp.now("UTC").tz_localize(None)
    if recipe.has_time:
        passes += [
            functools.partial(_set_aside_outliers, time_zone=recipe.time_zone),
            functools.partial(set_aside_clock_errors, clock=cleaning.clock, time_zone=recipe.time_zone, now=now),
        ]
    if cleaning.unknown_items == "reject":
        passes.append(functools.partial(set_aside_unknown_items, table="events"))
    if cleaning.bundles.is_stated:
        passes.append(functools.partial(set_aside_parts, bundles=cleaning.bundles))
    if recipe.privacy.keep_days:
        passes.append(functools.partial(set_aside_expired, keep_days=recipe.privacy.keep_days, now=now))
    return TableSpec(
        name="events",
        types=EVENT_COLUMNS,
        section=section,
        columns=_columns(recipe),
        described={
            prefix: table.columns
            for prefix, table in ((ITEM_PREFIX, recipe.items), (USER_PREFIX, recipe.users))
            if not table.is_stated
        },
        passing=cleaning.raw_columns,
        category_separator=recipe.items.category_separator,
        time_format=section.time_format,
        time_zone=section.time_zone,
        derive=functools.partial(_derive, section=section, recipe=recipe, rates=rates),
        derive_together=functools.partial(_derive_together, recipe=recipe),
        checks=_checks(recipe),
        passes=tuple(passes),
        unique=tuple(EVENT_COLUMNS) if cleaning.duplicates == "reject" else (),
        note_makers=(
            *((functools.partial(_notes_of_times, section=section, recipe=recipe),) if recipe.has_time else ()),
            notes_of_numbers,
            functools.partial(notes_of_currency, currency=recipe.currency.upper()),
        ),
        late_note_makers=(functools.partial(notes_of_ids, recipe=recipe),),
        ruled=(
            *(rule.reason for rule in cleaning.rules),
            *((UNKNOWN_ITEM,) if cleaning.unknown_items == "reject" else ()),
            *((STAFF,) if cleaning.staff.is_stated else ()),
            *((CHILD, PARENT, FREE_COPY) if cleaning.bundles.is_stated else ()),
            *((EXPIRED,) if recipe.privacy.keep_days else ()),
        ),
        mark=functools.partial(mark_staff, staff=cleaning.staff) if cleaning.staff.is_stated else None,
        free_text=_free_text(recipe),
        country=recipe.country,
        user_ids=("user_id",),
        guest_ids=cleaning.guest_ids,
        made_of_user_ids=("order_id", "session_id"),
        is_by_row=rates is None and not any(rule.whole_order for rule in cleaning.rules),
    )


def _free_text(recipe: Recipe) -> tuple[str, ...]:
    """Returns the columns of free text of the events, with those that describe items and users."""
    named = recipe.privacy.free_text
    return tuple(f"{prefix}{name}" for prefix in ("", ITEM_PREFIX, USER_PREFIX) for name in named)


def group_events(events: CheckedTable, recipe: Recipe, workspace: Workspace) -> tuple[ir.Table, list[Note]]:
    """Returns the good events in orders, and what the owner of the log should know.

    Where orders have numbers, sessions are named as the events are written, a part at a time.
    """
    good = events.good
    if recipe.orders.by != "column":
        numbers = number_sessions(good, recipe.sessions, workspace)
        clock = local_time(good["timestamp"], recipe.time_zone)
        cut = cut_sessions(good.mutate(_clock=clock), numbers)
        grouped = group_orders(cut, recipe.orders, clock=cut["_clock"])
        good = workspace.store("events_good", grouped.drop("_clock"))
    notes = [
        *notes_of_states(
            events.raw.semi_join(good.select(FILE, ROW), [FILE, ROW]),
            used=[name for spec in events.specs for name in spec.wanted_columns],
        ),
        *notes_of_orders(good, events.raw, has_orders="order_id" in recipe.event_columns),
    ]
    return good, notes


def _columns(recipe: Recipe) -> tuple[Column, ...]:
    cleaning = recipe.clean
    return (
        Column(name="user_id", kind="id", blanks=cleaning.guest_ids),
        Column(name="item_id", kind="id", upper_case=cleaning.upper_case_ids),
        Column(name="event_type"),
        Column(name="timestamp", kind="time"),
        Column(name="received_at", kind="time", is_kept=False),
        Column(name="order_id", kind="id"),
        Column(name="session_id", kind="id"),
        Column(name="quantity", kind="number", fill=1.0),
        Column(name="price", kind="number", is_optional=True),
        Column(name="line_total", kind="number", is_kept=False),
        Column(name="discount", kind="number", is_kept=False),
        Column(name="cost", kind="number", is_kept=False, is_optional=True, low=0),
        Column(name="profit", kind="number", is_kept=False, is_optional=True),
        Column(name="rating", kind="number"),
        Column(name="query"),
        Column(name="sequence", is_kept=False),
        Column(name="currency", is_kept=False),
        Column(name=RETURN_REASON),
    )


def _derive(typed: ir.Table, *, section: EventsRecipe, recipe: Recipe, rates: ir.Table | None) -> ir.Table:
    """Returns the events with what several columns of a row, or the recipe, state together."""
    has_currency = "currency" in section.columns
    if has_currency:
        typed = add_rates(typed, section=section, recipe=recipe, rates=rates)
    words = {**{word: word for word in (*EVENT_TYPES, RETURN)}, **section.types}
    word = ibis.literal(section.type) if section.type else typed["raw_event_type"]
    changed = {"raw_event_type": word, "event_type": word.cases(*words.items(), else_=ibis.null("string"))}
    price = typed["price"]
    # Rows without a possible quantity are set aside, for their quantity and not for a price of infinity.
    pieces = ibis.ifelse(typed["quantity"] != 0, typed["quantity"].abs(), 1.0).fill_null(1.0)
    if "line_total" in section.columns:
        price = typed["line_total"] / pieces
        changed["raw_price"] = typed["raw_line_total"]
    if "discount" in section.columns:
        price = _reduced(price, typed, pieces)
    if has_currency:
        changed["raw_currency"] = ibis.ifelse(typed[RATE].isnull(), typed[CURRENCY], "")
        price = price * typed[RATE]
    changed["price"] = price
    if {"cost", "profit"} & set(section.columns):
        earned = (
            typed["profit"] if "profit" in section.columns else -ibis.ifelse(typed["cost"] >= 0, typed["cost"], None)
        )
        if has_currency:
            earned = earned * typed[RATE]
        changed[PROFIT] = earned if "profit" in section.columns else price * typed["quantity"] + earned
    if "sequence" in section.columns:
        seconds = typed["sequence"].try_cast("int64").fill_null(0)
        changed["timestamp"] = typed["timestamp"] + seconds.as_interval("s")
    if "received_at" in section.columns:
        changed[RECEIVED] = typed["received_at"]
    derived = typed.mutate(**changed)
    if has_currency:
        derived = derived.drop(CURRENCY, RATE)
    return derived if recipe.has_time else add_clock(derived, recipe.split)


def _derive_together(typed: ir.Table, *, recipe: Recipe) -> ir.Table:
    return typed.mutate(**{RETURN_REASON: _why_no_return(recipe)})


def _reduced(price: ir.FloatingValue, typed: ir.Table, pieces: ir.FloatingValue) -> ir.FloatingValue:
    """Returns unit prices less the row's discount, whatever its sign; unknown where the discount cannot be read."""
    discount = ibis.ifelse(typed["raw_discount"] == "", 0.0, typed["discount"].abs())
    left = price.abs() - discount / pieces
    return price.sign() * ibis.ifelse((left < 0) & (left > -_CENT), 0.0, left)  # rounded cents take nothing below 0


def _why_no_return(recipe: Recipe) -> Expression:
    """Returns why a row, which is set aside as an event, takes back no purchase either; null where it does.

    Pieces and prices of returns may be written above or below 0.
    """
    if not recipe.has_time:
        return ibis.literal("no time")  # without one no purchase is known to be earlier
    takes_back = (_["event_type"] == RETURN) | (_["quantity"] < 0)
    for rule in recipe.clean.drop:
        if rule.is_return:
            takes_back = takes_back | _matches(rule, recipe).fill_null(False)
    is_return = takes_back & _["event_type"].isin(("purchase", RETURN))
    return ibis.cases(
        (~is_return.fill_null(False), "no return"),
        *((check.fails, check.reason) for check in _checks(recipe, of_returns=True)),
        else_=ibis.null("string"),
    )


def _checks(recipe: Recipe, *, of_returns: bool = False) -> tuple[Check, ...]:
    """Returns the checks of events, or of what takes purchases back; rules on whole orders come first."""
    cleaning, columns = recipe.clean, recipe.event_columns
    no_rate = MISSING_RATE if recipe.rate_table else "other currency"
    if of_returns:
        cleaning = dataclasses.replace(cleaning, drop=tuple(rule for rule in cleaning.drop if not rule.is_return))
    return (
        *_rule_checks(cleaning, recipe, whole_order=True, is_drop=True),
        *_rule_checks(cleaning, recipe, whole_order=True, is_drop=False),
        *_rule_checks(cleaning, recipe, whole_order=False, is_drop=True),
        *((Check(STAFF, _[IS_STAFF]),) if cleaning.staff.is_stated else ()),
        *(time_checks("timestamp") if "timestamp" in columns else ()),
        Check("unknown event type", _["event_type"].isnull()),
        Check("missing item_id", (_["item_id"] == "") & (_["event_type"] != "search")),
        *map(is_rounded, ("item_id", "order_id", "user_id")),
        *_rule_checks(cleaning, recipe, whole_order=False, is_drop=False),
        *(is_unreadable(name) for name in ("quantity", "rating") if name in columns),
        *((Check(no_rate, _["raw_currency"] != ""),) if "currency" in columns else ()),
        *_amount_checks(cleaning, of_returns=of_returns),
    )


def _amount_checks(cleaning: Cleaning, *, of_returns: bool) -> tuple[Check, ...]:
    pieces, price = (_["quantity"].abs(), _["price"].abs()) if of_returns else (_["quantity"], _["price"])
    too_low = price < 0 if cleaning.free_items else price <= 0
    signs = () if of_returns else (Check(RETURN, _["event_type"] == RETURN), Check("quantity below 0", pieces < 0))
    return (
        *signs,
        Check("impossible quantity", (pieces == 0) | (pieces > cleaning.max_quantity)),
        Check("impossible rating", (_["rating"] < cleaning.min_rating) | (_["rating"] > cleaning.max_rating)),
        Check("impossible price", too_low | (price > cleaning.max_price)),
    )


def _rule_checks(cleaning: Cleaning, recipe: Recipe, *, whole_order: bool, is_drop: bool) -> list[Check]:
    """Returns the checks of a recipe's rules: what `drop` matches, and what `keep` does not match, is set aside."""
    checks = []
    for rule in cleaning.drop if is_drop else cleaning.keep:
        if rule.whole_order != whole_order:
            continue
        matches = _matches(rule, recipe)
        checks.append(Check(rule.reason, matches if is_drop else ~matches))
    return checks


def _matches(rule: Rule, recipe: Recipe) -> Expression:
    """Returns whether a row matches; null where its file has no such column, so that the rule is none for it."""
    matches = _text_of(rule).re_search(rule.pattern)
    if rule.column and len(recipe.events) > 1:
        mapping = [at for at, section in enumerate(recipe.events) if _maps(section, rule.column)]
        if len(mapping) < len(recipe.events):
            matches = ibis.ifelse(_[PART].isin(mapping), matches, None)
    if not rule.whole_order:
        return matches
    in_order = matches.cast("int8").max().over(ibis.window(group_by=_["order_id"])) == 1
    return ibis.ifelse(_["order_id"] == "", matches, in_order)  # a row without an order is one of its own


def _maps(section: EventsRecipe, column: str) -> bool:
    return column in section.columns or (column == "event_type" and bool(section.type))


def _text_of(rule: Rule) -> Expression:
    column = rule.mapped_column
    return _[column] if column in _IDS or rule.raw_column else _[f"raw_{column}"]


def _notes_of_times(mapped: MappedTable, *, section: EventsRecipe, recipe: Recipe) -> Sequence[Note]:
    """Refuses a log of which most rows have no date, unless the recipe drops these, and checks how times are read."""
    text = mapped.text
    is_typed = VALUE_PREFIX + "timestamp" in text.columns  # texts of these are made row by row
    absent = (text[VALUE_PREFIX + "timestamp"].isnull() if is_typed else text["timestamp"] == "").sum()
    rows, undated = text.aggregate(rows=text.count(), undated=absent).execute().fillna(0).iloc[0]
    if undated * 2 > rows and recipe.clean.undated == "refuse":
        raise SourceError(
            f"{mapped.origin}: {int(undated):,} of {int(rows):,} rows have no timestamp. Map another column to "
            '`timestamp` (or the first that is not empty: {first_of = ["paid_at", "created_at"]}), or leave these rows '
            'out by [clean] undated = "drop".'
        )
    if "timestamp" in mapped.plain_times:
        return []
    return check_times(text, time_format=section.time_format, where=mapped.origin)


def _set_aside_outliers(workspace: Workspace, rows: ir.Table, *, time_zone: str) -> tuple[ir.Table, Sequence[Note]]:
    """Sets aside the good rows whose time lies far from all others, by the days of the shop's clock."""
    clock = local_time(rows["timestamp"], time_zone).name("clock")
    bounds = find_bounds(rows.filter(rows["reason"].isnull()).select(clock)["clock"])
    if not bounds.notes:
        return rows, []
    reason = ibis.coalesce(rows["reason"], outlier_reason(clock, bounds))
    return workspace.store("events_bounded", rows.mutate(reason=reason)), bounds.notes
