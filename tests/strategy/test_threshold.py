"""Carts below a threshold: what alone brings them there comes first, by its expected margin, and within all limits."""

import numpy as np
import pytest

from tests.strategy.test_funnel import World
from tfrec.strategy.config import StrategyConfig, ThresholdConfig

CART = np.array([["", "i3", "i4"]], object)


def answer(served, **inputs):
    asked = {"cart_item_ids": CART, "k": np.array([60], np.int32)}
    asked |= {name: np.atleast_1d(np.array(value, np.float32)) for name, value in inputs.items()}
    found = served.answer("complete_cart", asked)
    number = int((found["item_ids"][0] != "").sum())
    return {name: value[0][:number] for name, value in found.items()}


def is_near(found, gap, ratio=2.0):
    return (found["prices"] >= gap - 1e-4) & (found["prices"] <= gap * ratio)


@pytest.mark.parametrize("gap", [8.0, 21.0, 30.0])
def test_what_brings_the_cart_to_the_threshold_comes_first_by_its_margin(served_shop, gap):
    found = answer(served_shop.served, cart_total=50.0 - gap, threshold=50.0)
    near = is_near(found, gap)
    number = int(near.sum())
    assert 3 <= number < len(near)
    assert near[:number].all()
    margin = found["probabilities"][:number] * found["prices"][:number]  # the shop states no margins
    assert (np.diff(margin) <= 1e-6).all()
    assert (np.diff(found["scores"]) <= 0).all()
    product = World(served_shop.shop).product  # of another variant, where that is near
    found, usual = ([product[item] for item in one["item_ids"]] for one in (found, answer(served_shop.served)))
    assert set(found) == set(usual)
    assert found[number:] == [one for one in usual if one not in found[:number]]


@pytest.mark.parametrize(
    "amounts",
    [
        {"cart_total": 50.0, "threshold": 50.0},
        {"cart_total": 60.0, "threshold": 50.0},
        {"cart_total": 20.0},
        {"cart_total": 0.0, "threshold": 10_000.0},
    ],
    ids=["reached", "passed", "no threshold", "beyond all prices"],
)
def test_where_nothing_brings_the_cart_there_nothing_changes(served_shop, amounts):
    usual, found = answer(served_shop.served), answer(served_shop.served, **amounts)
    for name in ("item_ids", "scores", "reasons"):
        assert found[name].tolist() == usual[name].tolist()


def test_an_item_of_just_what_is_lacking_counts(served_shop):
    """33.99 less 3.99 is above 30 in 32 bits, and an item costs 30."""
    assert np.float32(33.99) - np.float32(3.99) > 30
    found = answer(served_shop.served, cart_total=3.99, threshold=33.99)
    assert 30.0 in found["prices"][: is_near(found, 30.0).sum()]


def test_limits_of_the_request_hold_for_what_is_put_forward(served_shop):
    free = answer(served_shop.served, cart_total=29.0, threshold=50.0)
    best = free["item_ids"][:2]
    asked = {"cart_item_ids": CART, "exclude_item_ids": best[None, :], "k": np.array([60], np.int32)}
    asked |= {"cart_total": np.array([29.0], np.float32), "threshold": np.array([50.0], np.float32)}
    offered = served_shop.served.answer("complete_cart", asked)["item_ids"][0]
    assert not set(best) & set(offered)
    allowed = World(served_shop.shop).eligible("complete_cart", {"user_id": "", "cart_item_ids": ["i3", "i4"]})
    assert set(offered) - {""} <= allowed


def test_a_short_slate_has_what_the_sources_did_not_bring(served_shop):
    """Of few candidates none may be dear enough, while the shop has such items."""
    for gap in (15.0, 25.0, 35.0):
        asked = {"cart_item_ids": CART, "k": np.array([1], np.int32)}
        asked |= {"cart_total": np.array([50.0 - gap], np.float32), "threshold": np.array([50.0], np.float32)}
        found = served_shop.served.answer("complete_cart", asked)
        assert gap <= found["prices"][0, 0] <= 2 * gap


@pytest.mark.slow
def test_how_much_more_is_a_setting(served_shop):
    from tfrec.strategy.funnel import Funnel
    from tfrec.training.export import ServedFunnel

    funnel = served_shop.served.funnel
    strategy = StrategyConfig(threshold=ThresholdConfig(max_gap_ratio=1.2))
    served = ServedFunnel(served_shop.shop, Funnel(funnel.sources, funnel.ranking, strategy=strategy))
    found = answer(served, cart_total=29.0, threshold=50.0)
    near = is_near(found, 21.0, ratio=1.2)
    assert near[: near.sum()].all() and 0 < near.sum() < is_near(found, 21.0).sum()
