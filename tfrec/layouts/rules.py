"""Finds the rows of an unknown log that are no sales, and proposes rules for them."""

import re
from collections.abc import Iterator, Sequence

import ibis

from tfrec.ingest.numbers import find_style, number
from tfrec.layouts.cells import Cells
from tfrec.layouts.draft import Entry, Section, drop_rule
from tfrec.layouts.names import plain_letters
from tfrec.layouts.raw_files import RawFiles
from tfrec.layouts.words import NO_ITEMS, OPEN_STATES, PARTLY, VOID_STATES
from tfrec.sources.cells import trimmed

GUEST_WORDS = (
    "0",
    "-1",
    "guest",
    "guests",
    "anonymous",
    "anon",
    "unknown",
    "none",
    "gast",
    "invite",
    "invitado",
    "游客",
    "匿名",
)
_BEHIND = r"(?:\s*[-–:(].{0,30}|\s+[$€£]?\d[\d.,]*.{0,4})?"  # `Gift card - 50 EUR`, `Shipping (express)`
_NO_ITEM = {reason: re.compile(rf"(?:{pattern}){_BEHIND}") for reason, pattern in NO_ITEMS.items()}
_MOST_LISTED = 30
_SPECIAL = re.compile(r"([\\.^$*+?()\[\]{}|])")


def state_rules(cells: Cells, *, has_orders: bool) -> Iterator[Section]:
    """Yields rules for the states of orders that are no sales; those of unpaid orders are open.

    Args:
        cells: the column of states.
        has_orders: orders have numbers, so that a state holds for all rows of its order.
    """
    void, unpaid = [], []
    for value in cells.values:
        plain = plain_letters(value)
        if PARTLY.search(plain):
            continue
        if VOID_STATES.search(plain):
            void.append(value)
        elif OPEN_STATES.search(plain):
            unpaid.append(value)
    if void:
        why = f"{cells.rows_with(void):,} of {cells.rows:,} rows; all values of the column: {cells.example(8)}"
        yield drop_rule(
            any_of(void), "cancelled or refunded order", raw_column=cells.name, why=why, whole_order=has_orders
        )
    if unpaid:
        why = f"{cells.rows_with(unpaid):,} rows are of orders that may not be paid yet. Leave them out?"
        yield drop_rule(
            any_of(unpaid), "unpaid order", raw_column=cells.name, why=why, is_open=True, whole_order=has_orders
        )


def order_prefix_rules(raw: RawFiles, order: str, quantity: str) -> Iterator[Section]:
    """Yields rules for numbers of orders that begin with a letter where nearly all others are digits alone.

    Where each of their rows has a quantity below 0 they take purchases back; else the rule is open.
    """
    text = trimmed(raw.table[order])
    prefix = text.re_extract(r"^([A-Za-z]{1,3})-?\d", 1)
    columns = {"prefix": prefix}
    if quantity:
        pieces = trimmed(raw.table[quantity]).nullif("").name(quantity)
        columns["back"] = number(pieces, find_style(pieces, name=quantity)) < 0
    rows = raw.table.select(**columns)
    back = rows["back"].sum().fill_null(0) if quantity else ibis.literal(0)
    counts = rows.group_by("prefix").aggregate(rows=rows.count(), back=back).to_pyarrow().to_pylist()
    found = {row["prefix"] or "": (int(row["rows"]), int(row["back"])) for row in counts}
    if found.get("", (0, 0))[0] < 0.9 * raw.rows:
        return
    for name, (count, num_back) in sorted(found.items()):
        if not name:
            continue
        if num_back == count:
            why = f"{count:,} rows have such an order number, and each a quantity below 0: they take purchases back"
            yield drop_rule(f"^{name}", "cancelled order", column="order_id", why=why, is_return=True)
        else:
            why = f"{count:,} rows have an order number that begins with {name!r}, others are digits. Are they sales?"
            yield drop_rule(f"^{name}", "no sale", column="order_id", why=why, is_open=True)


def item_rules(item: Cells, title: Cells | None) -> Iterator[Section]:
    """Yields rules for lines that are no items: shipping, tips, gift cards, deposits, fees, adjustments."""
    yield from _word_rules(item, column="item_id")
    if title is not None:
        yield from title_rules(title)


def title_rules(title: Cells, *, but: str = "") -> Iterator[Section]:
    """Yields rules for the titles of lines that are no items, without those that match the pattern `but`."""
    yield from _word_rules(title, raw_column=title.name, but=but)


def code_shape_rule(raw: RawFiles, item: str) -> Iterator[Section]:
    """Yields an open rule where nearly all item ids have one shape (`85123A`) and a few have not (`POST`)."""
    text = trimmed(raw.table[item])
    shape = text.re_replace(r"[A-Za-z]+$", "a").re_replace(r"[0-9]", "9").name("shape")
    rows = raw.table.select(shape, id=text).filter(lambda table: table["id"] != "")
    shapes = rows.group_by("shape").aggregate(rows=rows.count(), example=rows["id"].min()).order_by(ibis.desc("rows"))
    found = shapes.limit(200).to_pyarrow().to_pylist()
    total = sum(row["rows"] for row in found)
    numeric = [row for row in found if re.fullmatch(r"9+a?", row["shape"])]
    widths = {len(row["shape"].rstrip("a")) for row in numeric}
    main = max(
        widths,
        key=lambda width: sum(row["rows"] for row in numeric if len(row["shape"].rstrip("a")) == width),
        default=0,
    )
    fitting = sum(row["rows"] for row in numeric if len(row["shape"].rstrip("a")) == main)
    if main < 3 or not 0.98 * total < fitting < total:
        return
    others = [row["example"] for row in found if not re.fullmatch(rf"9{{{main}}}a?", row["shape"])][:6]
    has_letters = any(row["shape"].endswith("a") for row in numeric)
    pattern = rf"^\d{{{main}}}{'[A-Za-z]*' if has_letters else ''}$"
    why = (
        f"{fitting / total:.1%} of the rows have an item id of {main} digits{' and letters' if has_letters else ''}; "
        f"{total - fitting:,} have another, such as {', '.join(map(repr, others))}. Keep only the former?"
    )
    entries = (Entry("column", "item_id"), Entry("pattern", pattern), Entry("reason", "no item code"))
    yield Section("clean.keep", entries, why, is_list=True, is_open=True)


def guest_entry(cells: Cells) -> Entry | None:
    """Returns the recipe's line for user ids that stand for guests, or None."""
    words = [value for value in cells.values if plain_letters(value) in GUEST_WORDS]
    if not words:
        return None
    rows = cells.rows_with(words)
    return Entry("guest_ids", words, f"{rows:,} rows; each other user has {cells.repeat:.0f} in the mean")


def any_of(values: Sequence[str]) -> str:
    """Returns a pattern (RE2) that matches one of the texts as a whole."""
    return f"^({'|'.join(escaped(value) for value in values)})$"


def escaped(text: str) -> str:
    """Returns a text with the signs escaped that have a meaning in patterns."""
    return _SPECIAL.sub(r"\\\1", text)


def _word_rules(cells: Cells, *, column: str = "", raw_column: str = "", but: str = "") -> Iterator[Section]:
    found: dict[str, list[str]] = {}
    rows_of = dict(cells.all_values())
    for value in rows_of:
        if but and re.search(but, value):
            continue
        plain = " ".join(plain_letters(value).split())
        if reason := next((name for name, pattern in _NO_ITEM.items() if pattern.fullmatch(plain)), ""):
            found.setdefault(reason, []).append(value)
    for reason, values in found.items():
        listed = values[:_MOST_LISTED]
        why = f"{sum(rows_of[value] for value in listed):,} rows are called so"
        yield drop_rule(any_of(listed), f"{reason}, no item", column=column, raw_column=raw_column, why=why)
