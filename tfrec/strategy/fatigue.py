"""Lets items sink that were shown to the shopper and not clicked."""

import tensorflow as tf

from tfrec.models.rows import latest
from tfrec.models.size_of import size_of
from tfrec.strategy.candidate_slate import CandidateSlate

_MOST_SHOWN = 500  # latest showings that are counted


def without_what_was_seen(shown: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
    """Returns `shown [B, n]` with 0 in place of what is among `seen [B, m]`: who opened its page did not ignore it.

    Examples:
        >>> without_what_was_seen(tf.constant([[3, 4, 3]]), tf.constant([[3, 0]])).numpy()
        array([[0, 4, 0]], dtype=int32)
    """
    shown = latest(shown, _MOST_SHOWN)
    is_seen = tf.reduce_any(tf.equal(shown[:, :, None], seen[:, None, :]), axis=2)
    return tf.where(is_seen, 0, shown)


def tired(slate: CandidateSlate, *, shown: tf.Tensor, left: tf.Tensor, is_amount: tf.Tensor) -> CandidateSlate:
    """Returns the slate with lower scores for what was shown before, once for each time.

    Args:
        slate: candidates in any order.
        shown: `[B, n]` int32 items, once for each time; 0 = padding.
        left: `[M + 1]` float32 what is left of the chance of a click after so many showings; more count as M.
        is_amount: `[B]` bool: the row's scores are amounts, which are multiplied by it; else logarithms, to which its
            own is added.

    Examples:
        Item 2 was shown twice:

        >>> slate = CandidateSlate(
        ...     item=tf.constant([[1, 2]]), score=tf.constant([[3.0, 4.0]]), probability=tf.constant([[0.3, 0.4]])
        ... )
        >>> left = tf.constant([1.0, 0.5, 0.25])
        >>> tired(slate, shown=tf.constant([[2, 2]]), left=left, is_amount=tf.constant([True])).score.numpy()
        array([[3., 1.]], dtype=float32)
    """
    is_it = tf.equal(slate.item[:, :, None], shown[:, None, :]) & (shown > 0)[:, None, :]
    times = tf.minimum(tf.reduce_sum(tf.cast(is_it, tf.int32), axis=2), size_of(left) - 1)
    share = tf.gather(left, times)
    amount = tf.where(slate.score > 0, slate.score * share, slate.score / share)
    score = tf.where(is_amount[:, None], tf.where(times > 0, amount, slate.score), slate.score + tf.math.log(share))
    return CandidateSlate(item=slate.item, score=score, probability=slate.probability * share)
