"""Recognises Shopify's orders export: a row for each line item, cells of the order on its first row alone.

Columns: https://help.shopify.com/en/manual/fulfillment/managing-orders/exporting-orders.
"""

from tfrec.layouts.currencies import currency_entries, rate_entries
from tfrec.layouts.draft import Entry, Part, Section, column_section, drop_rule
from tfrec.layouts.layout import Layout, Roles
from tfrec.layouts.raw_files import RawFiles
from tfrec.layouts.shared_entries import duplicate_entry, no_item_rules, optional, user_entry
from tfrec.layouts.times import zone_entry

_OF_ORDER = ("Email", "Phone", "Financial Status", "Currency", "Created at", "Cancelled at", "Shipping Country", "Tags")
_TIP, _GIFT_CARD = "^tip$", r"^(e-?)?gift ?card( - .*| [$€£]?\d.*)?$"


def _propose(roles: Roles) -> Part:
    raw = roles["lines"]
    head, currency = currency_entries(raw, "Currency")
    country = raw.first("Shipping Country", "Billing Country")
    columns = (
        Entry("order_id", "Name", "number of the order, on each of its rows"),
        *user_entry(
            raw,
            "Email",
            "Phone",
            orders=raw.cells("Financial Status").filled,
            absent="no order names its buyer, so that all rows are guests'",
        ),
        Entry(
            "item_id",
            {"first_of": ["Lineitem sku", "Lineitem name"]},
            f"{1 - raw.cells('Lineitem sku').fill_share:.0%} of the lines have no SKU and go by their name",
        ),
        Entry("timestamp", "Created at"),
        Entry("quantity", "Lineitem quantity"),
        Entry("price", "Lineitem price", "of a piece, before discounts"),
        *optional(
            raw, "discount", "Lineitem discount", "of all pieces of the line; those of the whole order are not split"
        ),
        *currency,
    )
    filled = [name for name in _OF_ORDER if raw.has(name)]
    fill = (
        Entry("by", "Name"),
        Entry("columns", filled, "Shopify writes these on an order's first row alone"),
    )
    zone = zone_entry(raw.cells("Created at"), raw.cells(country) if country else None)
    entries = (*raw.entries, Entry("type", "purchase", "each row is a line item of an order"), zone)
    items = [Entry("title", "Lineitem name"), *optional(raw, "brand", "Vendor")]
    return Part(
        title="Shopify orders export",
        head=head,
        tables=(
            Section("events", (*entries, *rate_entries(raw, "Currency"))),
            column_section("events", columns),
            Section("events.fill", fill),
            column_section("items", items),
            *([column_section("users", [Entry("country", country)])] if raw.is_filled(country) else []),
        ),
        clean=duplicate_entry(raw, "equal lines of one order are lines of their own"),
        rules=tuple(_rules(raw)),
    )


def _rules(raw: RawFiles) -> list[Section]:
    states = raw.cells("Financial Status")
    rules = [
        drop_rule(
            "(?i)^(refunded|voided|expired)$",
            "refunded or voided order",
            raw_column="Financial Status",
            why=f"the order's money went back or never came; values of the column: {states.example(6)}",
            whole_order=True,
        )
    ]
    if raw.has("Cancelled at"):
        count = raw.cells("Cancelled at").filled
        why = f"{count:,} orders have a time of cancellation"
        rules.append(drop_rule(r"\d", "cancelled order", raw_column="Cancelled at", why=why, whole_order=True))
    if "partially_refunded" in states.values:
        why = (
            f"{states.rows_with(['partially_refunded']):,} orders were refunded in part: the export states the amount, "
            "and not which items came back. Leave these orders out?"
        )
        rules.append(
            drop_rule(
                "(?i)^partially_refunded$",
                "partly refunded order",
                raw_column="Financial Status",
                why=why,
                whole_order=True,
                is_open=True,
            )
        )
    for pattern, reason in ((_TIP, "tip, no item"), (_GIFT_CARD, "gift card, no item")):
        rules.append(drop_rule(f"(?i){pattern}", reason, raw_column="Lineitem name", why="as Shopify calls such lines"))
    return [*rules, *no_item_rules(raw, "Lineitem name", but=f"(?i){_TIP}|{_GIFT_CARD}")]


LAYOUT = Layout(
    title="Shopify orders export",
    table="events",
    signs={
        "lines": (
            *("Name", "Email", "Financial Status", "Currency", "Created at"),
            *("Lineitem quantity", "Lineitem name", "Lineitem price", "Lineitem sku"),
        )
    },
    propose=_propose,
)
