"""`CandidateSlate`: the in-graph slate that every strategy takes and returns."""

import tensorflow as tf


class CandidateSlate(tf.experimental.ExtensionType):
    """Candidates of a batch of queries with their scores.

    Attributes:
        item: `[B, C]` int32 item indices; 0 = no item.
        score: `[B, C]` float32; `-inf` where there is no item.
        probability: `[B, C]` float32; 0 where there is no item.
    """

    item: tf.Tensor
    score: tf.Tensor
    probability: tf.Tensor


def top(slate: CandidateSlate, *, k: tf.Tensor) -> CandidateSlate:
    """Returns the best `k` of each row, best first; equal scores go by the smaller item index.

    Args:
        slate: candidates in any order.
        k: `[B]` int32, each row's own; the result is `[B, max(k)]` wide at most, item 0 behind each row's end.

    Examples:
        >>> slate = CandidateSlate(
        ...     item=tf.constant([[5, 3, 9]]), score=tf.constant([[0.2, 0.7, 0.7]]), probability=tf.zeros([1, 3])
        ... )
        >>> top(slate, k=tf.constant([2])).item.numpy()
        array([[3, 9]], dtype=int32)
    """
    size = tf.shape(slate.item)
    width = tf.minimum(tf.maximum(tf.reduce_max(tf.concat([k, [0]], axis=0)), 0), size[1])
    # top_k prefers the earlier of two equal scores: put the smaller index first.
    by_item = tf.argsort(slate.item, axis=1)
    score = tf.gather(slate.score, by_item, batch_dims=1)
    score, place = tf.math.top_k(score, width)
    chosen = tf.gather(by_item, place, batch_dims=1)
    inside = (tf.range(width)[None, :] < k[:, None]) & (score > -float("inf"))
    return CandidateSlate(
        item=tf.where(inside, tf.gather(slate.item, chosen, batch_dims=1), 0),
        score=tf.where(inside, score, -float("inf")),
        probability=tf.where(inside, tf.gather(slate.probability, chosen, batch_dims=1), 0.0),
    )
