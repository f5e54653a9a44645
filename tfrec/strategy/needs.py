"""Estimates how likely an offer is taken where it is shown: a need, and how well the item meets it.

The probability of an item is that of a purchase among all that the shop sells. Who sees an item chooses among fewer: it
is taken if something of its category is wanted and it is liked better than what would be found otherwise. Two items of
a category meet one need, so that the second adds less (intent-aware diversity: Agrawal et al. 2009, "Diversifying
Search Results", IA-Select).
"""

from typing import NamedTuple

import tensorflow as tf

from tfrec.models.size_of import size_of

_LARGEST = 1.0 - 1e-6  # of an acceptance, so that its logarithm is finite


class Wanted(NamedTuple):
    """What candidates are taken for, `[B, C]` each.

    Attributes:
        need: probability that something of the item's category is taken.
        acceptance: probability that it is this item where it is shown.
    """

    need: tf.Tensor
    acceptance: tf.Tensor


def wanted(probability: tf.Tensor, chance: tf.Tensor, category: tf.Tensor) -> Wanted:
    """Returns the needs that candidates meet and how well they meet them.

    The need is the sum of `chance` over the candidates of a category, 1 at most. The acceptance is that of Luce's
    choice between the item and one of the others of its category, `p / (p + mean of the others' p)`; that of an item
    without others is 1. An item of no category is a need of its own.

    Args:
        probability: `[B, C]` float32 that the item is bought next; 0 where there is none.
        chance: `[B, C]` float32, the same or what the offer adds to it.
        category: `[B, C]` int32 leaf category; 0 = unknown.

    Examples:
        Items 1 and 2 are of one category, of which something is wanted with a probability of .4:

        >>> found = wanted(
        ...     tf.constant([[0.3, 0.1, 0.2]]), tf.constant([[0.3, 0.1, 0.2]]), tf.constant([[7, 7, 0]])
        ... )
        >>> found.need.numpy().round(2), found.acceptance.numpy().round(2)
        (array([[0.4, 0.4, 0.2]], dtype=float32), array([[0.75, 0.25, 1.  ]], dtype=float32))
    """
    is_item = tf.cast(probability > 0, tf.float32)
    total, needed, number = (_by_category(part, category, category) for part in (probability, chance, is_item))
    others = tf.maximum(total - probability, 0.0) / tf.maximum(number - 1.0, 1.0)
    is_known = category > 0
    acceptance = tf.math.divide_no_nan(probability, probability + others)
    return Wanted(
        need=tf.where(is_known, tf.minimum(needed, 1.0), chance),
        acceptance=tf.where(is_known, acceptance, is_item),
    )


def share_left(category: tf.Tensor, shown: tf.Tensor, acceptance: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]` float32: how likely a need is left by what is shown, `Π (1 − acceptance)` over its category.

    Args:
        category: `[B, C]` int32 leaf category of the candidates; 0 = unknown, whose need is always left.
        shown: `[B, n]` int32 leaf category of what is shown.
        acceptance: `[B, n]` float32 of what is shown.

    Examples:
        >>> left = share_left(tf.constant([[7, 8, 0]]), tf.constant([[7, 7, 0]]), tf.constant([[0.5, 0.2, 0.9]]))
        >>> left.numpy().round(2)
        array([[0.4, 1. , 1. ]], dtype=float32)
    """
    log = tf.where(shown > 0, tf.math.log1p(-tf.minimum(acceptance, _LARGEST)), 0.0)
    return tf.exp(_by_category(log, shown, category))


def values_at(items: tf.Tensor, values: tf.Tensor, wanted_items: tf.Tensor) -> tf.Tensor:
    """Returns `[B, n]` the values of `wanted_items [B, n]` in lists of `items [B, C]`; 0 where an item is not there.

    In memory that grows with C + n: a request decides how many items it asks for.

    Examples:
        >>> values_at(tf.constant([[5, 3]]), tf.constant([[0.5, 0.3]]), tf.constant([[3, 4, 5, 0]])).numpy()
        array([[0.3, 0. , 0.5, 0. ]], dtype=float32)
    """
    items, values = tf.pad(items, [[0, 0], [0, 1]]), tf.pad(values, [[0, 0], [0, 1]])  # C may be 0
    order = tf.argsort(items, axis=1)
    ascending = tf.gather(items, order, batch_dims=1)
    at = tf.minimum(tf.searchsorted(ascending, wanted_items), size_of(items, 1) - 1)
    is_there = tf.equal(tf.gather(ascending, at, batch_dims=1), wanted_items) & (wanted_items > 0)
    return tf.where(is_there, tf.gather(tf.gather(values, order, batch_dims=1), at, batch_dims=1), 0.0)


def _by_category(values: tf.Tensor, category: tf.Tensor, asked: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]` sums of `values [B, n]` over `category [B, n]`, at `asked [B, C]`."""
    size = size_of(category)
    every = tf.concat([tf.reshape(category, [-1]), tf.reshape(asked, [-1]), [0]], axis=0)
    width = tf.reduce_max(every) + 1
    row = tf.range(size)[:, None] * width
    total = tf.math.unsorted_segment_sum(tf.reshape(values, [-1]), tf.reshape(category + row, [-1]), size * width)
    return tf.gather(total, asked + row)
