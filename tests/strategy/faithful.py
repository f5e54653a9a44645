"""Counts offers whose score falls where the evidence of their reason is taken out of the request."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tfrec.client.queries import build_inputs
from tfrec.schema.signatures import signature_named

Ask = Callable[[str, Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
"""Answers a signature of raw inputs; strings as `str`."""

EVIDENCE = ("bought_together", "bought_by_you", "because_of")
"""Reasons whose evidence a request can do without: an item of the cart, or purchases of the past."""
_BLOCK = 16  # requests asked together


class Shopper(NamedTuple):
    """A shopper who comes with all that is known of them.

    Attributes:
        cart: items in the cart.
        orders: items of each order of the past, the oldest first; a week lies between two.
    """

    cart: Sequence[str]
    orders: Sequence[Sequence[str]]

    def without(self, reason: str, item: str) -> "Shopper":
        """Returns the same without the evidence of a reason: an item of the cart, or all purchases of an item."""
        if reason == "bought_together":
            return Shopper([one for one in self.cart if one != item], self.orders)
        kept = [[one for one in order if one != item] for order in self.orders]
        return Shopper(self.cart, [order for order in kept if order])


def count_falls(ask: Ask, signature: str, shoppers: Sequence[Shopper], *, k: int) -> tuple[Counter[str], Counter[str]]:
    """Returns reason → offers whose score falls without the evidence, and reason → all offers with that reason.

    Scores are those of `rank` of the items of the slate, with the evidence and without.

    Args:
        ask: answers.
        signature: what offers; it takes a cart.
        shoppers: who ask.
        k: items of each slate.
    """
    offers = _ask(ask, signature, shoppers, k=[k] * len(shoppers))
    slates = [[item for item in row if item] for row in offers["item_ids"]]
    whole = _ask(ask, "rank", shoppers, candidate_item_ids=slates)["scores"]
    cases = [
        (
            at,
            place,
            str(reason),
            str(items[place] if reason == "bought_by_you" else offers["reason_item_ids"][at][place]),
        )
        for at, items in enumerate(slates)
        for place, reason in enumerate(offers["reasons"][at][: len(items)])
        if reason in EVIDENCE
    ]
    changed = [shoppers[at].without(reason, item) for at, _, reason, item in cases]
    without = _ask(ask, "rank", changed, candidate_item_ids=[slates[at] for at, *_ in cases])["scores"]
    fallen = Counter(
        reason for (at, place, reason, _), row in zip(cases, without, strict=True) if row[place] < whole[at][place]
    )
    return fallen, Counter(reason for _, _, reason, _ in cases)


def _ask(ask: Ask, signature: str, shoppers: Sequence[Shopper], **inputs: list) -> dict[str, list[np.ndarray]]:
    """Returns output name → row of each shopper."""
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(shoppers), _BLOCK):
        block = shoppers[start : start + _BLOCK]
        lines = [
            [
                (item, f"o{number}", 168.0 * (len(one.orders) - number))
                for number, order in enumerate(one.orders)
                for item in order
            ]
            for one in block
        ]
        arguments = {
            "cart_item_ids": [list(one.cart) for one in block],
            "history_item_ids": [[item for item, _, _ in rows] for rows in lines],
            "history_orders": [[order for _, order, _ in rows] for rows in lines],
            "history_order_ages": [[age for _, _, age in rows] for rows in lines],
            "history_event_types": [["purchase" for _ in rows] for rows in lines],
            **{name: values[start : start + _BLOCK] for name, values in inputs.items()},
        }
        for name, array in ask(signature, build_inputs(signature_named(signature), arguments)[0]).items():
            found.setdefault(name, []).extend(array)
    return found
