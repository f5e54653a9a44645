"""Recognises WooCommerce's exports: orders of its REST API, order exports of plug-ins, its analytics report.

REST API: https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties. A row for each line item: the
format "one row per line item" of Customer/Order/Coupon Export. A cell for each line item: Import Export Suite
(https://woocommerce.com/document/import-and-export-of-woocommerce-orders/), such as
`name:Mug|product_id:12|sku:M|quantity:1|total:9.00`.
"""

import re

from tfrec.layouts.currencies import currency_entries, rate_entries
from tfrec.layouts.draft import Entry, Part, Section, column_section, drop_rule
from tfrec.layouts.layout import Layout, Roles
from tfrec.layouts.raw_files import RawFiles
from tfrec.layouts.shared_entries import (
    NOTHING_BACK,
    duplicate_entry,
    no_item_rules,
    returned_table,
    user_entry,
)
from tfrec.layouts.times import find_time_form, zone_entry

_VOID = "(?i)^(wc-)?(cancelled|refunded|failed|trash|(checkout-)?draft|pending( payment)?)$"
_CELL = re.compile(r"line_item_\d+")
_FIELDS = (
    r"(?s)name:(?P<name>.*?)\|product_id:(?P<id>\d*)(?:\|sku:(?P<sku>[^|]*))?\|quantity:(?P<quantity>[\d.]+)"
    r"\|total:(?P<total>[\d.]+)"
)
_PRODUCTS = r"(?s)^(?P<quantity>\d+)× (?P<name>.*?)(?:, )?$"


def _propose_api(roles: Roles) -> Part:
    raw = roles["orders"]
    head, currency = currency_entries(raw, "currency")
    has_utc = raw.is_filled("date_created_gmt")
    columns = (
        Entry("order_id", raw.first("number", "id")),
        *user_entry(raw, "customer_id", "billing.email", absent="the orders name no buyers"),
        Entry(
            "item_id", "line_items[].product_id", "`line_items[].variation_id` is the variant, 0 where there is none"
        ),
        Entry("timestamp", "date_created_gmt" if has_utc else "date_created", "in UTC" if has_utc else ""),
        Entry("quantity", "line_items[].quantity"),
        Entry("line_total", "line_items[].total", "of all pieces, after coupons, without tax"),
        *currency,
    )
    items = [Entry("title", "line_items[].name")]
    country = raw.first("shipping.country", "billing.country")
    users = [column_section("users", [Entry("country", country)])] if raw.is_filled(country) else []
    zone = (
        Entry("time_zone", "UTC", "the times of `date_created_gmt`")
        if has_utc
        else zone_entry(raw.cells("date_created"), None)
    )
    entries = (*raw.entries, Entry("type", "purchase", "each entry of `line_items` becomes a row"), zone)
    return Part(
        title="WooCommerce orders of its REST API",
        head=head,
        tables=(
            Section("events", (*entries, *rate_entries(raw, "currency"))),
            column_section("events", columns),
            column_section("items", items),
            *users,
        ),
        clean=(*_guests(raw, "customer_id"), *duplicate_entry(raw, "each entry has an id of its own")),
        rules=(_state_rule(raw, "status"), *no_item_rules(raw, "line_items[].name")),
    )


def _propose_lines(roles: Roles) -> Part:
    raw = roles["lines"]
    head, currency = currency_entries(raw, raw.first("order_currency", "currency"))
    when = raw.first("order_date", "date")
    item = raw.first("item_sku", "item_product_id")
    value = {"first_of": ["item_sku", "item_product_id"]} if raw.has("item_sku", "item_product_id") else item
    columns = column_section(
        "events",
        (
            Entry("order_id", raw.first("order_number", "order_id")),
            *user_entry(raw, "customer_id", "billing_email", absent="the orders name no buyers"),
            Entry("item_id", value, "the shop's own number, else WooCommerce's"),
            Entry("timestamp", when),
            Entry("quantity", "item_quantity"),
            Entry("line_total", "item_total", "of all pieces, after coupons, without tax"),
            *currency,
        ),
    )
    events = Section(
        "events", (*_time_entries(raw, when), *rate_entries(raw, raw.first("order_currency"))), is_list=True
    )
    tables: list[Section] = [events, columns]
    back = raw.first("item_refunded_qty")
    has_back = bool(back) and any(value.strip("-0.") for value in raw.cells(back).values)
    if has_back:
        why = "Lines state how many pieces were refunded, and not when: the order's own time stands for it"
        tables += returned_table(events, columns, quantity=back, when=when, why=why)
    return Part(
        title="WooCommerce orders, a row for each line item",
        head=head,
        tables=(*tables, column_section("items", [Entry("title", "item_name")])),
        clean=(*_guests(raw, "customer_id"), *duplicate_entry(raw, "each line has an id of its own (`item_id`)")),
        rules=(_state_rule(raw, "status"), *no_item_rules(raw, "item_name"), *([NOTHING_BACK] if has_back else [])),
    )


def _propose_cells(roles: Roles) -> Part:
    raw = roles["orders"]
    head, currency = currency_entries(raw, raw.first("order_currency"))
    cells = sorted(
        (name for name in raw.columns if _CELL.fullmatch(name)), key=lambda name: int(name.rpartition("_")[2])
    )
    columns = (
        Entry("order_id", raw.first("order_number", "order_id")),
        *user_entry(raw, "customer_id", "customer_email", "billing_email", absent="the orders name no buyers"),
        Entry("item_id", {"first_of": ["unpack.sku", "unpack.id"]}, "the shop's own number, else WooCommerce's"),
        Entry("timestamp", "order_date"),
        Entry("quantity", "unpack.quantity"),
        Entry("line_total", "unpack.total", "of all pieces, after coupons, without tax"),
        *currency,
    )
    unpack = (
        Entry("columns", cells, "a cell for each line item"),
        Entry("pattern", _FIELDS, "each match becomes a row; each group is a column `unpack.NAME`"),
    )
    return Part(
        title="WooCommerce orders, a cell for each line item",
        head=head,
        tables=(
            Section("events", (*_time_entries(raw, "order_date"), *rate_entries(raw, raw.first("order_currency")))),
            column_section("events", columns),
            Section("events.unpack", unpack),
            column_section("items", [Entry("title", "unpack.name")]),
        ),
        clean=(*_guests(raw, "customer_id"), *duplicate_entry(raw, "equal cells of an order are lines of their own")),
        rules=(_state_rule(raw, "status"),),
    )


def _propose_analytics(roles: Roles) -> Part:
    raw = roles["orders"]
    columns = (
        Entry("order_id", "Order #"),
        Entry("user_id", "Customer", "the report names customers by their names, which are not unique", is_open=True),
        Entry("item_id", "unpack.name", "the report has no ids of items: export orders by a plug-in or the REST API"),
        Entry("timestamp", "Date"),
        Entry("quantity", "unpack.quantity"),
    )
    unpack = (
        Entry("columns", ["Product(s)"]),
        Entry("begin", r"\d+× "),
        Entry("pattern", _PRODUCTS, "`2× Mug, 1× Plate`: each product becomes a row"),
    )
    return Part(
        title="WooCommerce analytics report of orders",
        tables=(
            Section("events", _time_entries(raw, "Date")),
            column_section("events", columns),
            Section("events.unpack", unpack),
        ),
        clean=duplicate_entry(raw, "equal products of an order are lines of their own"),
        rules=(_state_rule(raw, "Status"),),
    )


def _time_entries(raw: RawFiles, when: str) -> tuple[Entry, ...]:
    cells = raw.cells(when)
    form = find_time_form(cells)
    kind = Entry("type", "purchase", "each line item is a row")
    return (*raw.entries, kind, zone_entry(cells, None), *(form.entries if form is not None else ()))


def _state_rule(raw: RawFiles, column: str) -> Section:
    why = f"values of the column: {raw.cells(column).example(8)}. Orders on hold are kept"
    return drop_rule(_VOID, "cancelled, failed, unpaid or refunded order", raw_column=column, why=why)


def _guests(raw: RawFiles, column: str) -> tuple[Entry, ...]:
    has_guests = raw.has(column) and "0" in raw.cells(column).values
    return (Entry("guest_ids", ["0"], "orders without an account have the customer 0"),) if has_guests else ()


API = Layout(
    title="WooCommerce orders of its REST API",
    table="events",
    signs={
        "orders": (
            *("id", "status", "date_created", "customer_id"),
            *("line_items[].product_id", "line_items[].quantity", "line_items[].total"),
        )
    },
    propose=_propose_api,
)
LINES = Layout(
    title="WooCommerce orders, a row for each line item",
    table="events",
    signs={"lines": ("order_id", "status", "item_name", "item_quantity", "item_total")},
    propose=_propose_lines,
)
CELLS = Layout(
    title="WooCommerce orders, a cell for each line item",
    table="events",
    signs={"orders": ("order_id", "order_date", "status", "line_item_1")},
    propose=_propose_cells,
)
ANALYTICS = Layout(
    title="WooCommerce analytics report of orders",
    table="events",
    signs={"orders": ("Date", "Order #", "Status", "Product(s)")},
    propose=_propose_analytics,
)
