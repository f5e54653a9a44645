"""What every answer of a served baseline keeps to: the guarantees of the trained funnel, word for word."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.strategy.served_shop import ServedShop, tiny_shop
from tests.strategy.test_funnel import SLATES, World, fitting, requests
from tests.strategy.test_funnel import (
    test_a_request_in_a_batch_is_answered_as_alone_and_again as check_alone_and_again,
)
from tests.strategy.test_funnel import test_every_answer_is_allowed_complete_and_in_order as check_answers


@pytest.fixture(scope="module")
def served_baseline():
    from tfrec.jobs.fallback import fit_baseline
    from tfrec.training.export import build_served_baseline

    shop = tiny_shop()
    return ServedShop(shop, build_served_baseline(shop, fit_baseline(shop, "ease_personal")))


@pytest.mark.parametrize("signature", SLATES)
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(inputs=requests(size=8))
def test_every_answer_is_allowed_complete_and_in_order(served_baseline, signature, inputs):
    check_answers.hypothesis.inner_test(served_baseline, World(served_baseline.shop), signature, inputs)


@pytest.mark.parametrize("signature", SLATES)
@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(inputs=requests(size=4))
def test_a_request_in_a_batch_is_answered_as_alone(served_baseline, signature, inputs):
    check_alone_and_again.hypothesis.inner_test(served_baseline, signature, inputs)


def test_variety_is_sought_where_it_is_asked_for(served_baseline):
    """With all weight on variety, the ten are not the ten best."""
    asked = {"cart_item_ids": np.array([["i3", "i4"]]), "k": np.array([10], np.int32)}
    plain = served_baseline.ask("complete_cart", **fitting(served_baseline, "complete_cart", asked))
    varied = served_baseline.ask("complete_cart", diversity=np.array([1.0], np.float32), **asked)
    category = World(served_baseline.shop).category
    kinds = [len({category[item] for item in answer["item_ids"][0]}) for answer in (plain, varied)]
    assert kinds[1] > kinds[0] or plain["item_ids"].tolist() != varied["item_ids"].tolist()


def test_what_the_requests_events_hold_is_no_cross_sell(served_baseline):
    """A baseline's scores know stored users alone, but new to the user means new by the request's events too."""
    asked = {"cart_item_ids": np.array([["", "i4"]]), "k": np.array([40], np.int32)}
    of_guest = [name for name in served_baseline.ask("cross_sell", **asked)["item_ids"][0] if name]
    history = {"history_item_ids": np.array([["", *of_guest[:3]]])}
    of_buyer = served_baseline.ask("cross_sell", **asked, **history)["item_ids"][0].tolist()
    assert [name for name in of_buyer if name] == of_guest[3:]
    stored = served_baseline.ask("cross_sell", user_id=np.array(["u1"]), **asked)
    assert set(of_guest) & set(stored["item_ids"][0]) != set(of_guest)
