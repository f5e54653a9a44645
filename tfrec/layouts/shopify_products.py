"""Recognises Shopify's products export: a row for each variant and picture, cells of the product on its first row.

Columns: https://help.shopify.com/en/manual/products/import-export/using-csv.
"""

from tfrec.layouts.draft import Entry, Part, Section, column_section
from tfrec.layouts.layout import Layout, Roles
from tfrec.layouts.shared_entries import optional

_OF_PRODUCT = ("Title", "Vendor", "Product Category", "Type", "Tags", "Published", "Status")


def _propose(roles: Roles) -> Part:
    raw = roles["items"]
    category = [name for name in ("Product Category", "Type") if raw.is_filled(name)]
    columns = [
        Entry(
            "item_id",
            "Variant SKU",
            f"{raw.cells('Variant SKU').distinct:,} variants; rows without are further pictures",
        ),
        Entry("title", "Title"),
        *optional(raw, "brand", "Vendor"),
        *([Entry("category", category[0])] if category else []),
        Entry("price", "Variant Price"),
        *optional(raw, "cost", "Cost per item", "of a piece, for margins"),
        *optional(raw, "stock", raw.first("Variant Inventory Qty")),
    ]
    fill = (
        Entry("by", "Handle"),
        Entry("columns", [name for name in _OF_PRODUCT if raw.has(name)], "on a product's first row alone"),
    )
    return Part(
        title="Shopify products export",
        tables=(Section("items", raw.entries), column_section("items", columns), Section("items.fill", fill)),
    )


LAYOUT = Layout(
    title="Shopify products export",
    table="items",
    signs={"items": ("Handle", "Title", "Vendor", "Variant SKU", "Variant Price")},
    propose=_propose,
)
