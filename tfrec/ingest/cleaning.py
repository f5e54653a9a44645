"""Turns mapped text into typed events, each with the reason why it is set aside, or none."""

import dataclasses
import math
from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tfrec.errors import RecipeError, nearest_hint
from tfrec.ingest.mapping import RAW_PREFIX, ROUNDED_ID, id_text
from tfrec.ingest.number_styles import names_of_currency
from tfrec.ingest.numbers import NumberStyle, number
from tfrec.ingest.sources import FILE, ROW
from tfrec.ingest.timestamps import parse_timestamps
from tfrec.schema.tables import EVENT_COLUMNS, EVENT_TYPES

_IBIS_TYPES = {"str": "string", "datetime64[us]": "timestamp"}
_UNKNOWN_ITEMS = ("keep", "reject")
_UNDATED = ("refuse", "drop")
_DUPLICATES = ("reject", "keep", "merge")
_FIRST_YEAR, _LAST_YEAR = 1970, 2100  # timestamps outside are slips such as year 0001 or 9999


@dataclasses.dataclass(frozen=True)
class Rule:
    r"""A pattern on one column of the text, e.g. `item_id` and `^\d{5}[A-Za-z]*$`.

    Attributes:
        pattern: regular expression (RE2), searched anywhere in the text.
        reason: word under which set-aside rows are counted.
        column: name in the schema, e.g. `order_id`; or else
        raw_column: name in the file, e.g. `Financial Status`.
        whole_order: the rule concerns all rows of an order: `drop` sets an order aside of which one row matches,
            `keep` one of which no row does. For exports that name an order's state on its first row alone.
    """

    pattern: str
    reason: str
    column: str = ""
    raw_column: str = ""
    whole_order: bool = False

    def __post_init__(self) -> None:
        if bool(self.column) == bool(self.raw_column):
            raise RecipeError("Give column (a name of the schema) or raw_column (a name in the file), and not both.")
        if self.column and self.column not in EVENT_COLUMNS:
            raise RecipeError(
                f"column {self.column!r} is no column of events.{nearest_hint(self.column, EVENT_COLUMNS)}"
            )
        try:
            pc.match_substring_regex(pa.array([""]), self.pattern)  # RE2, as in the engine
        except pa.ArrowInvalid as error:
            raise RecipeError(f"pattern {self.pattern!r} is no regular expression (RE2): {error}.") from error

    @property
    def mapped_column(self) -> str:
        """The name of its column in the mapped text."""
        return self.column or RAW_PREFIX + self.raw_column


@dataclasses.dataclass(frozen=True)
class Cleaning:
    """What is no sale, and what is impossible.

    Attributes:
        drop: rows that match any of these are set aside (cancelled orders).
        keep: rows that do not match all of these are set aside (codes that are no products).
        duplicates: rows equal in every mapped column: `reject` all but the first, `keep` all, or `merge` purchases of
            one item in one order into one event with the summed quantity and the mean price.
        free_items: price 0 is possible.
        max_quantity: more pieces than this are a slip.
        max_price: a dearer unit is a slip.
        min_rating: fewest stars that a user can give.
        max_rating: most stars that a user can give.
        unknown_items: what to do with events of items that the catalogue lacks: `keep` (the item is added) or `reject`.
        guest_ids: user ids that stand for guests.
        undated: what to do where more than half of the rows have no date that can be read: `refuse` the log, or `drop`
            these rows.
        upper_case_ids: `85123a` and `85123A` are one item.
    """

    drop: tuple[Rule, ...] = ()
    keep: tuple[Rule, ...] = ()
    duplicates: str = "reject"
    free_items: bool = True
    max_quantity: float = math.inf
    max_price: float = math.inf
    min_rating: float = 1.0
    max_rating: float = 5.0
    unknown_items: str = "keep"
    guest_ids: tuple[str, ...] = ()
    upper_case_ids: bool = False
    undated: str = "refuse"

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules."""
        return (*self.drop, *self.keep)

    def __post_init__(self) -> None:
        for name, known in (("duplicates", _DUPLICATES), ("unknown_items", _UNKNOWN_ITEMS), ("undated", _UNDATED)):
            if (given := getattr(self, name)) not in known:
                raise RecipeError(
                    f"{name} must be one of {', '.join(known)}; got {given!r}.{nearest_hint(given, known)}"
                )
        if self.min_rating > self.max_rating:
            raise RecipeError(f"min_rating ({self.min_rating}) must not be above max_rating ({self.max_rating}).")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventTypes:
    """How the text of events becomes typed values.

    Attributes:
        types: raw word → event type; words that are event types already need no entry.
        time_format: see `parse_timestamps`.
        time_zone: see `parse_timestamps`.
        styles: column (`quantity`, `price`, `line_total`, `rating`) → how its numbers are written.
        currency: currency of the shop; rows in another currency are set aside, where the text has a column `currency`.
        rates: other currency → units of the shop's that one of it is worth; such rows are converted.
    """

    types: Mapping[str, str] = dataclasses.field(default_factory=dict)
    time_format: tuple[str, ...] = ()
    time_zone: str = "UTC"
    styles: Mapping[str, NumberStyle] = dataclasses.field(default_factory=dict)
    currency: str = ""
    rates: Mapping[str, float] = dataclasses.field(default_factory=dict)


def type_events(mapped: ir.Table, cleaning: Cleaning, how: EventTypes) -> ir.Table:
    """Returns the events with the schema's types; no row is lost or added.

    Beside them stand `reason`, why a row is set aside, null for a good row, and `incomplete`, the value that a good row
    lost because it cannot be read.

    Args:
        mapped: text columns named as the schema (those that the recipe maps; `sequence`, `line_total` and `currency`
            beside), `_file`, `_row` and `_...` columns that pass through.
        cleaning: rules and bounds.
        how: the meaning of words, times, numbers and currencies.
    """
    has = set(mapped.columns)
    text = {name: mapped[name] for name in EVENT_COLUMNS if name in has}
    ids = _ids(text, cleaning)
    type_of = {**{word: word for word in EVENT_TYPES}, **how.types}
    event_type = text["event_type"].cases(*type_of.items(), else_=ibis.null("string"))
    numbers = {name: _number(text.get(name), name, how) for name in ("quantity", "price", "rating")}
    unknown = text["quantity"] == "" if "quantity" in text else ibis.literal(True)
    numbers["quantity"] = ibis.ifelse(unknown, 1.0, numbers["quantity"])
    if "line_total" in has:
        # Rows without a possible quantity are set aside below, for their quantity and not for a price of infinity.
        text["price"] = mapped["line_total"]
        pieces = ibis.ifelse(numbers["quantity"] > 0, numbers["quantity"], 1.0)
        numbers["price"] = _number(text["price"], "line_total", how) / pieces
    if "currency" in has:
        currency = _currency_of_order(mapped, ids["order_id"])
        text["currency"] = currency
        if how.rates:
            numbers["price"] = numbers["price"] * currency.cases(*how.rates.items(), else_=1.0)
    timestamp = (
        parse_timestamps(text["timestamp"], time_format=how.time_format, time_zone=how.time_zone)
        if "timestamp" in text
        else ibis.null("timestamp")
    )
    if "sequence" in has:
        timestamp = timestamp + mapped["sequence"].try_cast("int64").fill_null(0).as_interval("s")
    passing = {name: mapped[name] for name in mapped.columns if name.startswith("_")}
    typed = mapped.select(
        **ids,
        event_type=event_type,
        timestamp=timestamp,
        **numbers,
        query=text.get("query", ibis.literal("")),
        **passing,
        **{f"raw_{name}": column for name, column in text.items() if name not in ids},
    )
    typed = typed.mutate(reason=_reason(typed, cleaning, how))
    lost = (typed["raw_price"] != "") & typed["price"].isnull() if "raw_price" in typed.columns else ibis.literal(False)
    incomplete = ibis.ifelse(typed["reason"].isnull() & lost, "unreadable price", None)
    return typed.select(
        **{name: typed[name].cast(_IBIS_TYPES.get(kind, kind)) for name, kind in EVENT_COLUMNS.items()},
        **{name: typed[name] for name in (*passing, "reason")},
        incomplete=incomplete,
    )


def _ids(text: Mapping[str, ir.StringValue], cleaning: Cleaning) -> dict[str, ir.StringValue]:
    ids = {
        name: id_text(text[name]) if name in text else ibis.literal("")
        for name in ("user_id", "item_id", "order_id", "session_id")
    }
    if cleaning.guest_ids:
        ids["user_id"] = ibis.ifelse(ids["user_id"].isin(cleaning.guest_ids), "", ids["user_id"])
    if cleaning.upper_case_ids:
        ids["item_id"] = ids["item_id"].upper()
    return ids


def _number(text: ir.StringValue | None, name: str, how: EventTypes) -> ir.FloatingValue:
    return ibis.null("float64") if text is None else number(text, how.styles.get(name, NumberStyle()))


def _currency_of_order(mapped: ir.Table, order_id: ir.StringValue) -> ir.StringValue:
    """Returns the currency in capitals; a row without one has that of its order, which exports name once."""
    currency = mapped["currency"].upper().nullif("")
    of_order = currency.max().over(ibis.window(group_by=order_id))
    return ibis.coalesce(currency, ibis.ifelse(order_id == "", None, of_order), "")


def set_aside_unknown_items(events: ir.Table, known: ir.Table) -> ir.Table:
    """Returns the events with `reason = "unknown item"` on each good row whose item is not in `known.item_id`."""
    is_unknown = (events["item_id"] != "") & ~events["item_id"].isin(known["item_id"])
    return events.mutate(reason=ibis.coalesce(events["reason"], ibis.ifelse(is_unknown, "unknown item", None)))


def set_aside_duplicates(events: ir.Table, *, compared: tuple[str, ...]) -> ir.Table:
    """Returns the events with `reason = "duplicate"` on each good row that equals an earlier one in `compared`."""
    earlier = ibis.row_number().over(
        ibis.window(group_by=[events["reason"].isnull(), *(events[name] for name in compared)], order_by=[FILE, ROW])
    )
    return (
        events.mutate(_earlier=earlier)
        .mutate(
            reason=lambda table: ibis.coalesce(table["reason"], ibis.ifelse(table["_earlier"] > 0, "duplicate", None))
        )
        .drop("_earlier")
    )


def merge_order_lines(events: ir.Table, *, boundary: pd.Timestamp) -> ir.Table:
    """Returns the good events with one purchase an item of an order: quantity the sum, price the mean a piece.

    Lines before and from `boundary` on stay apart, so that nothing of the test period enters training.
    """
    is_line = (events["event_type"] == "purchase") & (events["order_id"] != "")
    lines, others = events.filter(is_line), events.filter(~is_line)
    keys = {"user_id", "order_id", "item_id"}
    is_late = lines["timestamp"] >= ibis.literal(boundary.to_pydatetime()).cast("timestamp")
    pieces = lines["quantity"].cast("float64")
    merged = lines.group_by(*sorted(keys), _is_late=is_late).aggregate(
        **{
            name: lines[name].first(order_by=[FILE, ROW], include_null=True)
            for name in events.columns
            if name not in {*keys, "quantity", "price"}
        },
        quantity=pieces.sum().cast("float32"),
        price=((lines["price"] * pieces).sum() / pieces.sum()).cast("float32"),
    )
    return others.union(merged.select(*others.columns))


def _reason(typed: ir.Table, cleaning: Cleaning, how: EventTypes) -> ir.StringValue:
    """Returns the first reason that holds, null where none does; rules on whole orders come first."""
    of_orders = [
        (_in_order(typed, _matches(typed, rule), is_drop=is_drop), rule.reason)
        for is_drop, rules in ((True, cleaning.drop), (False, cleaning.keep))
        for rule in rules
        if rule.whole_order
    ]
    of_rows = _row_reasons(typed, cleaning, how)
    return ibis.cases(*of_orders, *of_rows, else_=ibis.null("string"))


def _matches(typed: ir.Table, rule: Rule) -> ir.BooleanValue:
    return _text_of(typed, rule.mapped_column).re_search(rule.pattern)


def _in_order(typed: ir.Table, matches: ir.BooleanValue, *, is_drop: bool) -> ir.BooleanValue:
    """Returns whether a row belongs to an order that a rule sets aside; a row without an order is one of its own."""
    some = matches.cast("int8").max().over(ibis.window(group_by=typed["order_id"])) == 1
    is_matched = ibis.ifelse(typed["order_id"] == "", matches, some)
    return is_matched if is_drop else ~is_matched


def _text_of(typed: ir.Table, column: str) -> ir.StringValue:
    raw = f"raw_{column}"
    return typed[raw] if raw in typed.columns else typed[column].cast("string").fill_null("")


def _row_reasons(typed: ir.Table, cleaning: Cleaning, how: EventTypes) -> list[tuple[ir.BooleanValue, str]]:
    reasons = [(_matches(typed, rule), rule.reason) for rule in cleaning.drop if not rule.whole_order]
    if "raw_timestamp" in typed.columns:
        year = typed["timestamp"].year()
        reasons += [
            (typed["raw_timestamp"] == "", "missing timestamp"),
            (typed["timestamp"].isnull(), "unreadable timestamp"),
            ((year < _FIRST_YEAR) | (year > _LAST_YEAR), "impossible timestamp"),
        ]
    reasons += [
        (typed["event_type"].isnull(), "unknown event type"),
        ((typed["item_id"] == "") & (typed["event_type"] != "search"), "missing item_id"),
    ]
    reasons += [(typed[name].re_search(ROUNDED_ID), f"rounded {name}") for name in ("item_id", "order_id", "user_id")]
    reasons += [(~_matches(typed, rule), rule.reason) for rule in cleaning.keep if not rule.whole_order]
    for name in ("quantity", "rating"):
        if f"raw_{name}" in typed.columns:
            reasons.append(((typed[f"raw_{name}"] != "") & typed[name].isnull(), f"unreadable {name}"))
    if "raw_currency" in typed.columns:
        accepted = ["", *names_of_currency(how.currency), *how.rates]
        reasons.append((typed["raw_currency"].notin(accepted), "other currency"))
    too_cheap = typed["price"] < 0 if cleaning.free_items else typed["price"] <= 0
    return [
        *reasons,
        (typed["quantity"] < 0, "quantity below 0"),
        ((typed["quantity"] == 0) | (typed["quantity"] > cleaning.max_quantity), "impossible quantity"),
        ((typed["rating"] < cleaning.min_rating) | (typed["rating"] > cleaning.max_rating), "impossible rating"),
        (too_cheap | (typed["price"] > cleaning.max_price), "impossible price"),
    ]
