"""Estimates how likely items are bought without being offered, from what users and the shop bought before.

It is an estimate from purchases, not a measurement: nothing is known of a user to whom an item was not shown. A
hold-out measures it (`tfrec earned`).
"""

import tensorflow as tf

from tfrec.features.feature_tables import FeatureTables
from tfrec.features.own_items import OWN_FADES

PRIOR_ORDERS = 5.0
"""Orders of the whole shop that each user's own are put together with: few own orders say little of the next one."""
HABIT = 1
"""Column of `OWN_FADES` by which own orders fade."""


def organic_probability(own: tf.Tensor, num_orders: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]` float32: how likely the user's next order holds an item without its being offered.

    `(own + m share) / (num_orders + m)`, `m` = `PRIOR_ORDERS`: the mean of a beta distribution, whose prior is the
    share of the shop's orders that hold the item, after the user's orders. Where these fade with each later order,
    recent habits count most.

    Args:
        own: `[B, C]` float32 orders of the user that hold the item.
        num_orders: `[B, 1]` float32 all orders of the user, fading alike; 0 of guests, whose next order is the shop's.
        share: `[B, C]` float32 share of the shop's orders that hold the item.

    Examples:
        A user with five orders bought item 1 in each of them, and never item 2, which a tenth of all orders hold:

        >>> organic_probability(tf.constant([[5.0, 0.0]]), tf.constant([[5.0]]), tf.constant([[0.0, 0.1]])).numpy()
        array([[0.5 , 0.05]], dtype=float32)
    """
    return (own + PRIOR_ORDERS * share) / (num_orders + PRIOR_ORDERS)


def faded_orders(num_orders: tf.Tensor) -> tf.Tensor:
    """Returns what `num_orders` orders count together where each counts less by the fade of `HABIT` than the next."""
    fade = OWN_FADES[HABIT]
    return (1.0 - fade**num_orders) / (1.0 - fade)


def items_an_order(tables: FeatureTables) -> float:
    """Returns how many different items an order has on average, of users who are known; 1 where there are none.

    Items that a user bought least often may be left out of the tables, so that it is rather too low.
    """
    orders = float(tables.num_orders[1:].sum())
    return max(float(tables.own_count.sum()) / orders, 1.0) if orders else 1.0
