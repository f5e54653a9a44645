"""Re-ranks a slate for variety: by content, over categories, by interests not yet explored, or by the user's mix."""

import tensorflow as tf

from tfrec.models.graph_tables import rows_of_table
from tfrec.models.size_of import size_of
from tfrec.schema.inputs import VARIETIES
from tfrec.strategy.candidate_slate import CandidateSlate, top
from tfrec.strategy.config import VarietyConfig

_RANDOM, _UNEXPLORED, _CALIBRATED = (VARIETIES.index(name) + 1 for name in ("random", "unexplored", "calibrated"))
_SMOOTHING = 0.01  # share of the user's own mix in that of the slate, so that no category is missing (Steck 2018)
_32_BITS, _MIX = 0xFFFF_FFFF, ((16, 0x85EB_CA6B), (13, 0xC2B2_AE35))  # the last steps of MurmurHash3
_NO_ITEM = -1e8  # value of a gap: below every item, whatever the trade-off


class Tastes(tf.experimental.ExtensionType):
    """What kinds of variety other than by content need.

    Attributes:
        kind: `[B]` int32 place in `schema.signatures.VARIETIES`, from 1; 0 = by content.
        interests: `[B, P]` float32 times that the user bought of each top category.
        seed: `[B]` int32; rows of equal seed have their categories in the same random order.
    """

    kind: tf.Tensor
    interests: tf.Tensor
    seed: tf.Tensor


def maximal_marginal_relevance(
    slate: CandidateSlate,
    *,
    k: tf.Tensor,
    trade_off: tf.Tensor,
    vectors: tf.Tensor,
    categories: tf.Tensor | None = None,
    tastes: Tastes | None = None,
    config: VarietyConfig = VarietyConfig(),
) -> CandidateSlate:
    """Returns the best `k` by maximal marginal relevance (Carbonell & Goldstein 1998), best first.

    Position by position the item with the greatest `(1 − trade_off)·relevance − trade_off·penalty` is taken; relevance
    is the score scaled to [0, 1] over the row's best `config.pool` candidates. Rows with `trade_off` 0 keep their order
    by score, and so do all rows beyond the pool. The penalty is

    - by content: the greatest similarity to what is chosen;
    - `random`: `1 − 1 / (1 + n + u)`, n items chosen of the same top category, u that category's random number: one
      item of each category, the categories in random order;
    - `unexplored`: `1 − (1 − e) / (1 + n)`, e what the user bought of the category over what they bought of their
      first: categories of which they have bought nothing come first;
    - `calibrated`: the divergence `KL(user's mix of categories ‖ the slate's)` with the item in it (Steck 2018,
      equations 3 to 7), 1 at most: the slate has the user's own mix. Of a user without purchases: by
      content.

    The scores of the result are the row's own scores sorted, so that they descend along the row.

    Args:
        slate: candidates in any order.
        k: `[B]` int32.
        trade_off: `[B]` float32 in [0, 1]; values outside are clipped, NaN is 0.
        vectors: `[N + 1, c]` unit vectors; their inner product is the similarity of two items.
        categories: `[N + 1, depth]` int32 index of the category path at each level, the top first; 0 = unknown.
        tastes: other kinds of variety, which need categories too; None = by content.
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
        tf.reduce_any(trade_off > 0) & (size_of(best.item, 1) > 0),
        lambda: _rerank(slate, k, tf.clip_by_value(trade_off, 0.0, 1.0), vectors, categories, tastes, config.pool),
        lambda: best,
    )


def _rerank(
    slate: CandidateSlate,
    k: tf.Tensor,
    trade_off: tf.Tensor,
    vectors: tf.Tensor,
    categories: tf.Tensor | None,
    tastes: Tastes | None,
    most: int,
) -> CandidateSlate:
    pool = top(slate, k=tf.maximum(k, most))
    size = tf.shape(pool.item)
    pool_width = tf.minimum(most, size[1])
    steps = tf.minimum(tf.reduce_max(k), pool_width)
    is_item = pool.item[:, :pool_width] > 0
    score = pool.score[:, :pool_width]
    highest = tf.reduce_max(tf.where(is_item, score, -1e9), axis=1, keepdims=True)
    lowest = tf.reduce_min(tf.where(is_item, score, 1e9), axis=1, keepdims=True)
    relevance = tf.where(is_item, (score - lowest) / tf.maximum(highest - lowest, 1e-6), 0.0)
    vector = rows_of_table(vectors, pool.item[:, :pool_width])
    # Items described alike tie, and the better one is taken: rounding, which differs with the size of the batch, must
    # not choose.
    similarity = tf.round(tf.matmul(vector, vector, transpose_b=True) * 1e4) / 1e4  # [B, P, P]
    weight = trade_off[:, None]

    category = tf.zeros_like(pool.item[:, :pool_width])
    if categories is not None:
        category = tf.gather(categories, pool.item[:, :pool_width])[..., 0]

    def step(
        position: tf.Tensor, free: tf.Tensor, closest: tf.Tensor, same: tf.Tensor, order: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.TensorArray]:
        penalty = closest if tastes is None else _penalty(tastes, category, closest, same, free, position)
        value = (1.0 - weight) * relevance - weight * penalty
        value = tf.where(is_item, value, _NO_ITEM)
        place = tf.argmax(tf.where(free, value, 2 * _NO_ITEM), axis=1, output_type=tf.int32)
        taken = tf.one_hot(place, pool_width, on_value=True, off_value=False, dtype=tf.bool)
        closest = tf.maximum(closest, tf.gather(similarity, place, batch_dims=1, axis=1))
        same += tf.cast(tf.equal(category, tf.gather(category, place, batch_dims=1)[:, None]), tf.float32)
        return position + 1, free & ~taken, closest, same, order.write(position, place)

    nothing = tf.zeros_like(relevance)
    _, free, _, _, order = tf.while_loop(
        lambda position, *_: position < steps,
        step,
        (0, tf.ones_like(is_item), nothing, nothing, tf.TensorArray(tf.int32, size=steps)),
    )
    chosen = tf.transpose(order.stack())  # [B, steps]
    left = tf.argsort(tf.where(free, tf.range(pool_width)[None, :], pool_width), axis=1)[:, : pool_width - steps]
    behind = tf.broadcast_to(tf.range(pool_width, size[1])[None, :], [size[0], size[1] - pool_width])
    place = tf.concat([chosen, left, behind], axis=1)[:, : tf.reduce_max(k)]
    inside = tf.range(size_of(place, 1))[None, :] < k[:, None]
    item = tf.where(inside, tf.gather(pool.item, place, batch_dims=1), 0)
    scores = tf.where(inside, tf.gather(pool.score, place, batch_dims=1), -float("inf"))
    return CandidateSlate(
        item=item,
        score=tf.sort(scores, axis=1, direction="DESCENDING"),
        probability=tf.where(inside, tf.gather(pool.probability, place, batch_dims=1), 0.0),
    )


def _penalty(
    tastes: Tastes, category: tf.Tensor, closest: tf.Tensor, same: tf.Tensor, free: tf.Tensor, number: tf.Tensor
) -> tf.Tensor:
    """Returns `[B, C]` penalties in [0, 1] of each kind of variety.

    Args:
        tastes: kinds and what they need.
        category: `[B, C]` int32 of the candidates.
        closest: `[B, C]` greatest similarity to what is chosen.
        same: `[B, C]` number of items chosen of the candidate's category.
        free: `[B, C]` bool: not chosen.
        number: items chosen.
    """
    kind, interests = tastes.kind[:, None], tastes.interests
    drawn = _drawn(tf.cast(category, tf.int64), tf.cast(tastes.seed, tf.int64)[:, None])
    first = tf.reduce_max(interests, axis=1, keepdims=True)
    explored = tf.gather(interests, category, batch_dims=1) / tf.maximum(first, 1.0)
    penalty = tf.where(tf.equal(kind, _RANDOM), 1.0 - 1.0 / (1.0 + same + drawn), closest)
    penalty = tf.where(tf.equal(kind, _UNEXPLORED), 1.0 - (1.0 - explored) / (1.0 + same), penalty)
    divergence = _divergence(interests, category, same, free, tf.cast(number, tf.float32))
    return tf.where(tf.equal(kind, _CALIBRATED) & (first > 0), divergence, penalty)


def _drawn(category: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns float32 numbers in [0, 1) that are random, and the same for equal categories and seeds, int64 each."""
    bits = (category * 0x9E37_79B9 + seed * 0x7FEB_352D) & _32_BITS
    for shift, factor in _MIX:
        bits = (tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, shift)) * factor) & _32_BITS
    return tf.cast(tf.bitwise.right_shift(bits, 8), tf.float32) / 2.0**24


def _divergence(
    interests: tf.Tensor, category: tf.Tensor, same: tf.Tensor, free: tf.Tensor, number: tf.Tensor
) -> tf.Tensor:
    """Returns `[B, C]` divergences of the slate with each candidate from the user's mix, 1 at most."""
    own = interests / tf.maximum(tf.reduce_sum(interests, axis=1, keepdims=True), 1.0)  # [B, P]

    def term(own: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        mix = (1.0 - _SMOOTHING) * chosen / (number + 1.0) + _SMOOTHING * own
        return tf.math.xlogy(own, tf.maximum(mix, 1e-12))

    size, width = size_of(own), size_of(own, 1)
    segment = tf.reshape(category + tf.range(size)[:, None] * width, [-1])
    counts = tf.math.unsorted_segment_sum(tf.reshape(tf.cast(~free, tf.float32), [-1]), segment, size * width)
    base = tf.reduce_sum(term(own, tf.reshape(counts, [size, width])), axis=1, keepdims=True)
    its = tf.gather(own, category, batch_dims=1)
    divergence = tf.reduce_sum(tf.math.xlogy(own, own), axis=1, keepdims=True) - (
        base - term(its, same) + term(its, same + 1.0)
    )
    return tf.clip_by_value(divergence, 0.0, 1.0)
