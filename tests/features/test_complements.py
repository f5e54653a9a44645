"""Which categories complete which, in shops whose shoppers are known."""

import numpy as np
import pandas as pd
import pytest

from tests.worlds import bought, make_shop, viewed
from tfrec.features.complements import compare_categories, learn_complements
from tfrec.features.feature_tables import target_type

ITEMS = {
    "camera": {"category": "Photo > Cameras", "price": 300.0},
    "other camera": {"category": "Photo > Cameras", "price": 400.0},
    "card": {"category": "Photo > Cards", "price": 20.0},
    "bag": {"category": "Photo > Bags", "price": 40.0},
    "mug": {"category": "Kitchen > Mugs", "price": 8.0},
    "uncategorised": {"price": 8.0},
}


def learned(rows, *, width=3):
    """Returns category → {complement: strength}, by the last word of the paths."""
    shop = make_shop(rows, ITEMS)
    target = shop.train.event_type == target_type(shop.train)
    found = learn_complements(shop.train, np.ones(len(shop.train), bool), target, width=width)
    names = [name.split(" > ")[-1] for name in shop.vocabularies.categories.decode(np.arange(len(found.category)))]
    return {
        names[row]: {
            names[to]: float(by) for to, by in zip(found.category[row], found.strength[row], strict=True) if by
        }
        for row in range(len(names))
        if found.strength[row].any()
    }


def visits(seed=0, *, attach=0.6, number=400, views=True, card_first=0.0, order_of_lines=None):
    """All look at cameras, cards and bags; half buy the camera, and then a share of them a card on its account."""
    rng = np.random.default_rng(seed)
    rows = []
    for visit in range(number):
        user, day = f"u{visit % 50}", visit / 5
        basket = ["camera"] if rng.random() < 0.5 else []
        basket += ["card"] if rng.random() < (attach if basket else 0.05) else []
        if card_first and rng.random() < card_first:
            basket.reverse()
        basket += ["bag"] if rng.random() < 0.3 else []  # whatever else
        basket = basket or ["mug"]
        seen = [*basket, *rng.permutation([name for name in ("camera", "card", "bag") if name not in basket])]
        rows += viewed(user, day, *seen, session=f"s{visit}") if views else []
        lines = sorted(basket, key=order_of_lines) if order_of_lines else basket
        rows += bought(user, day + 0.05, *lines, order=f"o{visit}")
    return rows


def with_sessions(rows):
    """Orders belong to the visit in which they were made."""
    return [row if row.get("session_id") else {**row, "session_id": row["order_id"].replace("o", "s")} for row in rows]


@pytest.mark.parametrize("views", [True, False])
def test_what_is_bought_on_account_of_another_is_its_complement(views):
    rows = visits(views=views)
    found = learned(with_sessions(rows) if views else rows)
    assert list(found["Cameras"]) == ["Cards"]
    assert found["Cameras"]["Cards"] == pytest.approx(0.55 if views else 0.4, abs=0.2)
    assert "Cards" not in found  # never the other way round


def test_what_is_only_looked_at_together_is_no_complement():
    found = learned(with_sessions(visits(attach=0.05)))
    assert found == {}


def test_a_pair_that_is_chosen_in_either_order_completes_each_other():
    found = learned(with_sessions(visits(card_first=0.5)))
    assert set(found["Cameras"]) == {"Cards"} and set(found["Cards"]) == {"Cameras"}


def test_sorted_lines_of_orders_give_no_direction():
    shop = make_shop(visits(views=False, order_of_lines=str), ITEMS)
    target = np.ones(len(shop.train), bool)
    pairs = compare_categories(shop.train, target, target)
    assert (pairs["forward"] == 0.5).all()


def test_a_handful_of_orders_proves_nothing():
    assert learned(with_sessions(visits(number=8))) == {}


def test_the_strongest_come_first_and_the_rest_is_cut():
    rng = np.random.default_rng(1)
    rows = []
    for visit in range(600):
        basket = ["camera"] if rng.random() < 0.5 else ["mug"]
        if basket == ["camera"]:
            basket += ["card"] * (rng.random() < 0.7) + ["bag"] * (rng.random() < 0.4)
        rows += viewed(f"u{visit}", visit / 9, "camera", "mug", "card", "bag", session=f"s{visit}")
        rows += bought(f"u{visit}", visit / 9 + 0.01, *basket, order=f"o{visit}")
    rows = with_sessions(rows)
    assert list(learned(rows)["Cameras"]) == ["Cards", "Bags"]
    assert list(learned(rows, width=1)["Cameras"]) == ["Cards"]


def test_a_shop_without_categories_has_none():
    shop = make_shop(bought("u", 1, "a", "b", order="o1"), {"a": {"price": 1.0}, "b": {"price": 2.0}})
    every = np.ones(len(shop.train), bool)
    assert compare_categories(shop.train, every, every).empty
    found = learn_complements(shop.train, every, every, width=4)
    assert found.category.shape == found.strength.shape == (1, 1) and not found.strength.any()
    assert isinstance(compare_categories(shop.train, every, every), pd.DataFrame)
