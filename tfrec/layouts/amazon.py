"""Recognises Amazon Seller Central's order reports: flat files with a row for each item of an order.

Columns: https://developer-docs.amazon.com/sp-api/docs/order-tracking-reports-attributes and
https://developer-docs.amazon.com/sp-api/docs/order-reports-attributes.
"""

from tfrec.layouts.currencies import currency_entries
from tfrec.layouts.draft import Entry, Part, Section, column_section, drop_rule
from tfrec.layouts.layout import Layout, Roles
from tfrec.layouts.raw_files import RawFiles
from tfrec.layouts.shared_entries import duplicate_entry, optional, user_entry
from tfrec.layouts.times import zone_entry

_DISCOUNT = "item-promotion-discount"


def _propose(roles: Roles) -> Part:
    raw = roles["lines"]
    is_tracking = raw.has("amazon-order-id")
    order = raw.first("amazon-order-id", "order-id")
    quantity = raw.first("quantity", "quantity-purchased")
    item = raw.first("sku", "asin")
    head, currency = currency_entries(raw, "currency")
    columns = (
        Entry("order_id", order),
        *user_entry(raw, "buyer-email", absent="this report names no buyers, so that all rows are guests'"),
        Entry("item_id", item, "the seller's own number; `asin` is Amazon's" if raw.has("sku", "asin") else ""),
        Entry("timestamp", "purchase-date"),
        Entry("quantity", quantity),
        Entry("line_total", "item-price", "Amazon states what all pieces of the row cost together"),
        *optional(raw, "discount", _DISCOUNT, "taken off the row's price: what is left was paid"),
        *currency,
    )
    zone = zone_entry(raw.cells("purchase-date"), raw.cells("ship-country") if raw.has("ship-country") else None)
    entries = (*raw.entries, Entry("type", "purchase", "each row is an item of an order"), zone)
    country = raw.first("ship-country")
    users = [Entry("country", country)] if country and raw.is_filled("buyer-email") else []
    return Part(
        title="Amazon Seller Central order report",
        head=head,
        tables=(
            Section("events", entries),
            column_section("events", columns),
            *([column_section("items", [Entry("title", "product-name")])] if raw.has("product-name") else []),
            *([column_section("users", users)] if users else []),
        ),
        clean=duplicate_entry(raw, "equal rows of one order are lines of their own"),
        rules=tuple(_rules(raw)) if is_tracking else (),
    )


def _rules(raw: RawFiles) -> list[Section]:
    rules = []
    for column, reason in (("order-status", "cancelled order"), ("item-status", "cancelled item")):
        if raw.has(column):
            why = f"values of the column: {raw.cells(column).example(6)}"
            rules.append(drop_rule("(?i)^cancell?ed$", reason, raw_column=column, why=why))
    if raw.has("sales-channel"):
        channels = raw.cells("sales-channel")
        outside = [value for value in channels.values if value.lower().startswith("non-amazon")]
        if outside:
            why = (
                f"{channels.rows_with(outside):,} rows are orders of other shops that Amazon ships; they have no price "
                "here. Leave them out where those shops' own logs are prepared, too"
            )
            rule = drop_rule(
                "(?i)^non-amazon", "order of another shop", raw_column="sales-channel", why=why, is_open=True
            )
            rules.append(rule)
    return rules


TRACKING = Layout(
    title="Amazon Seller Central order report",
    table="events",
    signs={"lines": ("amazon-order-id", "purchase-date", "order-status", "sku", "quantity", "item-price")},
    propose=_propose,
)
"""All orders, also of earlier states (`GET_FLAT_FILE_ALL_ORDERS_DATA_...`)."""

FULFILMENT = Layout(
    title="Amazon Seller Central order report",
    table="events",
    signs={"lines": ("order-id", "order-item-id", "purchase-date", "sku", "quantity-purchased", "item-price")},
    propose=_propose,
)
"""Orders to be shipped, with the buyers' addresses (`GET_FLAT_FILE_ORDER_REPORT_DATA_...`)."""
