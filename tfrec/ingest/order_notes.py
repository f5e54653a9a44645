"""Looks for signs that orders do not mean what the recipe says; each finding is a note for the log's owner."""

import re
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from tfrec.sources.cells import trimmed
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note

_MIN_ORDERS = 30  # fewer orders show no pattern
_VOID_STATES = r"^(refund|void|cancel|failed|declined|rejected|expired|storno|retour|annul)"
_LONG_DAYS = 30  # an order whose lines lie further apart is two orders under one number


def notes_of_orders(good: ir.Table, raw: ir.Table, *, has_orders: bool) -> list[Note]:
    """Returns notes on order numbers of several buyers, orders exported twice, and exports in a wide form.

    Args:
        good: the events that stay, with orders.
        raw: the same rows as in the file.
        has_orders: the log has order numbers.
    """
    if not has_orders:
        return []
    notes = []
    lines = good.filter((good["event_type"] == "purchase") & (good["order_id"] != ""))
    kinds = lines.group_by("order_id", "item_id", "quantity", "price").aggregate(
        lines=lines.count(),
        first=lines["timestamp"].min(),
        last=lines["timestamp"].max(),
        one_buyer=lines["user_id"].nullif("").min(),
        other_buyer=lines["user_id"].nullif("").max(),
    )
    per_order = kinds.group_by("order_id").aggregate(
        is_several=kinds["item_id"].min() != kinds["item_id"].max(),
        is_doubled=kinds["lines"].min() > 1,
        is_reused=(kinds["one_buyer"].min() != kinds["other_buyer"].max()).fill_null(False)
        | (kinds["last"].max().epoch_seconds() - kinds["first"].min().epoch_seconds() > _LONG_DAYS * 86_400),
    )
    counts = (
        per_order.aggregate(
            orders=per_order.count(),
            several=per_order["is_several"].sum(),
            reused=per_order["is_reused"].sum(),
            doubled=per_order["is_doubled"].sum(),
            example_reused=per_order["order_id"].min(where=per_order["is_reused"]),
            example_doubled=per_order["order_id"].min(where=per_order["is_doubled"]),
        )
        .to_pyarrow()
        .to_pylist()[0]
    )
    counts |= _count_paired(lines)
    texts = {
        "order_numbers_reused": (
            "reused",
            "{count:,} of {orders:,} order numbers belong to several buyers, or to lines more than {days} days apart, "
            "e.g. {example!r}; each was read as one order. Where numbers are used again, join them with what "
            'distinguishes them: order_id = ["order", "customer"].',
        ),
        "orders_doubled": (
            "doubled",
            "In {count:,} of {orders:,} orders every line stands twice or more, e.g. {example!r}: were they exported "
            'twice? [clean] duplicates = "reject" keeps one of equal rows.',
        ),
        "parent_and_child_lines": (
            "paired",
            "In {count:,} of {orders:,} orders an item has a line with a price and a line at price 0, e.g. "
            "{example!r}: shop systems write parent and child lines so. Drop one kind by a rule: "
            '[[clean.drop]] raw_column = "parent_item_id", pattern = "[0-9]", reason = "child line".',
        ),
    }
    for code, (sign, text) in texts.items():
        if count := int(counts[sign] or 0):
            filled = text.format(
                count=count, orders=counts["orders"], days=_LONG_DAYS, example=counts[f"example_{sign}"]
            )
            notes.append(Note(code, count, filled))
    if counts["orders"] >= _MIN_ORDERS and not counts["several"]:
        notes.append(Note("single_item_orders", counts["orders"], _wide_text(raw, counts["orders"])))
    return notes


def _count_paired(lines: ir.Table) -> dict:
    """Returns how many orders have an item with a price and at price 0, and one of them."""
    free = lines.filter(lines["price"] == 0).select("order_id", "item_id").distinct()
    both = lines.filter(lines["price"] > 0).semi_join(free, ["order_id", "item_id"])
    counts = both.aggregate(paired=both["order_id"].nunique(), example_paired=both["order_id"].min())
    return counts.to_pyarrow().to_pylist()[0]


def notes_of_states(raw: ir.Table, *, used: Sequence[str]) -> list[Note]:
    """Returns notes on columns that name orders as refunded or cancelled and that the recipe does not look at.

    Args:
        raw: the events as in the file.
        used: raw columns that the recipe maps or has a rule for.
    """
    notes = []
    for name in raw.columns:
        if name in used or not re.search(r"status|state", name.lower()):
            continue
        state = trimmed(raw[name]).lower()
        counts = (
            raw.filter(state.re_search(_VOID_STATES)).group_by(state=state).aggregate(rows=lambda table: table.count())
        )
        rows = counts.order_by(ibis.desc("rows"), "state").limit(5).to_pyarrow().to_pylist()
        if not rows:
            continue
        listed = ", ".join(f"{row['state']!r} ({row['rows']:,} rows)" for row in rows)
        pattern = "|".join(re.escape(row["state"]) for row in rows)
        text = (
            f"The column {name!r} has the values {listed}, and these orders were read as sales. Drop them by a rule: "
            f"[[clean.drop]] raw_column = {name!r}, pattern = '(?i)^({pattern})$', reason = \"cancelled\", "
            "whole_order = true."
        )
        notes.append(Note("cancelled_orders", sum(row["rows"] for row in rows), text))
    return notes


def _wide_text(raw: ir.Table, orders: int) -> str:
    bases: dict[str, list[str]] = {}
    for name in raw.columns:
        if (numbered_name := re.fullmatch(r"(.*?)[_ ]?\d+", name)) and name not in (FILE, ROW):
            bases.setdefault(numbered_name.group(1), []).append(name)
    numbered = max(bases.values(), key=len, default=[])
    text = f"Each of the {orders:,} orders has one item, so nothing can be learned of what is bought together."
    if len(numbered) > 1:
        return (
            f"{text} The columns {', '.join(map(repr, numbered[:4]))} look like several items of one order in one "
            "row: write a row for each of them first."
        )
    return f"{text} Is `order_id` the number of the order, and not of its line?"
