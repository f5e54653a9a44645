"""Returns lengths of axes with few operations."""

import tensorflow as tf


def size_of(tensor: tf.Tensor, axis: int = 0) -> tf.Tensor | int:
    """Returns the length of an axis, a plain number where it is known.

    `tf.shape(tensor)[axis]` makes five operations, three of them constants; this makes two. Graphs ask it thousands of
    times, and each operation costs time when a graph is traced, saved, loaded and optimised.
    """
    known = tensor.shape[axis]
    return tf.unstack(tf.shape(tensor))[axis] if known is None else known
