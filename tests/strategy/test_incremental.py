"""Incremental margin: what would be bought anyway earns an offer nothing."""

import numpy as np
import pytest

from tfrec.models.organic import PRIOR_ORDERS

ANCHOR = {"item_id": ["i21"], "k": np.array([2], np.int32)}  # costs 22; i30 31, i39 40, all of one category
HABIT = {"history_item_ids": [["i39"] * 5], "history_orders": [[f"o{number}" for number in range(5)]]}
HABIT["history_order_ages"] = np.array([[900, 700, 500, 300, 100]], np.float32)
EVEN = {"i30": 0.5, "i39": 0.5}


@pytest.mark.parametrize(
    ("objective", "who", "expected"),
    [
        ("margin", {}, ["i39", "i30"]),
        ("margin", HABIT, ["i39", "i30"]),
        ("incremental_margin", {}, ["i39", "i30"]),
        ("incremental_margin", HABIT, ["i30", "i39"]),
    ],
)
def test_an_upgrade_that_the_shopper_buys_in_each_order_comes_behind(known_shop, objective, who, expected):
    answer = known_shop.answer("upsell", EVEN, **ANCHOR, **who, objective=[objective])
    assert answer["item_ids"][0].tolist() == expected
    assert answer["objectives"][0].tolist() == [f"{objective} by price"] * 2


def test_rows_of_a_batch_have_objectives_of_their_own(known_shop):
    both = known_shop.answer(
        "upsell", EVEN, **{**ANCHOR, "item_id": ["i21", "i21"]}, **HABIT, objective=["incremental_margin", "revenue"]
    )
    assert both["item_ids"].tolist() == [["i30", "i39"], ["i39", "i30"]]
    assert both["objectives"][:, 0].tolist() == ["incremental_margin by price", "revenue"]


@pytest.mark.parametrize(("objective", "expected"), [("margin", ["i3", "i13"]), ("incremental_margin", ["i13", "i3"])])
def test_what_sells_anyway_earns_less_beside_a_line(known_shop, objective, expected):
    """i29 (30) is among what sold lately, i51 (52) was never sold."""
    chances = {("i3", "i29"): 0.1, ("i13", "i51"): 0.05}
    lines = known_shop.answer("arrange_cart", chances, cart_item_ids=[["i3", "i13"]], objective=[objective])
    assert lines["item_ids"][0].tolist() == expected
    assert lines["objectives"][0].tolist() == [f"{objective} by price"] * 2


def test_the_estimate_is_the_mean_of_own_orders_and_of_the_shops(served_shop):
    """By the definition, from the log itself."""
    import tensorflow as tf

    sources, shop = served_shop.served.funnel.sources, served_shop.shop
    lines = shop.prepared.train.purchases
    own = lines[lines["user_id"] == "u1"]
    orders = own.groupby("order_id")["timestamp"].max().sort_values(ascending=False).index.tolist()
    fading = {order: 0.96**since for since, order in enumerate(orders)}
    days = (shop.prepared.test_from - lines["timestamp"]).dt.total_seconds() / 86400
    lately = lines[days <= 28]
    known = lines[lines["user_id"] != ""]
    an_order = len(known.drop_duplicates(["order_id", "item_id"])) / known["order_id"].nunique()
    catalogue = shop.prepared.train.items.set_index("item_id")["item_group"]
    alone = [item for item in own["item_id"] if not catalogue[item]]  # variants share in what others of them sold
    items = [alone[0], "i3", "i59"]
    expected = []
    for item in items:
        share = (lately["item_id"] == item).sum() / len(lately) * an_order
        habit = sum(fading[order] for order in own.loc[own["item_id"] == item, "order_id"].unique())
        expected.append((habit + PRIOR_ORDERS * share) / (sum(fading.values()) + PRIOR_ORDERS))
    query = served_shop.served._read.query(_inputs(served_shop, "u1"))
    place = shop.vocabularies.items.encode(np.array(items, object))
    found = sources.organic(sources.informed(query), tf.constant([[*place.tolist(), 0]], tf.int32)).numpy()[0]
    np.testing.assert_allclose(found[:3], expected, rtol=1e-5)


def _inputs(served_shop, user):
    import tensorflow as tf

    from tfrec.schema.signatures import SIGNATURES
    from tfrec.training.export import _default

    inputs = {spec.name: _default(spec) for spec in SIGNATURES["recommend"].inputs}
    return {**inputs, "user_id": tf.constant([user])}


def test_a_guest_buys_what_the_shop_buys(served_shop):
    import tensorflow as tf

    sources = served_shop.served.funnel.sources
    query = served_shop.served._read.query(_inputs(served_shop, "stranger"))
    every = tf.range(sources.num_rows)[None, :]
    chance = sources.organic(sources.informed(query), every).numpy()[0]
    sold = sources.popularity.numpy()
    assert (np.diff(chance[1:][np.argsort(sold[1:], kind="stable")]) >= 0).all()
    assert chance.min() >= 0 and chance.max() < 0.5 and chance[0] == 0
