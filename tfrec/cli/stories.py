"""Chooses shoppers of the test period and shows their carts and what the server offers them."""

import dataclasses

import pandas as pd

from tfrec.cli.tables import offer_table
from tfrec.client import RecommenderClient
from tfrec.demo_shop import read_truth
from tfrec.ingest.prepared import Prepared
from tfrec.schema.text_columns import text_table

_MIN_ITEMS = 3


@dataclasses.dataclass(frozen=True)
class Shopper:
    """A shopper in the middle of an order.

    Attributes:
        user_id: "" = a guest.
        segment: what the generator made of this user; "" unknown.
        num_orders: orders before.
        cart: items in the cart now: the first half of the order that followed.
        bought: the rest of that order, which the models have never seen.
    """

    user_id: str
    segment: str
    num_orders: int
    cart: tuple[str, ...]
    bought: tuple[str, ...]


def choose_shoppers(prepared: Prepared, *, num_known: int = 2) -> list[Shopper]:
    """Returns a few shoppers with an order of the test period: known users of different segments, then a guest.

    Their carts begin with an item that has true complements, so that there is something to find.
    """
    orders = prepared.test.purchases
    orders = orders[orders["order_id"] != ""].drop_duplicates(["order_id", "item_id"])
    known_items = prepared.train.events["item_id"].unique()
    orders = orders[orders["item_id"].isin(known_items)]
    orders = orders[orders.groupby("order_id")["item_id"].transform("size") >= _MIN_ITEMS]
    truth = read_truth(prepared.path)
    has_complement = set(truth.complements["from_item"])
    segments = dict(zip(truth.segments["user"], truth.segments["segment"], strict=True))
    past = prepared.train.purchases.groupby("user_id")["order_id"].nunique()
    shoppers: list[Shopper] = []
    guests: list[Shopper] = []
    for _, lines in orders.groupby("order_id", sort=False):
        items = sorted(lines["item_id"], key=lambda item: item not in has_complement)
        user_id = str(lines["user_id"].iloc[0])
        shopper = Shopper(
            user_id,
            segments.get(user_id, ""),
            int(past.get(user_id, 0)),
            tuple(items[: len(items) // 2]),
            tuple(items[len(items) // 2 :]),
        )
        if items[0] not in has_complement:
            continue
        if user_id and shopper.num_orders >= 2 and shopper.segment not in {other.segment for other in shoppers}:
            shoppers.append(shopper)
        elif not user_id:
            guests.append(shopper)
        if len(shoppers) >= num_known and guests:
            break
    return [*shoppers[:num_known], *guests[:1]]


def describe_offers(client: RecommenderClient, shopper: Shopper, prepared: Prepared, *, k: int = 5) -> str:
    """Returns a shopper's cart and the offers for it, asked of the server."""
    items = prepared.train.items.set_index("item_id")
    titles = items["title"].to_dict()
    who = f"Shopper {shopper.user_id}, {shopper.num_orders} orders before" if shopper.user_id else "A guest"
    if shopper.segment:
        who += f" ({shopper.segment})"
    lines = [f"{'═' * 100}", who, "", "  In the cart:", _cart_table(shopper.cart, items)]
    user_id, cart, anchor = shopper.user_id, list(shopper.cart), shopper.cart[0]
    for heading, offers in (
        ("Before the check-out (complete_cart):", client.complete_cart(user_id=user_id, cart_item_ids=cart, k=k)),
        (
            "New to this shopper, goes with the cart (cross_sell):",
            client.cross_sell(user_id=user_id, cart_item_ids=cart, k=k),
        ),
        (
            f"A better choice than {titles.get(anchor, anchor)} (upsell):",
            client.upsell(user_id=user_id, item_id=anchor, k=3),
        ),
        ("On the home page (recommend):", client.recommend(user_id=user_id, k=3)),
    ):
        came_true = [titles.get(item.item_id, item.item_id) for item in offers if item.item_id in shopper.bought]
        lines += ["", f"  {heading}", offer_table(offers, titles, indent="    ")]
        if came_true:
            lines.append(f"    ✓ bought in this very order: {', '.join(came_true)}")
    return "\n".join(lines) + "\n"


def _cart_table(cart: tuple[str, ...], items: pd.DataFrame) -> str:
    rows = [[item, items["title"][item], f"{items['price'][item]:,.2f}", items["category"][item]] for item in cart]
    return text_table(["item", "title", "price", "category"], rows, indent="    ")
