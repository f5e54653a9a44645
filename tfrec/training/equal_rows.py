"""Gives the inputs of a batch equal numbers of rows: a single row stands for each query."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

_REFUSED = "`{}` must have one row for each query of the batch, or a single row; rows and queries:"


def with_equal_rows(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns the inputs with `B` rows each: single rows (a default, or one value for all) are repeated.

    The rows of all inputs are looked at together: an operation an input would be a tenth of a whole answer's.

    Args:
        inputs: name → tensor of one axis or more, the first of them rows.

    Raises in the graph (INVALID_ARGUMENT): two inputs have different numbers of rows, neither of them 1.

    Examples:
        >>> both = with_equal_rows({"k": tf.constant([3]), "cart": tf.constant([[1, 2], [5, 0]])})
        >>> both["k"].numpy(), both["cart"].numpy().tolist()
        (array([3, 3], dtype=int32), [[1, 2], [5, 0]])
    """
    if tf.executing_eagerly() and len({value.shape[0] for value in inputs.values()}) == 1:
        return dict(inputs)
    names = list(inputs)
    ranks = np.array([inputs[name].shape.rank for name in names])
    rows = tf.gather(tf.concat(_shapes([inputs[name] for name in names]), axis=0), np.cumsum(ranks) - ranks)
    batch = tf.where(tf.reduce_any(tf.equal(rows, 0)), 0, tf.reduce_max(rows))
    fits = tf.equal(rows, batch) | tf.equal(rows, 1)
    first = tf.argmin(tf.cast(fits, tf.int32))
    texts = tf.constant([_REFUSED.format(name) for name in names])
    check = tf.debugging.Assert(tf.reduce_all(fits), [tf.gather(texts, first), tf.gather(rows, first), batch])
    with tf.control_dependencies([check]):
        times = tf.where(tf.equal(rows, batch), 1, batch)
    result = dict(inputs)
    for rank in np.unique(ranks):
        places = np.flatnonzero(ranks == rank)
        multiples = tf.pad(tf.gather(times, places)[:, None], [[0, 0], [0, rank - 1]], constant_values=1)
        for place, multiple in zip(places, tf.unstack(multiples, num=len(places)), strict=True):
            result[names[place]] = tf.tile(inputs[names[place]], multiple)
    return result


def _shapes(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the shape of each tensor, by one operation for all of a type."""
    shapes: dict[int, tf.Tensor] = {}
    for dtype in {tensor.dtype for tensor in tensors}:
        places = [place for place, tensor in enumerate(tensors) if tensor.dtype == dtype]
        shapes.update(zip(places, tf.shape_n([tensors[place] for place in places]), strict=True))
    return [shapes[place] for place in range(len(tensors))]
