"""What was shown and not clicked sinks, the more often the further; what was opened was not ignored."""

import dataclasses

import numpy as np
import pytest

from tfrec.features.fatigue import MOST

K = np.array([60], np.int32)


def ask(served_shop, signature="recommend", **inputs):
    fed = {"user_id": np.array(["u1"], object), "k": K}
    fed |= {name: np.array([value], object) for name, value in inputs.items()}
    answer = served_shop.served.answer(signature, fed)
    number = int((answer["item_ids"][0] != "").sum())
    return {name: value[0][:number] for name, value in answer.items()}


def place(answer, item):
    return answer["item_ids"].tolist().index(item)


def test_the_more_often_an_item_was_shown_the_further_it_sinks(served_shop):
    usual = ask(served_shop)
    first, second = usual["item_ids"][:2]
    places, scores = [], []
    for times in (0, 1, 3, 9):
        answer = ask(served_shop, shown_item_ids=["", *[first] * times])
        places.append(place(answer, first))
        scores.append(answer["scores"][places[-1]])
        assert sorted(answer["item_ids"]) == sorted(usual["item_ids"])  # nothing is lost
        others = [item for item in answer["item_ids"] if item != first]
        assert others == [item for item in usual["item_ids"] if item != first]
    assert places == sorted(places) and places[0] == 0 < places[-1]
    np.testing.assert_allclose(np.diff(scores), np.array([1, 2, 6]) * np.log(0.8), rtol=1e-3)
    assert second != first


def test_what_is_an_amount_is_multiplied(served_shop):
    usual = ask(served_shop, "upsell", item_id="i12")
    item = usual["item_ids"][0]
    answer = ask(served_shop, "upsell", item_id="i12", shown_item_ids=["", item, item])
    np.testing.assert_allclose(answer["scores"][place(answer, item)], usual["scores"][0] * 0.8**2, rtol=1e-4)


def test_what_was_opened_was_not_ignored(served_shop):
    first = ask(served_shop, recent_item_ids=["i3"])["item_ids"][0]
    seen = ask(served_shop, recent_item_ids=["i3", first])
    shown = ask(served_shop, recent_item_ids=["i3", first], shown_item_ids=["", first, first])
    assert shown["item_ids"].tolist() == seen["item_ids"].tolist()
    np.testing.assert_allclose(shown["scores"], seen["scores"], rtol=1e-5)


@pytest.mark.parametrize("shown", [["", "unknown", ""], ["i7"]], ids=["unknown", "not sold"])
def test_what_is_not_offered_changes_nothing(served_shop, shown):
    assert ask(served_shop, shown_item_ids=shown)["item_ids"].tolist() == ask(served_shop)["item_ids"].tolist()


def test_thousands_of_showings_count_as_the_most(served_shop):
    first = ask(served_shop)["item_ids"][0]
    most = ask(served_shop, shown_item_ids=[first] * MOST)
    endless = ask(served_shop, shown_item_ids=[first] * 5000)
    np.testing.assert_allclose(most["scores"], endless["scores"], rtol=1e-6)


def test_the_log_of_impressions_decides_where_it_can(served_shop):
    """Shoppers of this log never click what they were shown before."""
    from tests.features.test_fatigue import START, world

    shop = served_shop.shop
    shown = world(0.0, users=3000).assign(timestamp=START)
    assert shop.prepared.test_from > START

    class Logged(type(shop.prepared)):
        impressions = shown

    prepared = Logged(**{field.name: getattr(shop.prepared, field.name) for field in dataclasses.fields(shop.prepared)})
    learned = dataclasses.replace(shop, prepared=prepared).fatigue(0.8)
    assert learned[1] < 0.1 < shop.fatigue(0.8)[1] == np.float32(0.8)
