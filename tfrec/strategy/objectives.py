"""States what a sale is worth by the objective of a request: the sale itself, its revenue, its margin."""

import tensorflow as tf

from tfrec.schema.inputs import OBJECTIVES

_PURCHASE, _REVENUE, _MARGIN, _INCREMENTAL = (
    OBJECTIVES.index(name) + 1 for name in ("purchase", "revenue", "margin", "incremental_margin")
)
_BY_PRICE = " by price"  # behind the name of an objective of margins where prices stand in for them


def chosen_objective(objective: tf.Tensor, *, default: str) -> tf.Tensor:
    """Returns `[B]` int32 places in `OBJECTIVES`, from 1, of which 0 was the default.

    Args:
        objective: `[B]` int32 place in `OBJECTIVES`, from 1; 0 = the default.
        default: a name of `OBJECTIVES`.
    """
    return tf.where(objective > 0, objective, OBJECTIVES.index(default) + 1)


def orders_by_amount(objective: tf.Tensor) -> tf.Tensor:
    """Returns `[B]` bool: the objective is an amount, expected revenue or margin, not a probability.

    Args:
        objective: `[B]` int32 place in `OBJECTIVES`, from 1.
    """
    return tf.not_equal(objective, _PURCHASE)


def is_incremental(objective: tf.Tensor) -> tf.Tensor:
    """Returns `[B]` bool: what would be bought anyway is to be left out.

    Args:
        objective: `[B]` int32 place in `OBJECTIVES`, from 1.
    """
    return tf.equal(objective, _INCREMENTAL)


def objective_names(objective: tf.Tensor, *, has_margins: bool) -> tf.Tensor:
    """Returns `[B]` string: what the scores are of, and whether prices stand in for margins.

    Args:
        objective: `[B]` int32 place in `OBJECTIVES`, from 1.
        has_margins: the shop states margins.

    Examples:
        >>> objective_names(tf.constant([3, 2]), has_margins=False).numpy()
        array([b'margin by price', b'revenue'], dtype=object)
    """
    of_margin = "" if has_margins else _BY_PRICE
    names = [f"{name}{of_margin if number >= _MARGIN else ''}" for number, name in enumerate(OBJECTIVES, start=1)]
    return tf.gather(tf.constant(["", *names]), objective)


def worth_of_sale(items: tf.Tensor, *, objective: tf.Tensor, price: tf.Tensor, profit: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]` float32 what a sale of each item is worth: 1, its price, or its profit.

    Args:
        items: `[B, C]` int32; 0 = no item, which is worth nothing but by the objective `purchase`.
        objective: `[B]` int32 place in `OBJECTIVES`, from 1.
        price: `[N + 1]` float32; 0 = unknown.
        profit: `[N + 1]` float32, what a sale earns.

    Examples:
        >>> values = tf.constant([0.0, 10.0, 15.0])
        >>> worth_of_sale(
        ...     tf.constant([[1, 2], [1, 2], [1, 2]]), objective=tf.constant([1, 2, 3]), price=values, profit=values / 2
        ... ).numpy()
        array([[ 1. ,  1. ],
               [10. , 15. ],
               [ 5. ,  7.5]], dtype=float32)
    """
    objective = objective[:, None]
    amount = tf.where(tf.equal(objective, _REVENUE), tf.gather(price, items), tf.gather(profit, items))
    return tf.where(tf.equal(objective, _PURCHASE), 1.0, amount)
