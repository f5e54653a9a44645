"""Operates on padded rows of item indices: latest, distinct, count, mean; and on table rows cut by splits."""

import tensorflow as tf

from tfrec.models.size_of import size_of


def rows_of(splits: tf.Tensor, user: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns `[B, M]` rows of the users' parts of a table, cut by `splits`, and which are theirs; row 0 where not."""
    start, stop = tf.gather(splits, user), tf.gather(splits, user + 1)
    most = tf.maximum(tf.reduce_max(tf.concat([stop - start, [0]], axis=0)), 1)
    at = start[:, None] + tf.range(most)[None, :]
    inside = at < stop[:, None]
    return tf.where(inside, at, 0), inside


def latest(items: tf.Tensor, most: int) -> tf.Tensor:
    """Returns the last `most` real items of each row `[B, n]`, padding moved to the front."""
    return tf.gather(items, latest_places(items, most), batch_dims=1)


def latest_places(items: tf.Tensor, most: int) -> tf.Tensor:
    """Returns `[B, most]` columns of these items, fewer where a row is shorter."""
    return ascending_order(tf.cast(items > 0, tf.int32))[:, -most:]


def count_items(items: tf.Tensor) -> tf.Tensor:
    """Returns `[B]` float32 numbers of real items."""
    return tf.reduce_sum(tf.cast(items > 0, tf.float32), axis=1)


def is_among(candidates: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]`: 1 where a candidate is one of `items [B, n]`."""
    items = tf.pad(tf.where(items > 0, items, -1), [[0, 0], [0, 1]], constant_values=-1)  # n may be 0
    return tf.reduce_max(tf.cast(tf.equal(candidates[:, :, None], items[:, None, :]), tf.float32), axis=2)


def masked_mean(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Returns the `[B, d]` mean of `values [B, n, d]` where `mask [B, n]`; 0 where nothing is."""
    weight = tf.cast(mask, tf.float32)[..., None]
    return tf.reduce_sum(values * weight, axis=1) / tf.maximum(tf.reduce_sum(weight, axis=1), 1.0)


def without_repeats(items: tf.Tensor) -> tf.Tensor:
    """Returns rows `[B, n]` with 0 for what stands earlier in the row: an item twice in the cart counts once.

    In memory that grows with n, not with its square: a request decides how long its cart is.

    Examples:
        >>> without_repeats(tf.constant([[0, 7, 5, 7, 5, 9]])).numpy()
        array([[0, 7, 5, 0, 0, 9]], dtype=int32)
    """
    order = ascending_order(items)  # of equal items the earlier first
    ascending = tf.gather(items, order, batch_dims=1)
    is_repeat = tf.pad(tf.equal(ascending[:, 1:], ascending[:, :-1]), [[0, 0], [1, 0]])[:, : size_of(items, 1)]
    return tf.where(tf.gather(is_repeat, ascending_order(order), batch_dims=1), 0, items)


def times_by_category(category: tf.Tensor, times: tf.Tensor, *, number: int) -> tf.Tensor:
    """Returns `[B, number]` sums of `times [B, m]` by `category [B, m]`.

    Examples:
        >>> times_by_category(tf.constant([[2, 2]]), tf.constant([[2.0, 5.0]]), number=3).numpy()
        array([[0., 0., 7.]], dtype=float32)
    """
    size = size_of(category)
    segment = tf.reshape(category + tf.range(size)[:, None] * number, [-1])
    total = tf.math.unsorted_segment_sum(tf.reshape(times, [-1]), segment, size * number)
    return tf.reshape(total, [size, number])


def is_in(values: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    """Returns `[B, L]` bool: which of `values [B, L]` are in `row [B, n]`."""
    ascending = in_ascending_order(tf.pad(row, [[0, 0], [0, 1]]))
    at = tf.minimum(places_in(ascending, values), size_of(ascending, 1) - 1)
    return tf.equal(tf.gather(ascending, at, batch_dims=1), values)


# TensorFlow's own functions take vectors and cubes too, for four times the operations.


def ascending_order(values: tf.Tensor) -> tf.Tensor:
    """Returns `[B, n]` int32 columns of `values [B, n]` in ascending order, of equal values the earlier first.

    Examples:
        >>> ascending_order(tf.constant([[7, 5, 7, 5]])).numpy()
        array([[1, 3, 0, 2]], dtype=int32)
    """
    return tf.math.top_k(-values, size_of(values, 1))[1]


def in_ascending_order(values: tf.Tensor) -> tf.Tensor:
    """Returns `values [B, n]` in ascending order."""
    return -tf.math.top_k(-values, size_of(values, 1))[0]


def places_in(ascending: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns `[B, m]` int32 columns of the first of `ascending [B, n]` that is not below each of `values [B, m]`.

    Examples:
        >>> places_in(tf.constant([[2, 4, 4]]), tf.constant([[1, 4, 9]])).numpy()
        array([[0, 1, 3]], dtype=int32)
    """
    return tf.raw_ops.LowerBound(sorted_inputs=ascending, values=values)
