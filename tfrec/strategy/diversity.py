"""Re-ranks a slate for variety, so that similar items come later."""

import tensorflow as tf

from tfrec.strategy.candidate_slate import CandidateSlate, top
from tfrec.strategy.config import VarietyConfig

_NO_ITEM = -1e8  # value of a gap: below every item, whatever the trade-off


def maximal_marginal_relevance(
    slate: CandidateSlate,
    *,
    k: tf.Tensor,
    trade_off: tf.Tensor,
    vectors: tf.Tensor,
    config: VarietyConfig = VarietyConfig(),
) -> CandidateSlate:
    """Returns the best `k` by maximal marginal relevance (Carbonell & Goldstein 1998), best first.

    Position by position the item with the greatest `(1 − trade_off)·relevance − trade_off·max similarity to those
    chosen` is taken; relevance is the score scaled to [0, 1] over the row's best `config.pool` candidates. Rows with
    `trade_off` 0 keep their order by score, and so do all rows beyond the pool.

    The scores of the result are the row's own scores sorted, so that they descend along the row.

    Args:
        slate: candidates in any order.
        k: `[B]` int32.
        trade_off: `[B]` float32 in [0, 1]; values outside are clipped, NaN is 0.
        vectors: `[N + 1, c]` unit vectors; their inner product is the similarity of two items.
        config: size of the pool.

    Examples:
        Items 1 and 2 are alike, item 3 is not; with a trade-off of a half the second place goes to item 3:

        >>> slate = CandidateSlate(
        ...     item=tf.constant([[1, 2, 3]]), score=tf.constant([[1.0, 0.9, 0.5]]), probability=tf.zeros([1, 3])
        ... )
        >>> vectors = tf.constant([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> for trade_off in (0.0, 0.5):
        ...     best = maximal_marginal_relevance(
        ...         slate, k=tf.constant([2]), trade_off=tf.constant([trade_off]), vectors=vectors
        ...     )
        ...     print(best.item.numpy())
        [[1 2]]
        [[1 3]]
    """
    best = top(slate, k=k)
    trade_off = tf.where(tf.math.is_nan(trade_off), 0.0, trade_off)
    return tf.cond(
        tf.reduce_any(trade_off > 0) & (tf.shape(best.item)[1] > 0),
        lambda: _rerank(slate, k, tf.clip_by_value(trade_off, 0.0, 1.0), vectors, config.pool),
        lambda: best,
    )


def _rerank(slate: CandidateSlate, k: tf.Tensor, trade_off: tf.Tensor, vectors: tf.Tensor, most: int) -> CandidateSlate:
    pool = top(slate, k=tf.maximum(k, most))
    size = tf.shape(pool.item)
    pool_width = tf.minimum(most, size[1])
    steps = tf.minimum(tf.reduce_max(k), pool_width)
    is_item = pool.item[:, :pool_width] > 0
    score = pool.score[:, :pool_width]
    highest = tf.reduce_max(tf.where(is_item, score, -1e9), axis=1, keepdims=True)
    lowest = tf.reduce_min(tf.where(is_item, score, 1e9), axis=1, keepdims=True)
    relevance = tf.where(is_item, (score - lowest) / tf.maximum(highest - lowest, 1e-6), 0.0)
    vector = tf.gather(vectors, pool.item[:, :pool_width])
    # Items described alike tie, and the better one is taken: rounding, which differs with the size of the batch, must
    # not choose.
    similarity = tf.round(tf.matmul(vector, vector, transpose_b=True) * 1e4) / 1e4  # [B, P, P]
    weight = trade_off[:, None]

    def step(
        position: tf.Tensor, free: tf.Tensor, closest: tf.Tensor, order: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.TensorArray]:
        value = (1.0 - weight) * relevance - weight * closest
        value = tf.where(is_item, value, _NO_ITEM)
        place = tf.argmax(tf.where(free, value, 2 * _NO_ITEM), axis=1, output_type=tf.int32)
        taken = tf.one_hot(place, pool_width, on_value=True, off_value=False, dtype=tf.bool)
        closest = tf.maximum(closest, tf.gather(similarity, place, batch_dims=1, axis=1))
        return position + 1, free & ~taken, closest, order.write(position, place)

    _, free, _, order = tf.while_loop(
        lambda position, *_: position < steps,
        step,
        (0, tf.ones_like(is_item), tf.zeros_like(relevance), tf.TensorArray(tf.int32, size=steps)),
    )
    chosen = tf.transpose(order.stack())  # [B, steps]
    left = tf.argsort(tf.where(free, tf.range(pool_width)[None, :], pool_width), axis=1)[:, : pool_width - steps]
    behind = tf.broadcast_to(tf.range(pool_width, size[1])[None, :], [size[0], size[1] - pool_width])
    place = tf.concat([chosen, left, behind], axis=1)[:, : tf.reduce_max(k)]
    inside = tf.range(tf.shape(place)[1])[None, :] < k[:, None]
    item = tf.where(inside, tf.gather(pool.item, place, batch_dims=1), 0)
    scores = tf.where(inside, tf.gather(pool.score, place, batch_dims=1), -float("inf"))
    return CandidateSlate(
        item=item,
        score=tf.sort(scores, axis=1, direction="DESCENDING"),
        probability=tf.where(inside, tf.gather(pool.probability, place, batch_dims=1), 0.0),
    )
