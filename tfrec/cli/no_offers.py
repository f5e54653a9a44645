"""Finds why a servable offers nothing: it asks again without the limits of the query."""

import math
from collections.abc import Mapping
from typing import Any

from tfrec.client import RecommenderClient
from tfrec.errors import TfrecError

_LIMITS = {
    "exclude_item_ids": "--exclude",
    "include_categories": "--categories",
    "min_price": "--min-price",
    "max_price": "--max-price",
    "min_price_ratio": "--min-price-ratio",
    "max_price_ratio": "--max-price-ratio",
    "outside_cart_level": "--outside-cart-level",
}
_ABOUT_AN_ITEM = ("upsell", "similar")


def why_no_offers(client: RecommenderClient, signature: str, arguments: Mapping[str, Any]) -> str:
    """Returns a sentence on why a query of `shop` got an empty slate.

    Args:
        client: asks the server again.
        signature: signature that was asked.
        arguments: inputs that were sent, by name.
    """
    if arguments.get("k", 1) < 1:
        return f"--k is {arguments['k']}, so nothing was asked for."
    anchor = arguments.get("item_id")
    if signature in _ABOUT_AN_ITEM and not anchor:
        return f"`{signature}` needs the item on the page: name it with --item ID."
    if signature == "cross_sell" and not anchor and not arguments.get("cart_item_ids"):
        return "`cross_sell` needs a cart or an item: name them with --cart ID,ID or --item ID."
    limits = {name: option for name, option in _LIMITS.items() if arguments.get(name)}
    free = {name: value for name, value in arguments.items() if name not in limits}
    if limits and (num := len(_ask(client, signature, free))):
        for name, option in limits.items():
            others = {other: value for other, value in arguments.items() if other != name}
            if len(_ask(client, signature, others)):
                return f"{option} leaves nothing. Widen it, or leave it out."
        return f"{', '.join(limits.values())} together leave nothing; without them there are {num} offers."
    unknown = _unknown(client, [*([anchor] if anchor else []), *arguments.get("cart_item_ids", ())])
    if unknown:
        word = "item" if len(unknown) == 1 else "items"
        listed = ", ".join(unknown)
        return f"The models do not know the {word} {listed}: not in the log or catalogue that they learned from."
    if signature == "upsell":
        return (
            f"No item of the category of {anchor} is dearer within --min-price-ratio and --max-price-ratio, in stock "
            "and outside the cart."
        )
    if signature == "similar":
        return f"No other item that is in stock shares a category with {anchor}."
    if signature == "cross_sell":
        return "No item that is in stock, and that the user has not bought before, goes with these."
    return "No item is in stock and outside the cart. Check the stock of the catalogue that the models learned from."


def _ask(client: RecommenderClient, signature: str, arguments: Mapping[str, Any]) -> Any:
    return getattr(client, signature)(**arguments)


def _unknown(client: RecommenderClient, item_ids: list[str]) -> list[str]:
    """Returns the items that the ranking model does not know; none where it is not served."""
    if not item_ids:
        return []
    try:
        outputs = client.ask("rank", {"candidate_item_ids": item_ids})
    except TfrecError:
        return []
    scores = dict(zip(outputs["item_ids"][0].tolist(), outputs["scores"][0].tolist(), strict=True))
    return [item for item in dict.fromkeys(item_ids) if not math.isfinite(scores.get(item, -math.inf))]
