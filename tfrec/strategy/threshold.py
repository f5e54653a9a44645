"""Puts forward what alone brings a cart to a threshold (free shipping), in the order of the expected margin."""

import tensorflow as tf

from tfrec.strategy.candidate_slate import CandidateSlate
from tfrec.strategy.config import ThresholdConfig

_ROUNDED = 1.0001  # what is lacking is not exact in 32 bits, and a price of just so many times counts
_NO_MARGIN = 1e-30  # stands for what earns nothing where scores are logarithms


def within_reach(price: tf.Tensor, *, gap: tf.Tensor, config: ThresholdConfig = ThresholdConfig()) -> tf.Tensor:
    """Returns `[B, C]` bool: the item alone brings what the cart lacks, and not much more.

    Args:
        price: `[B, C]` or `[1, C]` float32; 0 = unknown.
        gap: `[B]` float32 amount that the cart lacks; 0 or less = none.
        config: says how much more.

    Examples:
        >>> within_reach(tf.constant([[4.0, 5.0, 10.0, 11.0]]), gap=tf.constant([5.0])).numpy()
        array([[False,  True,  True, False]])
    """
    gap = gap[:, None]
    return (gap > 0) & (price >= gap) & (price <= most_of(gap, config=config))


def most_of(gap: tf.Tensor, *, config: ThresholdConfig) -> tf.Tensor:
    """Returns the dearest price that is put forward where a cart lacks `gap`, of the same shape."""
    return gap * config.max_gap_ratio * _ROUNDED


def by_expected_margin(
    slate: CandidateSlate, *, is_near: tf.Tensor, profit: tf.Tensor, has_log_scores: bool
) -> CandidateSlate:
    """Returns the slate with the expected margin as the score of what is near; the others stay as they are.

    The expected margin is the probability that the item is taken times the profit of its sale.

    Args:
        slate: candidates in any order.
        is_near: `[B, C]` bool.
        profit: `[N + 1]` float32, what a sale earns.
        has_log_scores: the scores are on a logarithmic scale; then it is the logarithm.

    Examples:
        >>> slate = CandidateSlate(
        ...     item=tf.constant([[1, 2]]), score=tf.constant([[3.0, 1.0]]), probability=tf.constant([[0.5, 0.2]])
        ... )
        >>> near, profits = tf.constant([[False, True]]), tf.constant([0.0, 9.0, 10.0])
        >>> by_expected_margin(slate, is_near=near, profit=profits, has_log_scores=False).score.numpy()
        array([[3., 2.]], dtype=float32)
    """
    margin = slate.probability * tf.gather(profit, slate.item)
    if has_log_scores:
        margin = tf.math.log(tf.maximum(margin, _NO_MARGIN))
    score = tf.where(is_near & (slate.score > -float("inf")), margin, slate.score)
    return CandidateSlate(item=slate.item, score=score, probability=slate.probability)
