"""Recognises product feeds of Google Merchant Center: TSV or XML with an entry for each variant.

Attributes: https://support.google.com/merchants/answer/7052112.
"""

from tfrec.layouts.draft import Entry, Part, Section, column_section
from tfrec.layouts.layout import Layout, Roles
from tfrec.layouts.shared_entries import optional


def _propose(roles: Roles) -> Part:
    raw = roles["items"]
    category = raw.first(*(name for name in ("product_type", "google_product_category") if raw.is_filled(name)))
    columns = [
        Entry("item_id", "id", f"{raw.cells('id').distinct:,} variants"),
        Entry("title", "title"),
        *optional(raw, "brand", "brand"),
        *([Entry("category", category, "levels are parted by ` > `")] if category else []),
        Entry("price", _price(raw.first("sale_price"), raw.is_filled("sale_price")), "with the code of its currency"),
        *optional(raw, "cost", "cost_of_goods_sold", "of a piece, for margins"),
    ]
    columns += _stock(raw.is_filled("availability"))
    return Part(
        title="Google Merchant product feed",
        tables=(Section("items", raw.entries), column_section("items", columns)),
    )


def _price(sale: str, has_sale: bool) -> str | dict[str, list[str]]:
    return {"first_of": [sale, "price"]} if has_sale else "price"


def _stock(has_words: bool) -> list[Entry]:
    why = "the feed states whether an item can be had, and not how many: map a number of pieces where you have it"
    return [Entry("stock", "availability", why, is_open=True)] if has_words else []


LAYOUT = Layout(
    title="Google Merchant product feed",
    table="items",
    signs={"items": ("id", "title", "link", "image_link", "price", "availability")},
    propose=_propose,
)
