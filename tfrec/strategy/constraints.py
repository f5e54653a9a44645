"""Applies the limits of a request to items: exclusions, categories, prices, stock."""

import tensorflow as tf


class Limits(tf.experimental.ExtensionType):
    """What a request allows.

    Attributes:
        excluded: `[B, n]` int32 items that must not be offered; 0 = padding.
        categories: `[B, m]` int32 category paths that are wanted, with all that is below; none = every category;
            -1 = a category that the shop does not have, which nothing can meet.
        min_price: `[B]` float32.
        max_price: `[B]` float32.
    """

    excluded: tf.Tensor
    categories: tf.Tensor
    min_price: tf.Tensor
    max_price: tf.Tensor


def eligible_items(limits: Limits, *, is_offered: tf.Tensor, price: tf.Tensor, category_paths: tf.Tensor) -> tf.Tensor:
    """Returns `[B, N + 1]` bool: the items that every answer to the request must be taken from.

    The mask is applied before candidates are chosen, so a filter never leaves a slate short while eligible items
    exist, and nothing filtered can come back.

    Args:
        limits: limits of each query.
        is_offered: `[N + 1]` bool: known, on sale, in stock.
        price: `[N + 1]` float32; an item of unknown price (0) passes only while no price limit is set.
        category_paths: `[N + 1, depth]` int32 index of the item's category path at each level.

    Examples:
        Of two items the query excludes the first, and a price limit leaves out what is dearer than 20:

        >>> limits = Limits(
        ...     excluded=tf.constant([[1]]), categories=tf.zeros([1, 0], tf.int32),
        ...     min_price=tf.constant([0.0]), max_price=tf.constant([20.0]),
        ... )
        >>> eligible_items(
        ...     limits, is_offered=tf.constant([False, True, True, True]), price=tf.constant([0.0, 5.0, 9.0, 30.0]),
        ...     category_paths=tf.zeros([4, 1], tf.int32),
        ... ).numpy()
        array([[False, False,  True, False]])
    """
    is_eligible = is_offered[None, :] & ~mark_items(limits.excluded, num_rows=tf.shape(price)[0])
    is_eligible &= (price[None, :] >= limits.min_price[:, None]) & (price[None, :] <= limits.max_price[:, None])
    has_band = (limits.min_price > 0) | (limits.max_price < float("inf"))
    is_eligible &= (price[None, :] > 0) | ~has_band[:, None]
    wants_categories = tf.reduce_any(tf.not_equal(limits.categories, 0), axis=1)

    def within() -> tf.Tensor:
        num_paths = tf.reduce_max(category_paths) + 1
        known = tf.where(limits.categories < num_paths, tf.maximum(limits.categories, 0), 0)
        is_wanted = mark_items(known, num_rows=num_paths)  # [B, paths], so that many categories cost what one does
        wanted = tf.reduce_any(tf.gather(is_wanted, category_paths, axis=1) & (category_paths > 0), axis=2)
        return is_eligible & (wanted | ~wants_categories[:, None])

    return tf.cond(tf.reduce_any(wants_categories), within, lambda: is_eligible)


def mark_items(items: tf.Tensor, *, num_rows: tf.Tensor) -> tf.Tensor:
    """Returns `[B, num_rows]` bool, True at the columns `items [B, n]` and at column 0.

    Examples:
        >>> mark_items(tf.constant([[2, 0], [1, 3]]), num_rows=tf.constant(4)).numpy()
        array([[ True, False,  True, False],
               [ True,  True, False,  True]])
    """
    size = tf.shape(items)[0]
    items = tf.pad(items, [[0, 0], [0, 1]])
    at = tf.reshape(items + tf.range(size)[:, None] * num_rows, [-1, 1])
    marks = tf.scatter_nd(at, tf.ones(tf.shape(at)[0], tf.int32), tf.reshape(size * num_rows, [1]))
    return tf.reshape(marks > 0, [size, num_rows])
