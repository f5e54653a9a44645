"""What goes with the user's earlier purchases: item-to-item weights of the own items, summed."""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from tfrec.models.query import Query
from tfrec.models.sources.feature_values import (
    Column,
    Unscaled,
    log_price,
    of_the_best,
    price_distance,
    relative,
    signed_root,
)
from tfrec.models.sources.moment import ORDER_CHANNELS, Moment
from tfrec.models.sources.shortlist import Shortlist
from tfrec.models.sources.source import Candidates, Entries, Found
from tfrec.models.user_history import Purchases


class History:
    """Neighbours of what the user bought most often, by EASE.

    Its evidence: `weight [B, L]`, summed over the root of the number of own items, `best [B, L]` int64 (see
    `ItemTable.decode_best`) and `own [B, h]` the items that contribute.
    """

    FEATURES: ClassVar[Mapping[str, str]] = {
        "history": "summed EASE weight of the user's own items, over the root of their number",
        "history_relative": "the same over the list's largest",
        "price_to_user": "log price less the mean log price of the own items",
    }

    def __init__(self, moment: Moment) -> None:
        config = moment.config
        ease, width = ORDER_CHANNELS.index("ease"), moment.neighbours_kept(config.history_neighbours)
        self.table = moment.bought_together.narrowed(channels=slice(ease, ease + 1), width=width)
        self.variables: list[tf.Variable] = []
        self._moment = moment
        self._most = config.history_items

    def entries(self, query: Query, bought: Purchases, *, at_least: tf.Tensor) -> Entries:
        """Returns the neighbours of the user's own items."""
        own = bought.item[:, : self._most]
        return Entries(self.table.neighbours_of(own), {"own": own})

    def evidence(self, entries: Entries, shortlist: Shortlist, columns: tf.Tensor) -> Found:
        """Returns the summed weights, and the strongest single one."""
        own = entries.values["own"]
        weights, best = self.table.contributions(own, columns, shortlist)
        number = tf.reduce_sum(tf.cast(own > 0, tf.float32), axis=1)
        return {"weight": weights[..., 0] / tf.sqrt(tf.maximum(number, 1.0))[:, None], "best": best, "own": own}

    def scores(self, found: Found, shortlist: Shortlist) -> dict[str, tf.Tensor]:
        """Returns one list, by the summed weight."""
        return {"history": found["weight"]}

    def features(self, query: Query, found: Found, candidates: Candidates) -> dict[str, Column]:
        """Returns weights, plain and relative, and the distance in price."""
        weight, price = candidates.at(found["weight"]), self._moment.price
        return {
            "history": Unscaled(weight, signed_root),
            "history_relative": Unscaled(weight, relative),
            "price_to_user": price_distance(log_price(tf.gather(price, candidates.item)), found["own"], price),
        }

    def strengths(self, found: Found, candidates: Candidates) -> list[Column]:
        """Returns the weight relative to the best."""
        return [Unscaled(candidates.at(found["weight"]), of_the_best)]
