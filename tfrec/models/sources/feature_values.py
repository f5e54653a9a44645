"""Scales what sources know to features of about unit size."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TypeAlias

import tensorflow as tf

from tfrec.models.rows import masked_mean


@dataclasses.dataclass(frozen=True)
class Unscaled:
    """A feature before it is scaled: all of one scaling are scaled together, see `scaled`.

    Attributes:
        values: `[B, C]`, or `[B, 1]` where all candidates of a row have one value.
        scaling: of values `[..., C]`, such as `signed_root`.
    """

    values: tf.Tensor
    scaling: Callable[[tf.Tensor], tf.Tensor]


Column: TypeAlias = tf.Tensor | Unscaled


def scaled(columns: Mapping[str, Column]) -> dict[str, tf.Tensor]:
    """Returns the columns by name with every scaling done, by a few operations for all columns of one scaling.

    Examples:
        >>> values = tf.constant([[4.0, -9.0]])
        >>> found = scaled({"a": Unscaled(values, signed_root), "b": values, "c": Unscaled(2 * values, relative)})
        >>> {name: found[name].numpy().tolist() for name in sorted(found)}
        {'a': [[2.0, -3.0]], 'b': [[4.0, -9.0]], 'c': [[1.0, -2.25]]}
    """
    result: dict[str, tf.Tensor] = {}
    groups: dict[tuple[Callable[[tf.Tensor], tf.Tensor], bool], dict[str, tf.Tensor]] = {}
    for name, column in columns.items():
        if isinstance(column, Unscaled):
            groups.setdefault((column.scaling, column.values.shape[1] == 1), {})[name] = column.values
        else:
            result[name] = column
    for (scaling, _), group in groups.items():
        values = scaling(tf.stack(list(group.values())))
        result.update(zip(group, tf.unstack(values, num=len(group)), strict=True))
    return result


def signed_root(values: tf.Tensor) -> tf.Tensor:
    """Returns square roots that keep their sign: large weights count less."""
    return tf.sign(values) * tf.sqrt(tf.abs(values))


def relative(values: tf.Tensor) -> tf.Tensor:
    """Returns values `[..., C]` over the row's largest."""
    return values / tf.maximum(tf.reduce_max(values, axis=-1, keepdims=True), 1e-3)


def of_the_best(values: tf.Tensor) -> tf.Tensor:
    """Returns values `[..., C]` over the row's largest, of any size; 0 for a row without."""
    return values / tf.maximum(tf.reduce_max(values, axis=-1, keepdims=True), 1e-6)


def quarter_of_the_best(values: tf.Tensor) -> tf.Tensor:
    """Returns a quarter of `of_the_best`."""
    return 0.25 * of_the_best(values)


def log_price(price: tf.Tensor) -> tf.Tensor:
    """Returns the natural logarithm of prices, of .01 where unknown."""
    return tf.math.log(tf.maximum(price, 0.01))


def price_distance(own: tf.Tensor, items: tf.Tensor, price: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]` log prices `own` minus the mean log price of `items [B, n]`; 0 where there are none."""
    is_item = items > 0
    mean = masked_mean(log_price(tf.gather(price, items))[..., None], is_item)[:, 0:1]
    return tf.where(tf.reduce_any(is_item, axis=1, keepdims=True), own - mean, 0.0)
