"""Shoppers of a tiny world, whose tastes and needs are known, answer slates as the choice model states."""

import dataclasses

import numpy as np
import pytest

from tests.benchmarks.shopper_choices import CART_PAGE, ITEM, START, Goods, Page, Taken, Visit, attention, buy

CAMERA, BETTER_CAMERA, CHEAP_CAMERA, CARD, OTHER_CARD, BAG, MUG, GONE = range(8)
CAMERAS, CARDS, BAGS, MUGS = range(4)
GOODS = Goods(
    leaf=np.array([CAMERAS, CAMERAS, CAMERAS, CARDS, CARDS, BAGS, MUGS, BAGS]),
    price=np.array([100.0, 160.0, 80.0, 20.0, 25.0, 30.0, 8.0, 30.0]),
    margin=np.array([0.2, 0.2, 0.2, 0.5, 0.5, 0.5, 0.5, 0.5]),
    discounts=np.zeros((60, 4)),
)
ITEM_PAGE = Page(ITEM, item=CAMERA, is_carted=True)
CART = Page(CART_PAGE, seen=(CAMERA,), cart=(CAMERA,))


def visit(*pages, **changes):
    """A visit that ends with a camera, by a shopper who would like its card and its bag."""
    plain = Visit(
        user=0,
        user_id="ann",
        day=340.0,
        is_ordering=True,
        pages=pages,
        anyway=(CAMERA,),
        wanted=frozenset({(CAMERA, CARD), (CAMERA, BAG), (CAMERA, GONE)}),
        liking=np.array([1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.5, -np.inf]),
        reference=np.zeros(4),
    )
    return dataclasses.replace(plain, **changes)


def added(visited, *slates):
    """Revenue that slates add, EUR."""
    taken = buy(visited, slates, GOODS)
    more, less = [one.item for one in taken], [one.instead for one in taken if one.instead >= 0]
    return GOODS.revenue(more, visited.day) - GOODS.revenue(less, visited.day)


def test_complements_that_the_shopper_wants_earn_their_price():
    assert added(visit(CART), {"complete_cart": [CARD, BAG]}) == 50.0
    assert added(visit(ITEM_PAGE), {"cross_sell": [CARD, BAG]}) == 50.0


def test_another_item_of_the_complements_category_is_not_what_is_wanted():
    assert added(visit(CART), {"complete_cart": [OTHER_CARD]}) == 0.0


def test_complements_of_what_is_not_in_the_cart_earn_nothing():
    before_the_camera = visit(Page(START), ITEM_PAGE)
    assert added(before_the_camera, {"recommend": [CARD, BAG]}, {}) == 0.0


def test_substitutes_of_what_is_in_the_cart_earn_nothing():
    keen = dataclasses.replace(CART, next_leaf=CAMERAS, is_found=True, compares=True)
    assert added(visit(keen), {"complete_cart": [BETTER_CAMERA, CHEAP_CAMERA]}) == 0.0


def test_an_upgrade_that_is_liked_better_counts_the_difference():
    compares = dataclasses.replace(ITEM_PAGE, compares=True)
    taken = buy(visit(compares), [{"upsell": [BETTER_CAMERA]}], GOODS)
    assert taken == [Taken("upsell", "compare", BETTER_CAMERA, CAMERA)]
    assert added(visit(compares), {"upsell": [BETTER_CAMERA]}) == 60.0
    assert added(visit(compares), {"upsell": [CHEAP_CAMERA]}) == -20.0


def test_what_is_cheaper_is_not_taken_by_who_looks_at_dearer_items_alone():
    upwards = dataclasses.replace(ITEM_PAGE, compares=True, only_dearer=True)
    assert added(visit(upwards), {"upsell": [CHEAP_CAMERA, BETTER_CAMERA]}) == 60.0


@pytest.mark.parametrize(
    "page",
    [
        ITEM_PAGE,
        dataclasses.replace(ITEM_PAGE, compares=True, is_carted=False),
    ],
    ids=["does not compare", "does not buy from this page"],
)
def test_an_upgrade_earns_nothing_where_the_shopper(page):
    assert added(visit(page), {"upsell": [BETTER_CAMERA]}) == 0.0


def test_an_upgrade_that_is_liked_less_earns_nothing():
    compares = dataclasses.replace(ITEM_PAGE, compares=True)
    loyal = visit(compares, liking=np.array([5.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.5, -np.inf]))
    assert added(loyal, {"upsell": [BETTER_CAMERA]}) == 0.0


def test_one_more_step_leads_to_what_is_liked_better_than_an_item_at_random():
    step = dataclasses.replace(CART, next_leaf=MUGS, is_found=True)
    assert added(visit(step), {"complete_cart": [MUG]}) == 8.0
    assert added(visit(step, reference=np.full(4, 0.6)), {"complete_cart": [MUG]}) == 0.0
    assert added(visit(dataclasses.replace(step, is_found=False)), {"complete_cart": [MUG]}) == 0.0
    assert added(visit(dataclasses.replace(step, next_leaf=BAGS)), {"complete_cart": [MUG]}) == 0.0


def test_order_matters_by_examination():
    slate = [MUG, MUG, MUG, MUG, CARD]
    hasty, patient = (
        visit(dataclasses.replace(CART, patience=(patience,)))
        for patience in (attention(5)[4] + 0.01, attention(5)[4] - 0.01)
    )
    assert added(hasty, {"complete_cart": slate}) == 0.0
    assert added(patient, {"complete_cart": slate}) == 20.0
    assert added(hasty, {"complete_cart": slate[::-1]}) == 20.0


def test_examination_falls_from_place_to_place_and_is_certain_of_the_first():
    assert attention(2).tolist() == [1.0, 0.7]
    assert attention(5)[0] == 1.0 and (np.diff(attention(5)) < 0).all()


def test_what_would_have_been_bought_anyway_adds_nothing():
    thoughtful = visit(CART, anyway=(CAMERA, CARD))
    assert added(thoughtful, {"complete_cart": [CARD]}) == 0.0


def test_what_stands_in_for_a_later_purchase_counts_the_difference():
    step = dataclasses.replace(CART, next_leaf=CARDS, is_found=True)
    thoughtful = visit(step, anyway=(CAMERA, CARD), wanted=frozenset(), reference=np.full(4, -1.0))
    assert added(thoughtful, {"complete_cart": [OTHER_CARD]}) == 5.0


def test_an_item_is_taken_once_however_often_it_is_shown():
    twice = visit(ITEM_PAGE, CART)
    assert added(twice, {"cross_sell": [CARD]}, {"complete_cart": [CARD]}) == 20.0


def test_nothing_is_bought_on_a_visit_without_an_order_or_of_what_is_not_on_sale():
    assert added(visit(CART, is_ordering=False), {"complete_cart": [CARD]}) == 0.0
    assert added(visit(CART), {"complete_cart": [GONE]}) == 0.0


def test_a_discount_lowers_what_is_paid_and_the_profit_by_the_same_amount():
    sale = dataclasses.replace(GOODS, discounts=np.full((60, 4), 0.1))
    assert sale.revenue([CAMERA, CARD], 340.0) == pytest.approx(108.0)
    assert sale.profit([CAMERA, CARD], 340.0) == pytest.approx(100 * 0.1 + 20 * 0.4)
