"""What the user buys again: own items with their habits, and what the orders most like the cart hold."""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from tfrec.features.own_items import OWN_FADES
from tfrec.models.query import Query
from tfrec.models.rows import count_items, latest, without_repeats
from tfrec.models.size_of import size_of
from tfrec.models.sources.feature_values import Column, Unscaled, of_the_best, relative, signed_root
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.shortlist import Shortlist
from tfrec.models.sources.source import Candidates, Entries, Found
from tfrec.models.user_history import Purchases

_ANY_ORDER = 0.1  # weight of an own order that shares nothing with the cart
_ORDER_FADE = 0.99  # with each later order


class OwnItems:
    """What the user bought before.

    Its evidence: `row [B, L]` int32, the row in `facts [B, M + 1, 7]` and `score [B, M + 1]` of `Purchases`, 0 where
    the user never bought the item; `orders [B, L]`, the share of the user's orders that hold it, of which those like
    the cart count most; and of each user `item [B, M]`, `num_orders [B]` and `is_guest [B]`.
    """

    FEATURES: ClassVar[Mapping[str, str]] = {
        "is_own": "1 where the user bought it before",
        "own_count": "times that the user bought it, log",
        "own_share": "share of the user's orders that hold it",
        "own_age": "days since the user bought it, log; 7 = never",
        "own_orders_ago": "orders of the user since, log; 7 = never",
        "own_habit": "times bought, each fading with each later order (0.96)",
        "own_habit_share": "the same over what an item in every order has",
        "own_slow_habit": "times bought, fading slowly (0.99)",
        "own_slow_habit_share": "the same over what an item in every order has",
        "own_slow_habit_relative": "the same over the list's largest",
        "own_fast_habit": "times bought, fading fast (0.8)",
        "own_due": "log of days since, less log of the mean days between; 0 for fewer than two purchases",
        "own_orders": "share of the user's orders that hold it, those like the cart counting most",
        "own_orders_relative": "the same over the list's largest",
        "num_own": "number of items that the user bought, log",
        "num_orders": "number of the user's orders, log",
        "is_guest": "1 where the user is unknown",
    }

    def __init__(self, moment: Moment) -> None:
        config = moment.config
        self.variables: list[tf.Variable] = []
        self._moment = moment
        self._most_of_cart = config.cart_items

    def entries(self, query: Query, bought: Purchases, *, at_least: tf.Tensor) -> Entries:
        """Returns the items that the user bought, and the lines of the user's orders."""
        cart = without_repeats(latest(query.cart, self._most_of_cart))
        weight = _line_weights(bought.line_item, bought.line_order, bought.line_item > 0, cart)
        values = {
            "item": bought.item,
            "row": tf.where(bought.item > 0, tf.range(size_of(bought.item, 1)) + 1, 0),
            "facts": tf.pad(bought.facts, [[0, 0], [1, 0], [0, 0]]),
            "score": tf.pad(bought.score, [[0, 0], [1, 0]]),
            "weight": weight,
            "num_orders": bought.num_orders,
            "is_guest": self._moment.profiles.is_guest(query),
        }
        return Entries(tf.concat([bought.item, bought.line_item], axis=1), values)

    def evidence(self, entries: Entries, shortlist: Shortlist, columns: tf.Tensor) -> Found:
        """Returns rows of `own_at`, and shares of orders."""
        values = entries.values
        of_item, of_line = tf.split(columns, [size_of(values["item"], 1), size_of(values["weight"], 1)], axis=1)
        return {
            **{name: values[name] for name in ("item", "facts", "score", "num_orders", "is_guest")},
            "row": shortlist.sums_at(of_item, values["row"]),
            "orders": shortlist.sums_at(of_line, values["weight"]),
        }

    def scores(self, found: Found, shortlist: Shortlist) -> dict[str, tf.Tensor]:
        """Returns two lists: by habit, and by the orders most like the cart."""
        return {"own": tf.gather(found["score"], found["row"], batch_dims=1), "own_orders": found["orders"]}

    def own_at(self, found: Found, candidates: Candidates) -> list[tf.Tensor]:
        """Returns what is known of the user's purchases of the candidates, seven `[B, C]`, all 0 where never.

        Times; days since; times fading with each later order by `OWN_FADES`; mean days between; orders since.
        """
        return tf.unstack(tf.gather(found["facts"], candidates.at(found["row"]), batch_dims=1), axis=-1)

    def features(self, query: Query, found: Found, candidates: Candidates) -> dict[str, Column]:
        """Returns counts, ages, habits and shares."""
        count, age, fast_habit, habit, slow_habit, interval, orders_ago = self.own_at(found, candidates)
        log_count, log_age, log_interval, log_orders_ago = tf.unstack(
            tf.math.log1p(tf.stack([count, age, interval, orders_ago])), num=4
        )
        orders = candidates.at(found["orders"])
        num_orders = found["num_orders"][:, None]
        most_habit, most_slow_habit = (
            (1.0 - fade ** tf.maximum(num_orders, 1.0)) / (1.0 - fade) for fade in OWN_FADES[1:]
        )
        is_own = count > 0
        return {
            "is_own": tf.cast(is_own, tf.float32),
            "own_count": log_count,
            "own_share": count / tf.maximum(num_orders, 1.0),
            "own_age": tf.where(is_own, log_age, 7.0),
            "own_orders_ago": tf.where(is_own, log_orders_ago, 7.0),
            "own_habit": Unscaled(habit, signed_root),
            "own_habit_share": habit / most_habit,
            "own_slow_habit": Unscaled(slow_habit, signed_root),
            "own_slow_habit_share": slow_habit / most_slow_habit,
            "own_slow_habit_relative": Unscaled(slow_habit, relative),
            "own_fast_habit": Unscaled(fast_habit, signed_root),
            "own_due": tf.where(count > 1, log_age - log_interval, 0.0),
            "own_orders": Unscaled(orders, signed_root),
            "own_orders_relative": Unscaled(orders, relative),
            "num_own": Unscaled(count_items(found["item"])[:, None], tf.math.log1p),
            "num_orders": Unscaled(num_orders, tf.math.log1p),
            "is_guest": tf.cast(found["is_guest"], tf.float32)[:, None],
        }

    def strengths(self, found: Found, candidates: Candidates) -> list[Column]:
        """Returns the two lists' scores, each relative to its best."""
        own = tf.gather(found["score"], candidates.at(found["row"]), batch_dims=1)
        return [Unscaled(own, of_the_best), Unscaled(candidates.at(found["orders"]), of_the_best)]


def _line_weights(item: tf.Tensor, order: tf.Tensor, inside: tf.Tensor, cart: tf.Tensor) -> tf.Tensor:
    """Returns `[B, M]` weight of each line of the user's orders: `w_o / Σ_o w_o`, nearest neighbours among own orders.

    `w_o = (_ANY_ORDER + |o ∩ cart| / sqrt(|o| |cart|)) · _ORDER_FADE ^ orders since`.

    Args:
        item: `[B, M]` int32 item of the line.
        order: `[B, M]` int32 orders since its own.
        inside: `[B, M]` bool: there is a line.
        cart: `[B, n]` int32, each item once.
    """
    size = size_of(item)
    in_cart = tf.pad(tf.where(cart > 0, cart, -1), [[0, 0], [0, 1]], constant_values=-1)
    is_shared = tf.reduce_any(tf.equal(item[:, :, None], in_cart[:, None, :]), axis=2) & inside
    num_orders = tf.reduce_max(tf.concat([tf.reshape(order, [-1]), [0]], axis=0)) + 1
    segment = tf.reshape(order + tf.range(size)[:, None] * num_orders, [-1])

    def by_order(lines: tf.Tensor) -> tf.Tensor:
        total = tf.math.unsorted_segment_sum(tf.reshape(tf.cast(lines, tf.float32), [-1]), segment, size * num_orders)
        return tf.reshape(total, [size, num_orders])

    num_lines = by_order(inside)
    similarity = by_order(is_shared) / tf.sqrt(tf.maximum(num_lines * count_items(cart)[:, None], 1.0))
    weight = (_ANY_ORDER + similarity) * _ORDER_FADE ** tf.cast(tf.range(num_orders), tf.float32)
    weight *= tf.cast(num_lines > 0, tf.float32)
    weight /= tf.maximum(tf.reduce_sum(weight, axis=1, keepdims=True), 1e-6)
    return tf.where(inside, tf.gather(weight, order, batch_dims=1), 0.0)
