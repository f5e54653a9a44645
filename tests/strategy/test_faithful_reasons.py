"""A reason is faithful: taking its evidence out of the request lowers the score of what is offered."""

import numpy as np
import pytest

from tests.strategy.faithful import Shopper, count_falls
from tfrec.models.sources.registry import FEATURES
from tfrec.strategy.faithfulness import _LINEAR, _NEVER_BOUGHT, _ROOTS, _SIZES, falls_without


@pytest.fixture(scope="module")
def shoppers():
    rng = np.random.default_rng(1)
    names = np.array([f"i{number}" for number in range(50)])  # the others were never sold

    def some():
        return rng.choice(names, rng.integers(1, 4), replace=False).tolist()

    return [Shopper(some(), [some() for _ in range(rng.integers(1, 5))]) for _ in range(60)]


def test_most_offers_sink_without_the_evidence_of_their_reason(served_shop, shoppers):
    """Of a model of random weights, which lets evidence lower a score as often as raise it: without the check two of
    three would. The check looks at the features of the evidence alone; others change with it."""
    fallen, named = count_falls(
        lambda signature, inputs: served_shop.served.answer(signature, inputs), "complete_cart", shoppers, k=8
    )
    assert named.total() > 40
    assert fallen.total() / named.total() >= 0.9


class Weights:
    """Ranks by a weighted sum of some features."""

    def __init__(self, **weights):
        self._weights = np.array([weights.get(name, 0.0) for name in FEATURES], np.float32)

    def __call__(self, features, training=False):
        import tensorflow as tf

        return tf.reduce_sum(features * self._weights, axis=-1), features


def falls(weights, *, cart_left=0.25, history_left=0.25, **columns):
    import tensorflow as tf

    features = np.array([[[columns.get(name, 0.0) for name in FEATURES]]], np.float32)
    found = falls_without(
        Weights(**weights),
        tf.constant(features),
        cart_left=tf.constant([[cart_left]]),
        cart_size=tf.constant([2.0]),
        history_left=tf.constant([[history_left]]),
        num_own=tf.constant([3.0]),
    )
    return [round(float(fall[0, 0]), 4) for fall in found]


def test_falls_are_what_the_evidence_brings():
    """A quarter of the weight is left: half of its root."""
    assert falls({"cart_ease": 2.0}, cart_ease=4.0) == [0.0, 2.0 * (4 - 2), 0.0]
    assert falls({"cart_ease_relative": 2.0}, cart_ease_relative=1.0) == [0.0, 2.0 * 0.75, 0.0]
    assert falls({"history": 3.0}, history=2.0) == [0.0, 0.0, 3.0]
    assert falls({"history": -3.0}, history=2.0) == [0.0, 0.0, -3.0]
    assert falls({"own_count": 1.0, "own_age": -0.1}, own_count=1.5, own_age=2.0) == [2.0, 0.0, 0.0]
    assert falls({"cart_ease": 2.0}, cart_ease=4.0, cart_left=0.0) == [0.0, 8.0, 0.0]


def test_every_feature_of_the_evidence_is_named_as_the_sources_do():
    named = [*_NEVER_BOUGHT, *(name for kind in _ROOTS for name in (*_ROOTS[kind], *_LINEAR[kind], _SIZES[kind]))]
    assert set(named) <= set(FEATURES)
    from tfrec.models.sources.cart import Cart
    from tfrec.models.sources.history import History
    from tfrec.models.sources.own_items import OwnItems

    of_user = {"num_own", "num_orders", "is_guest", "price_to_user"}
    assert {*Cart.FEATURES, *History.FEATURES, *OwnItems.FEATURES} - of_user <= set(named)
