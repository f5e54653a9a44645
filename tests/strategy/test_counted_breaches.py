"""The benchmark of random requests counts slates that break what holds for variants and for what fits."""

import pytest

from tests.benchmarks.random_requests import CHOSEN_PRODUCT, MISFITS, VARIANTS, broken_by_variants
from tests.strategy.served_shop import tiny_shop
from tests.strategy.test_funnel import World

# i9 and i10 are variants of a product, i40 fits i1 and i41 fits i2; see `served_shop.tiny_shop`.
REQUEST = {"user_id": "", "cart_item_ids": ["i1", "", "unknown"], "item_id": ""}


@pytest.fixture(scope="module")
def world():
    return World(tiny_shop())


@pytest.mark.parametrize(
    ("offered", "broken"),
    [
        (["i3", "i4", "i40"], []),
        (["i9", "i10"], [VARIANTS]),
        (["i41"], [MISFITS]),
        (["i9", "i10", "i41"], [VARIANTS, MISFITS]),
        ([], []),
    ],
    ids=["as promised", "two variants", "does not fit", "both", "nothing"],
)
def test_slates_that_break_a_promise_are_counted(world, offered, broken):
    assert broken_by_variants(world, "cross_sell", REQUEST, offered) == broken


def test_variants_of_the_cart_and_of_the_page_are_counted_where_offers_go_beside_them(world):
    in_cart, on_page = REQUEST | {"cart_item_ids": ["i9"]}, REQUEST | {"cart_item_ids": [], "item_id": "i9"}
    assert broken_by_variants(world, "cross_sell", in_cart, ["i10"]) == [CHOSEN_PRODUCT]
    assert broken_by_variants(world, "cross_sell", on_page, ["i10"]) == [CHOSEN_PRODUCT]
    assert broken_by_variants(world, "complete_cart", in_cart, ["i10"]) == [CHOSEN_PRODUCT]
    assert broken_by_variants(world, "similar", on_page, ["i10"]) == []
