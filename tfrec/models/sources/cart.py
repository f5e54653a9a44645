"""What goes with the cart: item-to-item weights of its items, summed."""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from tfrec.models.query import Query
from tfrec.models.rows import count_items, latest, without_repeats
from tfrec.models.sources.feature_values import Column, Unscaled, of_the_best, relative, signed_root
from tfrec.models.sources.item_table import best_strength
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.shortlist import Shortlist
from tfrec.models.sources.source import Candidates, Entries, Found
from tfrec.models.user_history import Purchases


class Cart:
    """Neighbours of the items in the cart, by four kinds of weights that EASE learned from orders.

    Its evidence: `weights [B, L, 4]` summed (EASE, fading EASE, EASE of strong dropout, of near lines), `best [B, L]`
    int64 (see `ItemTable.decode_best`) and `cart [B, n]` the items that contribute.
    """

    FEATURES: ClassVar[Mapping[str, str]] = {
        "cart_ease": "summed EASE weight of the cart's items",
        "cart_ease_mean": "the same over the root of the number of items in the cart",
        "cart_ease_relative": "the same over the list's largest",
        "cart_best": "weight of the one item of the cart that contributes most",
        "cart_recent": "summed weight of EASE on orders that fade with age",
        "cart_recent_relative": "the same over the list's largest",
        "cart_denoised": "summed weight of EASE with strong dropout, over the root of the cart's size",
        "cart_denoised_relative": "summed weight of the same over the list's largest",
        "cart_nearby": "summed weight of EASE on neighbouring lines of orders",
        "cart_nearby_relative": "the same over the list's largest",
        "cart_size": "number of items in the cart, log",
    }

    def __init__(self, moment: Moment) -> None:
        self.table = moment.bought_together
        self.variables: list[tf.Variable] = []
        self._most = moment.config.cart_items

    def entries(self, query: Query, bought: Purchases, *, at_least: tf.Tensor) -> Entries:
        """Returns the neighbours of the newest items of the cart."""
        cart = without_repeats(latest(query.cart, self._most))
        return Entries(self.table.neighbours_of(cart), {"cart": cart})

    def evidence(self, entries: Entries, shortlist: Shortlist, columns: tf.Tensor) -> Found:
        """Returns the summed weights, and the strongest single one."""
        cart = entries.values["cart"]
        weights, best = self.table.contributions(cart, columns, shortlist)
        return {"weights": weights, "best": best, "cart": cart}

    def scores(self, found: Found, shortlist: Shortlist) -> dict[str, tf.Tensor]:
        """Returns three lists: by EASE, by fading EASE, by EASE of strong dropout."""
        weights = found["weights"]
        return {"cart": weights[..., 0], "cart_recent": weights[..., 1], "cart_denoised": weights[..., 2]}

    def features(self, query: Query, found: Found, candidates: Candidates) -> dict[str, Column]:
        """Returns weights, plain and relative, and the size of the cart."""
        size = count_items(query.cart)[:, None]
        root = tf.sqrt(tf.maximum(size, 1.0))
        ease, recent, denoised, nearby = tf.unstack(candidates.at(found["weights"]), axis=-1)
        return {
            "cart_ease": Unscaled(ease, signed_root),
            "cart_ease_mean": Unscaled(ease / root, signed_root),
            "cart_ease_relative": Unscaled(ease, relative),
            "cart_best": Unscaled(best_strength(candidates.at(found["best"])), signed_root),
            "cart_recent": Unscaled(recent, signed_root),
            "cart_recent_relative": Unscaled(recent, relative),
            "cart_denoised": Unscaled(denoised / root, signed_root),
            "cart_denoised_relative": Unscaled(denoised, relative),
            "cart_nearby": Unscaled(nearby, signed_root),
            "cart_nearby_relative": Unscaled(nearby, relative),
            "cart_size": Unscaled(size, tf.math.log1p),
        }

    def strengths(self, found: Found, candidates: Candidates) -> list[Column]:
        """Returns the three lists' scores, each relative to its best."""
        weights = tf.unstack(candidates.at(found["weights"]), axis=-1)
        return [Unscaled(weight, of_the_best) for weight in weights[:3]]
