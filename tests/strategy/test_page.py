"""Pages: every widget keeps to what its strategy allows, nothing stands twice, and the first named chooses first."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.strategy.test_funnel import fitting, requests, rows_of, world  # noqa: F401
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
    inputs = fitting(served_shop, "page", inputs)
    answer = served_shop.ask("page", **inputs)
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
