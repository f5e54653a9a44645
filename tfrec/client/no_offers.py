"""Finds why a servable offers nothing: it asks again without the limits of the query."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tfrec.client.client import RecommenderClient
from tfrec.errors import TfrecError

_LIMITS = (
    "exclude_item_ids",
    "include_categories",
    "include_attributes",
    "exclude_attributes",
    "same_as_anchor",
    "min_price",
    "max_price",
    "min_price_ratio",
    "max_price_ratio",
    "outside_cart_level",
    "bought_before",
)
_ABOUT_AN_ITEM = ("upsell", "similar", "bundle")


def why_no_offers(
    client: RecommenderClient, signature: str, arguments: Mapping[str, Any], names: Mapping[str, str]
) -> str:
    """Returns a sentence on why a query of `shop` got an empty slate.

    Args:
        client: asks the server again.
        signature: signature that was asked.
        arguments: inputs that were sent, by name.
        names: what the asker calls the inputs, such as an option; inputs that it leaves out have their own name.
    """

    def called(name: str) -> str:
        return names.get(name, f"`{name}`")

    if arguments.get("k", 1) < 1:
        return f"{called('k')} is {arguments['k']}, so nothing was asked for."
    anchor = arguments.get("item_id")
    if signature in _ABOUT_AN_ITEM and not anchor:
        return f"`{signature}` needs the item on the page: name it with {called('item_id')}."
    if signature == "cross_sell" and not anchor and not arguments.get("cart_item_ids"):
        return f"`cross_sell` needs a cart or an item: name them with {called('cart_item_ids')} or {called('item_id')}."
    limits = [name for name in _LIMITS if arguments.get(name)]
    free = {name: value for name, value in arguments.items() if name not in limits}
    if limits and (num := _count(client, signature, free)):
        for name in limits:
            others = {other: value for other, value in arguments.items() if other != name}
            if _count(client, signature, others):
                return f"{called(name)} leaves nothing. Widen it, or leave it out."
        return f"{', '.join(map(called, limits))} together leave nothing; without them there are {num} offers."
    unknown = unknown_items(client, [*([anchor] if anchor else []), *arguments.get("cart_item_ids", ())])
    if unknown:
        word = "item" if len(unknown) == 1 else "items"
        listed = ", ".join(unknown)
        return f"The models do not know the {word} {listed}: not in the log or catalogue that they learned from."
    if signature == "upsell":
        return (
            f"No item of the category of {anchor} is dearer within {called('min_price_ratio')} and "
            f"{called('max_price_ratio')}, in stock and outside the cart."
        )
    if signature == "bundle":
        return (
            f"Fewer than {arguments.get('k', 2)} items that are in stock, and that the user has not bought before, go "
            f"with {anchor} and with each other, or {anchor} itself is not sold now. Ask for a smaller {called('k')}."
        )
    if signature == "similar":
        return f"No other item that is in stock shares a category with {anchor}."
    if signature == "cross_sell":
        return "No item that is in stock, and that the user has not bought before, goes with these."
    return "No item is in stock and outside the cart. Check the stock of the catalogue that the models learned from."


def unknown_items(client: RecommenderClient, item_ids: Sequence[str]) -> list[str]:
    """Returns the items that the ranking model does not know; none where it is not served."""
    if not item_ids:
        return []
    try:
        outputs = client.ask("rank", {"candidate_item_ids": list(item_ids)})
    except TfrecError:
        return []
    scores = dict(zip(outputs["item_ids"][0].tolist(), outputs["scores"][0].tolist(), strict=True))
    return [item for item in dict.fromkeys(item_ids) if not math.isfinite(scores.get(item, -math.inf))]


def _count(client: RecommenderClient, signature: str, arguments: Mapping[str, Any]) -> int:
    """Returns how many items are offered; `ask` keeps no log: these are not shown."""
    return int((client.ask(signature, arguments)["item_ids"][0] != "").sum())
