"""Which items a version's list of best sellers holds, in which order."""

import pandas as pd

from tests.worlds import START, bought, make_shop, viewed
from tfrec.release.best_sellers import find_best_sellers


def sold(num: int, item: str, *, day: float = 90.0) -> list[dict]:
    return [row for user in range(num) for row in bought(f"u{user}", day, item, order=f"{item}{user}@{day}")]


def test_what_sold_lately_comes_before_what_sold_before():
    items = {name: {"category": "Home > Lighting", "price": 2.5} for name in ("old", "new", "never")}
    found = find_best_sellers(make_shop(sold(9, "old", day=1) + sold(3, "new"), items), version=4)
    assert found.version == 4
    assert [(item.item_id, item.count, item.category, item.price) for item in found.items] == [
        ("new", 3, "Home > Lighting", 2.5),
        ("old", 0, "Home > Lighting", 2.5),
        ("never", 0, "Home > Lighting", 2.5),
    ]


def test_what_cannot_be_bought_is_left_out_and_one_variant_kept():
    later, before = START + pd.Timedelta(days=200), START + pd.Timedelta(days=50)
    items = {
        "gone": {"stock": 0.0},
        "coming": {"available_from": later},
        "over": {"available_until": before},
        "red": {"item_group": "shirt"},
        "blue": {"item_group": "shirt", "stock": 3.0},
    }
    rows = [row for name in items for row in sold(3, name)] + sold(1, "blue", day=91)
    assert [item.item_id for item in find_best_sellers(make_shop(rows, items), version=1).items] == ["blue"]


def test_every_category_has_its_own_best_behind_those_of_the_shop():
    items = {f"home{number}": {"category": "Home"} for number in range(300)}
    items |= {f"sport{number}": {"category": "Sport > Balls"} for number in range(30)}
    rows = [row for name in items for row in sold(1 + name.startswith("home"), name)]
    found = [item.item_id for item in find_best_sellers(make_shop(rows, items), version=1).items]
    assert sum(name.startswith("home") for name in found) == 200
    assert sum(name.startswith("sport") for name in found) == 20


def test_a_log_without_purchases_counts_what_was_seen():
    rows = viewed("u", 1, "a", "b", "b") + viewed("v", 1, "c", kind="impression")
    found = find_best_sellers(make_shop(rows), version=1).items
    assert [(item.item_id, item.count, item.price) for item in found] == [("b", 2, 0.0), ("a", 1, 0.0), ("c", 0, 0.0)]
