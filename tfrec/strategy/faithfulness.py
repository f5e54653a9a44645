"""Checks reasons against the ranking model: an offer's score must fall where the evidence of its reason is taken away.

The features of the offers are changed as they would be without the evidence, and ranked again: one pass of the model
over the few items of an answer, whatever the number of candidates.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfrec.models.ranking import RankingModel
from tfrec.models.sources.registry import FEATURES

LEAST_FALL = 0.2
"""A reason is named where the score falls by more, in units of the ranking score (a logarithm of odds).

What is taken away changes other features too (the towers' vectors, the visit): a fall that hardly is one may be none
after all. On a demo shop 97.7 % of such offers sink without the evidence, 95.5 % where this is 0, 91.3 % unchecked.
"""

_ROOTS = {  # square roots of sums of weights
    "cart": ("cart_ease", "cart_ease_mean", "cart_best", "cart_recent", "cart_denoised", "cart_nearby"),
    "history": ("history",),
}
_LINEAR = {
    "cart": (
        *("cart_ease_relative", "cart_recent_relative", "cart_denoised_relative", "cart_nearby_relative"),
        *("complement", "complement_relative"),
    ),
    "history": ("history_relative",),
}
_SIZES = {"cart": "cart_size", "history": "num_own"}
_NEVER_BOUGHT = {
    **dict.fromkeys(("is_own", "own_count", "own_share", "own_habit", "own_habit_share", "own_slow_habit"), 0.0),
    **dict.fromkeys(("own_slow_habit_share", "own_slow_habit_relative", "own_fast_habit", "own_due"), 0.0),
    **dict.fromkeys(("own_orders", "own_orders_relative"), 0.0),
    **dict.fromkeys(("own_age", "own_orders_ago"), 7.0),
}
"""Features of an item that the user never bought, see `OwnItems`."""


class Falls(NamedTuple):
    """By how much the score of each offer falls without some evidence, `[B, k]` float32 each.

    Attributes:
        own: without the user's purchases of the item itself.
        cart: without the item of the cart that contributes most.
        history: without the item of the user's past that contributes most.
    """

    own: tf.Tensor
    cart: tf.Tensor
    history: tf.Tensor


def falls_without(
    ranking: RankingModel,
    features: tf.Tensor,
    *,
    cart_left: tf.Tensor,
    cart_size: tf.Tensor,
    history_left: tf.Tensor,
    num_own: tf.Tensor,
) -> Falls:
    """Returns by how much scores fall without the strongest evidence of each kind.

    Args:
        ranking: the ranking model.
        features: `[B, k, F]` of the offers.
        cart_left: `[B, k]` float32 share of the cart's weight that is left without its strongest item, in [0, 1].
        cart_size: `[B]` float32 items in the cart.
        history_left: `[B, k]` float32 the same of the user's past.
        num_own: `[B]` float32 items of the user's past.
    """
    never = tf.constant([_NEVER_BOUGHT.get(name, 0.0) for name in FEATURES])
    is_own = tf.constant(np.isin(FEATURES, list(_NEVER_BOUGHT)))
    left = tf.stack([cart_left, history_left])  # [2, B, k]
    number = tf.stack([cart_size, num_own])[:, :, None]
    fewer = tf.math.divide_no_nan(tf.math.log1p(tf.maximum(number - 1.0, 0.0)), tf.math.log1p(number))
    weakened = features * _factors(tf.sqrt(left), left, fewer)
    changed = tf.concat([features[None], tf.where(is_own, never, features)[None], weakened], axis=0)  # [4, B, k, F]
    whole, *without = tf.unstack(ranking(changed, training=False)[0], num=4)
    return Falls(*(whole - one for one in without))


def _factors(root: tf.Tensor, linear: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Returns `[2, B, k, F]` by what features are multiplied where some evidence of the cart, or of the past, is gone.

    Args:
        root: `[2, B, k]` of features that are square roots of sums of weights; likewise the others.
        linear: of features that weights count in as they are.
        size: `[2, B, 1]` of the number of items.
    """
    factors: tf.Tensor = 1.0
    for part, names in ((root, _ROOTS), (linear, _LINEAR), (size, _SIZES)):
        is_one = np.array([np.isin(FEATURES, names[kind]) for kind in ("cart", "history")], np.float32)
        factors += (part - 1.0)[..., None] * tf.constant(is_one)[:, None, None]
    return factors
