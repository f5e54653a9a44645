"""Recognises the tables of Magento 2 (Adobe Commerce): `sales_order` and `sales_order_item`.

Columns: app/code/Magento/Sales/etc/db_schema.xml of https://github.com/magento/magento2. A configurable product is two
lines, the parent with the price and the child (of `parent_item_id`) with the variant; a bundle is a parent with a child
for each part. Parents alone are counted.
"""

from tfrec.layouts.currencies import currency_entries, rate_entries
from tfrec.layouts.draft import Entry, Part, Section, column_section, drop_rule
from tfrec.layouts.layout import Layout, Roles
from tfrec.layouts.raw_files import RawFiles
from tfrec.layouts.shared_entries import NOTHING_BACK, returned_table, user_entry

_IN_ORDER = "order."
_PAID_IN = "order_currency_code"


def _propose(roles: Roles) -> Part:
    lines, orders = roles["lines"], roles["orders"]
    is_base = lines.has("base_row_total", "base_discount_amount")
    code = orders.first(*(("base_currency_code",) if is_base else ()), _PAID_IN)
    head, currency = currency_entries(orders, code, prefix=_IN_ORDER)
    prefix = "base_" if is_base else ""
    # Base amounts are in one currency; those of the order are in the buyer's.
    rates = () if is_base else rate_entries(orders, _PAID_IN, rate=orders.first("base_to_order_rate"), is_inverse=True)
    why = "in the shop's base currency, whatever the buyer paid in" if is_base else "of all pieces of the line"
    columns = column_section(
        "events",
        (
            Entry("order_id", _IN_ORDER + orders.first("increment_id", "entity_id"), "the number that buyers see"),
            *user_entry(orders, "customer_id", "customer_email", prefix=_IN_ORDER, absent="the orders name no buyers"),
            Entry("item_id", "sku", "of a configurable product the variant's"),
            Entry("timestamp", _IN_ORDER + "created_at"),
            Entry("quantity", "qty_ordered"),
            Entry("line_total", f"{prefix}row_total", why),
            *(() if is_base else currency),
            *([Entry("discount", f"{prefix}discount_amount")] if lines.has(f"{prefix}discount_amount") else []),
        ),
    )
    join = Section(
        "events.join",
        (*orders.entries, Entry("on", {"order_id": "entity_id"}), Entry("prefix", _IN_ORDER)),
        "the order of each line",
        is_list=True,
    )
    zone = Entry(
        "time_zone",
        "Europe/Berlin",
        "Magento stores times in UTC, as they are read here; put the zone of the clock where the export shows another",
        is_open=True,
    )
    kind = Entry("type", "purchase", "each line of an order")
    sales = Section("events", (*lines.entries, kind, zone, *rates), is_list=True)
    back = _returned(lines, orders, sales, columns)
    tables: list[Section] = [sales, columns, join]
    for part in back:
        tables += [*part, join]
    return Part(
        title="Magento 2 tables of orders and their lines",
        head=head,
        tables=(*tables, column_section("items", [Entry("title", "name")])),
        clean=(Entry("duplicates", "keep", "each line has a number of its own (`item_id`)"),),
        rules=(*_rules(lines, orders), *([NOTHING_BACK] if back else [])),
    )


def _returned(lines: RawFiles, orders: RawFiles, sales: Section, columns: Section) -> list[tuple[Section, Section]]:
    """Returns the tables of what came back, and of pieces that were cancelled before they left."""
    when = _IN_ORDER + orders.first("updated_at", "created_at")
    why = (
        "Lines state how many pieces {what}, and not when: the last change of the order stands for it, which is never "
        "before the sale"
    )
    words = {"qty_refunded": "were refunded", "qty_canceled": "were cancelled"}
    return [
        returned_table(sales, columns, quantity=name, when=when, why=why.format(what=what))
        for name, what in words.items()
        if lines.has(name) and any(value.strip("0.") for value in lines.cells(name).values)
    ]


def _rules(lines: RawFiles, orders: RawFiles) -> list[Section]:
    children = lines.cells("parent_item_id").filled
    column = orders.first("state", "status")
    rules = [
        drop_rule(
            "[1-9]",
            "child line of a configurable product or bundle",
            raw_column="parent_item_id",
            why=f"{children:,} lines belong to another line, which has the price: counted once",
        ),
        drop_rule(
            "(?i)^(canceled|pending_payment)$",
            "cancelled or unpaid order",
            raw_column=_IN_ORDER + column,
            why=f"values of `{column}`: {orders.cells(column).example(8)}",
        ),
    ]
    if lines.has("product_type") and "giftcard" in lines.cells("product_type").values:
        rules.append(drop_rule("^giftcard$", "gift card, no item", raw_column="product_type"))
    return rules


LAYOUT = Layout(
    title="Magento 2 tables of orders and their lines",
    table="events",
    signs={
        "lines": ("item_id", "order_id", "parent_item_id", "sku", "qty_ordered", "row_total"),
        "orders": ("entity_id", "increment_id", "created_at", "customer_id"),
    },
    propose=_propose,
)
