"""Formats offers as tables for the terminal."""

from collections.abc import Iterable, Mapping

from tfrec.client import OfferedItem
from tfrec.schema.text_columns import cut, text_table


def offer_table(offers: Iterable[OfferedItem], titles: Mapping[str, str], *, indent: str = "") -> str:
    """Returns a table of offered items: what, for how much, how likely, and why.

    Of a page with the widget of each; of a cart below a threshold with the set that brings it there.
    """
    offers = list(offers)
    is_page, is_bundle, has_sets = (
        any(getattr(item, name) for item in offers) for name in ("widget", "total_price", "threshold_set")
    )
    rows = [
        [
            str(rank),
            *([item.widget] if is_page else []),
            item.item_id,
            *([cut(titles.get(item.item_id, ""))] if titles else []),
            f"{item.price:,.2f}" if item.price else "–",
            *([f"{item.total_price:,.2f}" if item.total_price else "–"] if is_bundle else []),
            *([f"{item.threshold_set or ''}"] if has_sets else []),
            f"{item.probability:.1%}" if item.probability else "–",  # best sellers have none
            item.reason_sentence(_named(item, titles)),
        ]
        for rank, item in enumerate(offers, start=1)
    ]
    if not rows:
        return f"{indent}(nothing to offer)"
    heads = ["", *(["widget"] if is_page else []), "item", *(["title"] if titles else []), "price"]
    heads += [*(["with the anchor"] if is_bundle else []), *(["in set"] if has_sets else []), "chance", "why"]
    return text_table(heads, rows, indent=indent)


def _named(item: OfferedItem, titles: Mapping[str, str]) -> dict[str, str]:
    title = titles.get(item.reason_item_id)
    return {item.reason_item_id: cut(title)} if title else {}
