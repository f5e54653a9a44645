"""`CandidateSlate`: the in-graph slate that every strategy takes and returns."""

from typing import NamedTuple

import tensorflow as tf

from tfrec.models.rows import ascending_order, is_in
from tfrec.models.size_of import size_of

_NO_PREDICTION = 1e-4  # probability of what fills a slate in which nothing else stands


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


class Chosen(NamedTuple):
    """What stands in slates.

    Attributes:
        slate: `[B, k]` items, best first.
        threshold_set: `[B, k]` int32 number of the set, from 1, that brings the cart to its threshold and that the item
            belongs to; 0 = none.
    """

    slate: CandidateSlate
    threshold_set: tf.Tensor


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
    by_item = ascending_order(slate.item)
    score = tf.gather(slate.score, by_item, batch_dims=1)
    score, place = tf.math.top_k(score, width)
    chosen = tf.gather(by_item, place, batch_dims=1)
    inside = (tf.range(width)[None, :] < k[:, None]) & (score > -float("inf"))
    best = CandidateSlate(
        item=tf.gather(slate.item, chosen, batch_dims=1),
        score=score,
        probability=tf.gather(slate.probability, chosen, batch_dims=1),
    )
    return with_gaps(best, stays=inside)


def with_gaps(slate: CandidateSlate, *, stays: tf.Tensor) -> CandidateSlate:
    """Returns the slate with no item in each place where `stays [B, C]` is not set."""
    return CandidateSlate(
        item=tf.where(stays, slate.item, 0),
        score=tf.where(stays, slate.score, -float("inf")),
        probability=tf.where(stays, slate.probability, 0.0),
    )


def as_wide(slate: CandidateSlate, width: tf.Tensor | int) -> CandidateSlate:
    """Returns the first `width` columns of the slate, with gaps behind it where it has fewer."""
    missing = [[0, 0], [0, tf.maximum(width - size_of(slate.item, 1), 0)]]
    return CandidateSlate(
        item=tf.pad(slate.item, missing)[:, :width],
        score=tf.pad(slate.score, missing, constant_values=-float("inf"))[:, :width],
        probability=tf.pad(slate.probability, missing)[:, :width],
    )


def put_first(slate: CandidateSlate, *, is_first: tf.Tensor) -> CandidateSlate:
    """Returns the slate with some items before all else, each part in the order of its scores.

    Scores of the others are lowered by what keeps the parts apart. Rows with one part alone stay as they are.

    Args:
        slate: candidates in any order.
        is_first: `[B, C]` bool.

    Examples:
        >>> slate = CandidateSlate(
        ...     item=tf.constant([[1, 2, 3]]), score=tf.constant([[3.0, 1.0, 2.0]]), probability=tf.zeros([1, 3])
        ... )
        >>> put_first(slate, is_first=tf.constant([[False, True, False]])).score.numpy()
        array([[ 0.,  1., -1.]], dtype=float32)
    """
    is_item = slate.score > -float("inf")
    largest, least = slate.score.dtype.max, slate.score.dtype.min
    lowest = tf.reduce_min(tf.where(is_first & is_item, slate.score, largest), axis=1, keepdims=True)
    highest = tf.reduce_max(tf.where(~is_first & is_item, slate.score, least), axis=1, keepdims=True)
    distance = tf.where((lowest < largest) & (highest > least), tf.maximum(highest - lowest + 1.0, 0.0), 0.0)
    score = tf.where(is_first | ~is_item, slate.score, slate.score - distance)
    return CandidateSlate(item=slate.item, score=score, probability=slate.probability)


def before(first: CandidateSlate, then: CandidateSlate, *, k: tf.Tensor) -> CandidateSlate:
    """Returns the first `k [B]` items of one slate with those of another behind it, without gaps between them.

    Args:
        first: `[B, n]`, best first.
        then: `[B, C]`, best first; its scores are lowered where they must be.
        k: `[B]` int32, each row's own.

    Examples:
        >>> first, then = (
        ...     CandidateSlate(item=tf.constant([item]), score=tf.constant([score]), probability=tf.zeros([1, 2]))
        ...     for item, score in (([7, 0], [1.0, -float("inf")]), ([5, 2], [4.0, 3.0]))
        ... )
        >>> both = before(first, then, k=tf.constant([3]))
        >>> both.item.numpy(), both.score.numpy()
        (array([[7, 5, 2]], dtype=int32), array([[ 1.,  0., -1.]], dtype=float32))
    """
    both = tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=1), first, then, expand_composites=True)
    column = tf.range(size_of(both.item, 1))[None, :]
    both = put_first(both, is_first=tf.broadcast_to(column < size_of(first.item, 1), tf.shape(both.item)))
    order = ascending_order(tf.cast(tf.equal(both.item, 0), tf.int32))
    order = order[:, : tf.reduce_max(tf.concat([k, [0]], axis=0))]
    both = tf.nest.map_structure(lambda part: tf.gather(part, order, batch_dims=1), both, expand_composites=True)
    return with_gaps(both, stays=column[:, : size_of(order, 1)] < k[:, None])


def rows_where(condition: tf.Tensor, chosen: CandidateSlate, other: CandidateSlate) -> CandidateSlate:
    """Returns rows of one slate where `condition [B]`, else of the other; both are `[B, C]`."""
    names = CandidateSlate.__annotations__
    parts = {name: tf.where(condition[:, None], getattr(chosen, name), getattr(other, name)) for name in names}
    return CandidateSlate(**parts)


def followed_by(slate: CandidateSlate, items: tf.Tensor) -> CandidateSlate:
    """Returns `[B, k + n]`: the slate, and behind it those of `items [B, n]` that it does not hold, in their order.

    They stand behind the slate with falling scores below its own, and with its least probability: none was predicted.

    Args:
        slate: `[B, k]`.
        items: int32, each once; 0 = none.
    """
    is_wanted, is_item = (items > 0) & ~is_in(items, slate.item), slate.item > 0
    lowest = tf.reduce_min(tf.where(is_item, slate.score, tf.float32.max), axis=1, keepdims=True)
    lowest = tf.where(lowest < tf.float32.max, lowest, 0.0)
    least = tf.reduce_min(tf.where(is_item, slate.probability, 1.0), axis=1, keepdims=True)
    least = tf.where(least < 1.0, least, _NO_PREDICTION)
    behind = lowest - 1.0 - tf.cast(tf.range(size_of(items, 1)), tf.float32)[None, :]
    return CandidateSlate(
        item=tf.concat([slate.item, tf.where(is_wanted, items, 0)], axis=1),
        score=tf.concat([slate.score, tf.where(is_wanted, behind, -float("inf"))], axis=1),
        probability=tf.concat([slate.probability, tf.where(is_wanted, least, 0.0)], axis=1),
    )
