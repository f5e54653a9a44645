"""Scales what sources know to features of about unit size."""

import tensorflow as tf

from tfrec.models.rows import masked_mean


def signed_root(values: tf.Tensor) -> tf.Tensor:
    """Returns square roots that keep their sign: large weights count less."""
    return tf.sign(values) * tf.sqrt(tf.abs(values))


def relative(values: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]` values over the row's largest."""
    return values / tf.maximum(tf.reduce_max(values, axis=1, keepdims=True), 1e-3)


def of_the_best(values: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]` values over the row's largest, of any size; 0 for a row without."""
    return values / tf.maximum(tf.reduce_max(tf.pad(values, [[0, 0], [0, 1]]), axis=1, keepdims=True), 1e-6)


def log_price(price: tf.Tensor) -> tf.Tensor:
    """Returns the natural logarithm of prices, of .01 where unknown."""
    return tf.math.log(tf.maximum(price, 0.01))


def price_distance(own: tf.Tensor, items: tf.Tensor, price: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]` log prices `own` minus the mean log price of `items [B, n]`; 0 where there are none."""
    is_item = items > 0
    mean = masked_mean(log_price(tf.gather(price, items))[..., None], is_item)[:, 0:1]
    return tf.where(tf.reduce_any(is_item, axis=1, keepdims=True), own - mean, 0.0)
