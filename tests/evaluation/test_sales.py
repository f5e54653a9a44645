"""What was bought after a slate could have been shown, and what slates are worth by it, on visits of known course."""

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.small_shop import tables
from tfrec.errors import ConfigError
from tfrec.evaluation.sales import sales_of
from tfrec.evaluation.slate_values import MEASURES, ItemWorth, value_slates
from tfrec.schema.slate import Slate

ITEMS = {"cheap": "Cameras", "middle": "Cameras", "dear": "Cameras", "bag": "Bags", "case": "Bags"}
PRICES = {"cheap": 100, "middle": 200, "dear": 300, "bag": 20, "case": 10}
PAST = [("past", "", f"2024-01-01 10:0{minute}", "view", item) for minute, item in enumerate(ITEMS)]
VISIT = [
    ("s1", "ann", "2024-03-01 10:00", "view", "cheap"),
    ("s1", "ann", "2024-03-01 10:01", "view", "dear"),
    ("s1", "ann", "2024-03-01 10:02", "cart", "dear"),
    ("s1", "ann", "2024-03-01 10:03", "view", "cheap"),
    ("s1", "ann", "2024-03-01 10:04", "view", "bag"),
    ("s1", "ann", "2024-03-01 10:05", "purchase", "dear"),
    ("s1", "ann", "2024-03-01 10:05", "purchase", "bag"),
    ("s2", "", "2024-03-02 10:00", "view", "case"),  # buys nothing
]


@pytest.fixture
def shop():
    return tables(ITEMS, clicks=[*PAST, *VISIT], prices=PRICES)


def bought(sales):
    cases = sales.cases
    return [
        (cases.item_ids[anchor], sorted(cases.item_ids[truth] for truth in row if truth >= 0))
        for anchor, row in zip(cases.anchors, cases.truths, strict=True)
    ]


def test_each_page_is_asked_once_and_knows_what_was_chosen_after_it(shop):
    sales = sales_of("cross_sell", *shop)
    assert bought(sales) == [
        ("cheap", ["bag", "dear"]),
        ("dear", ["bag"]),
    ]  # the bag's page: all was in the cart by then
    assert sales.order_values.tolist() == [320, 320] and sales.unit == "session"
    queries = sales.to_queries()
    assert queries["item_id"].tolist() == ["cheap", "dear"]
    assert [list(row) for row in queries["recent_item_ids"]] == [["cheap"], ["cheap", "dear"]]
    assert queries["cart_item_ids"].tolist() == [[], []]


def test_what_is_in_the_cart_is_sent_along_and_no_longer_counts():
    late = [(*row[:3], "view", "case") if row[2].endswith("10:03") else row for row in VISIT]
    sales = sales_of("recommend", *tables(ITEMS, clicks=[*PAST, *late], prices=PRICES))
    assert bought(sales)[-1] == ("case", ["bag"])
    assert sales.to_queries()["cart_item_ids"].tolist()[-1] == ["dear"] and "item_id" not in sales.to_queries()


def test_an_upgrade_is_dearer_and_of_the_pages_category(shop):
    assert bought(sales_of("upsell", *shop)) == [("cheap", ["dear"])]
    assert "min_price_ratio" not in sales_of("upsell", *shop).to_queries()


def test_a_log_without_visits_has_orders_and_no_upsell():
    orders = [
        ("o0", "ann", "2024-01-05", ["cheap", "bag", "case", "dear", "middle"]),
        ("o1", "ann", "2024-03-01", ["dear", "bag"]),
        ("o2", "bob", "2024-03-02", ["case", "bag", "cheap"]),
    ]
    train, later = tables(ITEMS, orders, prices=PRICES)
    carts = sales_of("complete_cart", train, later)
    assert (carts.unit, carts.order_values.tolist()) == ("order", [320, 130])
    assert len(carts.to_queries()["cart_item_ids"][1]) == 2
    assert sales_of("cross_sell", train, later).cases.user_ids.tolist() == ["bob"]  # all is old to ann
    baskets = sales_of("recommend", train, later)
    assert (baskets.unit, bought(baskets)[0][1]) == ("user", ["bag", "dear"])
    assert sales_of("upsell", train, later) is None
    with pytest.raises(ConfigError, match="cross_sell"):
        sales_of("similar", train, later)


WORTH = ItemWorth(
    item_ids=pd.Index(list(ITEMS), dtype=object),
    price=np.array([PRICES[item] for item in ITEMS], np.float32),
    profit=np.array([10.0, 50.0, 20.0, 15.0, 5.0], np.float32),
    leaf=np.array([1, 1, 1, 2, 2]),
    content=np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 0]], np.float32),
)


def value(sales, *rows):
    chances = np.full((len(rows), 2), 0.1, np.float32)
    slate = Slate(np.array(rows, object), np.tile([2.0, 1.0], (len(rows), 1)), {"probabilities": chances})
    found = value_slates(sales, slate, WORTH)
    return found, {name: one.value for name, one in found.estimates().items()}


def test_what_was_bought_counts_once_a_session(shop):
    sales = sales_of("cross_sell", *shop)
    found, means = value(sales, ["bag", "case"], ["bag", ""])
    assert (means["acceptance"], means["add_on_rate"]) == (1, 1)
    assert (means["revenue"], means["margin"], means["order_value"]) == (
        20,
        15,
        320,
    )  # the bag, though two slates held it
    assert means["expected_revenue"] == pytest.approx(0.1 * (20 + 10 + 20) / 2)
    assert means["categories"] == 1 and means["distance"] == 1  # of the one slate of two items
    assert found.coverage == 2 / 5
    nothing, means = value(sales, ["case", "middle"], ["", ""])
    assert (means["acceptance"], means["revenue"], means["categories"]) == (0, 0, 2)
    assert np.isnan(means["order_value"])
    gained = found.less(nothing)
    assert (gained["acceptance"].value, gained["revenue"].value) == (1, 20)
    assert list(gained) == list(MEASURES)


def test_an_upgrade_brings_what_it_has_beyond_the_page(shop):
    _, means = value(sales_of("upsell", *shop), ["dear", "middle"])
    assert (means["revenue"], means["margin"]) == (200, 10)
    assert means["expected_margin"] == pytest.approx(0.1 * (10 + 40))
    assert means["distance"] == 1


def test_intervals_take_a_user_s_sessions_together():
    visits = [
        (f"s{number}", user, f"2024-03-{day:02} 10:0{minute}", kind, item)
        for number, (user, day) in enumerate([("ann", 1), ("ann", 2), ("", 3), ("", 4)])
        for minute, (kind, item) in enumerate([("view", "cheap"), ("purchase", "bag")])
    ]
    sales = sales_of("cross_sell", *tables(ITEMS, clicks=[*PAST, *visits], prices=PRICES))
    found, _ = value(sales, *[["bag", ""]] * 4)
    assert len(set(found.clusters)) == 3
