"""Finds the best of all items that may be offered, block by block: memory does not grow with the catalogue."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from tfrec.models.size_of import size_of
from tfrec.models.sources.shortlist import Shortlist, whole_catalogue

Score = Callable[[tf.Tensor], tf.Tensor]
"""Items `[1 or B, m]` → their scores `[B, m]`; `-inf` = not wanted."""
MayBe = Callable[[Shortlist], tf.Tensor]
"""Items of a list → which may be offered, `[B, L]` bool."""

_BLOCK = 8192  # items that are looked at at a time
_NOT_WANTED = -float("inf")


def best_items(
    scores: Sequence[Score],
    wanted: Sequence[tf.Tensor],
    may_be: MayBe,
    *,
    num_rows: int,
    order: tf.Tensor | None = None,
) -> list[tf.Tensor]:
    """Returns for each score `[B, m]` int32: the items that may be offered with the highest, best first; 0 = none.

    Equal scores go by the smaller item, as in a pass over all items at once.

    Args:
        scores: by which items are chosen.
        wanted: `[B]` int32 of each score how many are wanted.
        may_be: which items may be offered.
        num_rows: items of the catalogue, with padding.
        order: `[num_rows - 1]` int32 the items in falling order of the scores: as soon as each row has what it wants,
            the others are not looked at. None = in order of the catalogue.
    """
    wanted = [tf.minimum(number, num_rows) for number in wanted]
    if num_rows <= _BLOCK:
        every = whole_catalogue(num_rows)
        eligible = may_be(every) & (every.item > 0)
        pairs = zip(scores, wanted, strict=True)
        return [strongest(score(every.item), every.item, eligible, number) for score, number in pairs]
    size = size_of(wanted[0])
    widths = [_most(number) for number in wanted]

    def is_open(start: tf.Tensor, best: list[tf.Tensor], found: list[tf.Tensor]) -> tf.Tensor:
        is_left = start < num_rows - 1
        if order is None:
            return is_left
        has = [tf.reduce_sum(tf.cast(one > _NOT_WANTED, tf.int32), axis=1) for one in best]
        lacks = [tf.reduce_any(one < number) for one, number in zip(has, wanted, strict=True)]
        return is_left & tf.reduce_any(tf.stack(lacks))

    def step(start: tf.Tensor, best: list[tf.Tensor], found: list[tf.Tensor]) -> tuple[tf.Tensor, ...]:
        place = start + tf.range(_BLOCK)
        item = place + 1 if order is None else tf.gather(order, tf.minimum(place, num_rows - 2))
        item = tf.sort(tf.where(place < num_rows - 1, item, 0))
        item = tf.broadcast_to(tf.pad(item, [[1, 0]])[None, :], [size, _BLOCK + 1])
        eligible = may_be(Shortlist(item, item)) & (item > 0)
        better = [
            _merged(mine, its, tf.where(eligible, score(item[:1]), _NOT_WANTED), item, width)
            for score, mine, its, width in zip(scores, best, found, widths, strict=True)
        ]
        return start + _BLOCK, [one for one, _ in better], [one for _, one in better]

    any_size, number = tf.TensorShape([None, None]), len(scores)
    _, best, found = tf.while_loop(
        is_open,
        step,
        (
            tf.constant(0),
            [tf.fill([size, width], _NOT_WANTED) for width in widths],
            [tf.zeros([size, width], tf.int32) for width in widths],
        ),
        shape_invariants=(tf.TensorShape([]), [any_size] * number, [any_size] * number),
        parallel_iterations=1,
    )
    return [_own_number(*one) for one in zip(best, found, wanted, strict=True)]


def strongest(score: tf.Tensor, items: tf.Tensor, eligible: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Returns `[B, m]` int32: the `eligible [B, M]` of `items [1 or B, M]` with the highest scores; 0 = none.

    `wanted [B]` of them, of equal ones the earlier.
    """
    score = tf.where(eligible, score, _NOT_WANTED)
    best, place = tf.math.top_k(score, tf.minimum(_most(wanted), size_of(score, 1)))
    item = tf.gather(tf.broadcast_to(items, tf.shape(score)), place, batch_dims=1)
    return _own_number(best, item, wanted)


def _merged(
    best: tf.Tensor, found: tf.Tensor, score: tf.Tensor, item: tf.Tensor, width: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the `width` best of `found [B, width]` and of a block `item [B, m]`, their scores before them."""
    best, place = tf.math.top_k(tf.concat([best, score], axis=1), width)
    return best, tf.gather(tf.concat([found, item], axis=1), place, batch_dims=1)


def _own_number(best: tf.Tensor, item: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Returns the items without those that are not wanted, and without those behind each row's own number."""
    return tf.where((best > _NOT_WANTED) & (tf.range(size_of(item, 1))[None, :] < wanted[:, None]), item, 0)


def _most(wanted: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(tf.concat([wanted, [0]], axis=0))
