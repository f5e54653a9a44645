"""Recognises BigCommerce's orders export, with the products of an order in one cell or a row for each.

A cell of products: `Product ID: 100, Product Qty: 1, Product SKU: LEG-S, Product Name: Legging, Product Weight: 0.8,
Product Variation Details: Size: S, Product Unit Price: 67.50, Product Total Price: 67.50|Product ID: 115, ...`.
"""

from tfrec.layouts.currencies import currency_entries, rate_entries
from tfrec.layouts.draft import Entry, Part, Section, column_section, drop_rule
from tfrec.layouts.layout import Layout, Roles
from tfrec.layouts.raw_files import RawFiles
from tfrec.layouts.rules import GUEST_WORDS
from tfrec.layouts.shared_entries import duplicate_entry, no_item_rules
from tfrec.layouts.times import find_time_form, zone_entry

_CELL = (
    r"(?s)Product ID: ?(?P<id>\d*), Product Qty: ?(?P<quantity>[\d.]+), Product SKU: ?(?P<sku>.*?), "
    r"Product Name: ?(?P<name>.*?), Product (?:Weight|Variation Details|Options): .*?"
    r"Product Unit Price: ?(?P<price>[^,|]*)"
)
_VOID = "(?i)^(cancelled|declined|refunded|incomplete|disputed)$"
_CURRENCY, _RATE = "Order Currency Code", "Order Currency Exchange Rate"


def _propose_cells(roles: Roles) -> Part:
    raw = roles["orders"]
    unpack = Section(
        "events.unpack",
        (
            Entry("columns", ["Product Details"]),
            Entry("begin", "Product ID: "),
            Entry("pattern", _CELL, "each product in the cell becomes a row; each group is a column `unpack.NAME`"),
        ),
    )
    columns = (
        Entry("item_id", {"first_of": ["unpack.sku", "unpack.id", "unpack.name"]}),
        Entry("quantity", "unpack.quantity"),
        Entry("price", "unpack.price", "of a piece"),
    )
    return _part(raw, columns, (unpack,), title="unpack.name")


def _propose_rows(roles: Roles) -> Part:
    raw = roles["lines"]
    columns = (
        Entry("item_id", {"first_of": ["Product SKU", "Product ID", "Product Name"]}),
        Entry("quantity", "Product Qty"),
        Entry("price", "Product Unit Price", "of a piece"),
    )
    filled = ("Customer ID", "Customer Email", "Order Status", "Order Date", _CURRENCY)
    is_filled_once = raw.cells("Order Date").fill_share < 1
    fill = Section(
        "events.fill",
        (
            Entry("by", "Order ID"),
            Entry("columns", [name for name in filled if raw.has(name)], "on the first row alone"),
        ),
    )
    part = _part(raw, columns, (fill,) if is_filled_once else (), title="Product Name")
    return part


def _part(raw: RawFiles, of_line: tuple[Entry, ...], more: tuple[Section, ...], *, title: str) -> Part:
    head, currency = currency_entries(raw, raw.first(_CURRENCY, "Order Currency"))
    times = ("Order Date", "Order Time") if raw.has("Order Time") else ("Order Date",)
    cells = raw.joined(*times)
    form = find_time_form(cells)
    country = raw.first("Shipping Country", "Billing Country")
    user = [name for name in ("Customer ID", "Customer Email") if raw.is_filled(name)]
    rates = rate_entries(raw, raw.first(_CURRENCY), rate=raw.first(_RATE), is_inverse=True)
    columns = (
        Entry("order_id", "Order ID"),
        Entry("user_id", {"first_of": user} if len(user) > 1 else "Customer ID", "guests have the customer id 0"),
        Entry("timestamp", times[0] if len(times) == 1 else [*times]),
        *of_line,
        *currency,
    )
    entries = (
        *raw.entries,
        Entry("type", "purchase", "each product of an order is a row"),
        zone_entry(cells, raw.cells(country) if country else None),
        *(form.entries if form is not None else ()),
        *rates,
    )
    states = raw.cells("Order Status")
    guests = (
        [word for word in GUEST_WORDS[:1] if word in raw.cells("Customer ID").values] if raw.has("Customer ID") else []
    )
    return Part(
        title="BigCommerce orders export",
        head=head,
        tables=(
            Section("events", entries),
            column_section("events", columns),
            *more,
            column_section("items", [Entry("title", title)]),
            *([column_section("users", [Entry("country", country)])] if raw.is_filled(country) else []),
        ),
        clean=(
            *([Entry("guest_ids", guests, "orders without an account")] if guests else []),
            *duplicate_entry(raw, "equal lines of one order are lines of their own"),
        ),
        rules=(
            drop_rule(
                _VOID,
                "cancelled, declined or refunded order",
                raw_column="Order Status",
                why=f"values of the column: {states.example(8)}",
                whole_order=True,
            ),
            *(no_item_rules(raw, title) if raw.has(title) else ()),
        ),
    )


CELLS = Layout(
    title="BigCommerce orders export",
    table="events",
    signs={"orders": ("Order ID", "Customer ID", "Order Status", "Order Date", "Product Details")},
    propose=_propose_cells,
)
"""One row for each order."""

ROWS = Layout(
    title="BigCommerce orders export",
    table="events",
    signs={"lines": ("Order ID", "Order Status", "Order Date", "Product SKU", "Product Qty", "Product Unit Price")},
    propose=_propose_rows,
)
"""One row for each product of an order."""
