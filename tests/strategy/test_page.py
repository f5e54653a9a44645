"""Pages: every widget keeps to what its strategy allows, nothing stands twice, and the first named chooses first."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.strategy.test_funnel import fitting, requests, rows_of, world  # noqa: F401
from tfrec.features.merchandising import MerchandisingRule
from tfrec.schema.inputs import STANDARD_WIDGETS, WIDGETS

ASKER = {"user_id": np.array(["u1"]), "item_id": np.array(["i13"]), "cart_item_ids": np.array([["", "i2", "i3"]])}


def sizes(*numbers):
    return np.array([numbers], np.int32)


def by_widget(answer, row=0):
    """Widget → its items, in the order of the page."""
    page = {}
    for name, item in zip(answer["widgets"][row], answer["item_ids"][row], strict=True):
        if item:
            page.setdefault(str(name), []).append(str(item))
    return page


def alone(served_shop, widget, k):
    """What the strategy of a widget offers by itself, beside the anchor and the cart."""
    signature, extra = (widget, {}) if widget != "buy_again" else ("recommend", {"bought_before": np.array(["only"])})
    inputs = fitting(
        served_shop,
        signature,
        {**ASKER, "exclude_item_ids": np.array([["i13", "i2", "i3"]]), "k": sizes(k)[0], **extra},
    )
    return [item for item in served_shop.answer(signature, **inputs)["item_ids"][0] if item]


@pytest.mark.slow
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(inputs=requests(size=8))
def test_every_widget_keeps_to_its_strategy_and_is_as_full_as_it_can_be(served_shop, world, inputs):  # noqa: F811
    inputs = fitting(served_shop, "page", {**inputs, "places_by": np.array(["widget"])})
    answer = served_shop.ask("page", **inputs)
    inputs.pop("places_by")
    for at, row in enumerate(rows_of(inputs)):
        page, taken = by_widget(answer, at), set()
        named = [name for name in dict.fromkeys(row.get("widgets", [])) if name]
        asked = [name for name in (named or STANDARD_WIDGETS) if name in WIDGETS]
        assert [name for name in asked if name in page] == list(page)
        first = row.get("widget_sizes", [0])[0] if (row.get("widgets") or [""])[0] in WIDGETS else 0
        for number, name in enumerate(asked):
            items, allowed = page.get(name, []), world.eligible(name, row)
            assert set(items) <= allowed
            products = [world.product[item] for item in items]
            assert len(set(products)) == len(products) and taken.isdisjoint(products)
            wanted = first if first > 0 and number == 0 else max(row.get("k", 10), 0)
            if name != "upsell" or world.category.get(row.get("item_id", "")):
                assert len(items) == min(wanted, len({world.product[item] for item in allowed} - taken))
            taken |= set(products)


@pytest.mark.parametrize("widget", WIDGETS)
def test_a_page_of_one_widget_is_what_its_strategy_offers(served_shop, widget):
    answer = served_shop.answer("page", **ASKER, widgets=np.array([[widget]]), widget_sizes=sizes(60))
    assert by_widget(answer).get(widget, []) == alone(served_shop, widget, 60)
    assert (answer["reasons"][0] != "").all()


@pytest.mark.parametrize("order", [("recommend", "cross_sell", "similar"), ("similar", "recommend", "complete_cart")])
def test_each_widget_offers_what_it_would_alone_without_what_stands_before_it(served_shop, world, order):  # noqa: F811
    answer = served_shop.answer("page", **ASKER, widgets=np.array([order]), widget_sizes=sizes(4, 5, 60))
    page, taken = by_widget(answer), set()
    for name, size in zip(order, (4, 5, 60), strict=True):
        left = [item for item in alone(served_shop, name, 60) if world.product[item] not in taken]
        assert page[name] == left[:size]
        taken |= {world.product[item] for item in page[name]}


def test_sizes_are_those_of_the_widgets_and_else_k(served_shop):
    widgets = np.array([["", "cross_sell", "recommend", "similar"]])  # as on the wire, with padding in front
    answer = served_shop.answer("page", **ASKER, widgets=widgets, widget_sizes=sizes(0, 2, 0, 3), k=sizes(4)[0])
    assert {name: len(items) for name, items in by_widget(answer).items()} == {
        "cross_sell": 2,
        "recommend": 4,
        "similar": 3,
    }


def test_a_page_without_widgets_is_the_standard_one(served_shop):
    usual = served_shop.answer("page", **ASKER)
    named = served_shop.answer("page", **ASKER, widgets=np.array([STANDARD_WIDGETS]))
    assert usual["item_ids"].tolist() == named["item_ids"].tolist()
    assert usual["widgets"].tolist() == named["widgets"].tolist()


def test_a_widget_named_twice_stands_once_and_an_unknown_one_not_at_all(served_shop):
    answer = served_shop.answer("page", **ASKER, widgets=np.array([["similar", "no such", "similar"]]), k=sizes(3)[0])
    assert answer["widgets"].tolist() == [["similar"] * 3]
    assert served_shop.answer("page", **ASKER, widgets=np.array([["no such"]]))["item_ids"].shape == (1, 0)


def test_huge_sizes_bring_the_whole_catalogue_once(served_shop, world):  # noqa: F811
    most = 2**31 - 1
    widgets = np.array([["recommend", "similar", "complete_cart"]])
    answer = served_shop.answer("page", **ASKER, widgets=widgets, widget_sizes=sizes(most, most, most))
    products = [world.product[item] for item in answer["item_ids"][0] if item]
    allowed = world.eligible("recommend", {name: value[0].tolist() for name, value in ASKER.items()})
    assert sorted(products) == sorted({world.product[item] for item in allowed})


@pytest.mark.slow
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(inputs=requests(size=6))
def test_whoever_gets_the_places_keeps_to_its_strategy_and_nothing_stands_twice(served_shop, world, inputs):  # noqa: F811
    inputs = fitting(served_shop, "page", {**inputs, "places_by": np.array(["margin", "incremental_margin"] * 3)})
    answer = served_shop.ask("page", **inputs)
    for at, row in enumerate(rows_of(inputs)):
        products = [world.product[item] for item in answer["item_ids"][at] if item]
        assert len(set(products)) == len(products)
        assert all(set(items) <= world.eligible(name, row) for name, items in by_widget(answer, at).items())
        assert ((answer["places"][at] > 0) == (answer["item_ids"][at] != "")).all()
        assert (np.diff(answer["places"][at][: len(products)]) >= 0).all()


UPSELL_PAGE = {
    "item_id": ["i21"],  # costs 22; its upgrades i30 and i39 cost 31 and 40
    "widgets": [["upsell", "cross_sell"]],
    "k": np.array([2], np.int32),
}
PAIRS = {"i30": 0.2, "i39": 0.1, "i16": 0.3, "i33": 0.31, "i14": 0.1, "i31": 0.08}


def places_of(answer, row=0):
    """(number of the place's widget, widget that offers, items)."""
    found = {}
    for place, name, item in zip(answer["places"][row], answer["widgets"][row], answer["item_ids"][row], strict=True):
        if item:
            found.setdefault((int(place), str(name)), []).append(str(item))
    return found


def test_places_go_to_the_widget_whose_offers_bring_most(known_shop):
    """Upgrades bring .2 · 9 + .1 · 18 beyond the anchor; complements .31 · 34 + .3 · 17, then .08 · 32 + .1 · 15."""
    usual = places_of(known_shop.answer("page", PAIRS, **UPSELL_PAGE))
    assert usual == {(1, "upsell"): ["i30", "i39"], (2, "cross_sell"): ["i33", "i16"]}
    given = places_of(known_shop.answer("page", PAIRS, **UPSELL_PAGE, places_by=["margin"]))
    assert set(given[1, "cross_sell"]) == {"i33", "i16"} and set(given[2, "cross_sell"]) == {"i31", "i14"}
    assert len(given) == 2


def test_the_widget_keeps_places_that_no_other_brings_more_for(known_shop):
    likely = {**PAIRS, "i30": 0.7, "i39": 0.6, "i33": 0.2, "i16": 0.1}
    given = places_of(known_shop.answer("page", likely, **UPSELL_PAGE, places_by=["margin"]))
    assert set(given) == {(1, "upsell"), (2, "cross_sell")}


def test_reasons_are_those_of_the_widget_that_offers(known_shop):
    answer = known_shop.answer("page", PAIRS, **UPSELL_PAGE, places_by=["margin"])
    assert "upgrade_of" not in answer["reasons"][0]
    cross_sell = known_shop.answer("cross_sell", PAIRS, item_id=["i21"], k=np.array([10], np.int32))
    reasons = dict(zip(cross_sell["item_ids"][0], cross_sell["reasons"][0], strict=True))
    assert answer["reasons"][0].tolist() == [reasons[item] for item in answer["item_ids"][0]]


def test_each_row_of_a_batch_has_its_places_as_it_asks(known_shop):
    both = {**UPSELL_PAGE, "item_id": ["i21", "i21"], "widgets": UPSELL_PAGE["widgets"] * 2}
    answer = known_shop.answer("page", PAIRS, **both, places_by=["widget", "margin"])
    assert set(places_of(answer, 0)) == {(1, "upsell"), (2, "cross_sell")}
    assert set(places_of(answer, 1)) == {(1, "cross_sell"), (2, "cross_sell")}
    assert answer["reasons"][0].tolist()[:2] == ["upgrade_of"] * 2 and "upgrade_of" not in answer["reasons"][1]


NEEDS = {"i53": 0.3, "i44": 0.3, "i14": 0.5}
"""Cost 54, 45 and 15. The first two are of one leaf category, and the only candidates of it."""


def page_of_needs(known_shop, chances, *widgets, sizes, places_by):
    """A page of i21, whose candidates are known where the last widget takes all that there are."""
    asked = {"item_id": ["i21"], "widgets": [widgets], "widget_sizes": np.array([sizes], np.int32)}
    return known_shop.answer("page", chances, **asked, places_by=[places_by])


def test_a_need_that_is_met_leaves_its_place_to_another(known_shop):
    """i44 alone is worth more than i14; beside i53, which half take who want the category, it is worth less."""
    page = page_of_needs(known_shop, NEEDS, "recommend", sizes=[60], places_by="margin")
    assert page["item_ids"][0, :3].tolist() == ["i53", "i14", "i44"]
    assert page["scores"][0, :3] == pytest.approx([0.6 * 0.5 * 54, 0.5 * 15, 0.6 * 0.5 * 0.5 * 45], rel=0.01)
    assert page["probabilities"][0, :3] == pytest.approx([0.3, 0.5, 0.3])


def test_what_stands_above_on_the_page_has_met_its_need(known_shop):
    page = page_of_needs(known_shop, NEEDS, "cross_sell", "recommend", sizes=[1, 60], places_by="margin")
    assert page["item_ids"][0, :3].tolist() == ["i53", "i14", "i44"]
    assert page["places"][0, :3].tolist() == [1, 2, 2]


def test_a_dear_item_stands_before_a_likelier_one_by_margin_alone(known_shop):
    chances = {"i40": 0.1, "i2": 0.3}
    for by, order in (("margin", ["i40", "i2"]), ("purchase", ["i2", "i40"]), ("widget", ["i2", "i40"])):
        page = page_of_needs(known_shop, chances, "recommend", sizes=[60], places_by=by)
        assert page["item_ids"][0, :2].tolist() == order


def test_a_boost_raises_what_an_item_is_expected_to_earn(known_shop):
    known_shop.put_rules(MerchandisingRule("boost", "it must go", ("i14",), factor=10.0))
    try:
        boosted = page_of_needs(known_shop, NEEDS, "recommend", sizes=[60], places_by="margin")
    finally:
        known_shop.put_rules()
    usual = page_of_needs(known_shop, NEEDS, "recommend", sizes=[60], places_by="margin")
    assert (boosted["item_ids"][0, 0], usual["item_ids"][0, 0]) == ("i14", "i53")


def test_stand_ins_keep_their_order_where_places_go_by_margin(served_shop):
    usual, by_margin = (
        served_shop.answer("page", **ASKER, widgets=np.array([["similar"]]), places_by=np.array([by]))
        for by in ("widget", "margin")
    )
    assert usual["item_ids"].tolist() == by_margin["item_ids"].tolist()
