"""What follows in the visit: weights learned from sessions, and how the candidate was seen in this one."""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from tfrec.features.feature_tables import CHANNELS
from tfrec.models.query import Query
from tfrec.models.rows import count_items, is_among, latest
from tfrec.models.size_of import size_of
from tfrec.models.sources.feature_values import (
    Column,
    Unscaled,
    log_price,
    of_the_best,
    price_distance,
    relative,
    signed_root,
)
from tfrec.models.sources.item_table import item_table
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.shortlist import Shortlist
from tfrec.models.sources.source import Candidates, Entries, Found
from tfrec.models.user_history import Purchases

_FADE = 0.8  # of an event's weight with each later one
_CHANNELS = ("session_ease", "sequence", "transition", "transition")


class Visit:
    """What was seen in sessions with the items of this visit, or after them.

    Its evidence: `weights [B, L, 4]` of the visit's items, the latest counting most: EASE, sequential rules, the
    probability of following the latest item, and the one before it. Empty in a log of orders alone.
    """

    FEATURES: ClassVar[Mapping[str, str]] = {
        "session": "summed EASE weight, learned from sessions, of the visit's items, fading with later events",
        "session_relative": "the same over the list's largest",
        "sequence": "summed weight of sequential rules of the visit's items",
        "sequence_relative": "the same over the list's largest",
        "transition": "probability of following the latest item",
        "transition_relative": "the same over the list's largest",
        "transition_before": "probability of following the item before the latest",
        "is_in_visit": "1 where it was seen in this visit",
        "visit_recency": "1 / events since it was seen in this visit, itself included; 0 = not seen",
        "visit_count": "times seen in this visit, log",
        "visit_size": "events of this visit, log",
        "price_to_cart": "log price less the mean log price of visit and cart",
        "same_leaf_share": "share of visit and cart with its leaf category",
        "same_top_share": "share of visit and cart with its top category",
    }

    def __init__(self, moment: Moment) -> None:
        config = moment.config
        self._first = CHANNELS.index("session_ease")
        channels = slice(self._first, CHANNELS.index("sequence") + 1)
        width = moment.neighbours_kept(config.session_neighbours)
        self._table = item_table(moment.feature_tables, channels=channels, width=width, name="session", counts=False)
        self.variables = self._table.variables
        self._moment = moment
        self._most = config.recent_items

    def entries(self, query: Query, bought: Purchases, *, at_least: tf.Tensor) -> Entries:
        """Returns the neighbours of the latest items of the visit, the cart's included."""
        items = latest(tf.concat([query.recent_item, query.cart], axis=1), self._most)
        if self._table.is_empty:
            return Entries(items[:, :0])
        return Entries(self._table.neighbours_of(items), {"items": items})

    def evidence(self, entries: Entries, shortlist: Shortlist, columns: tf.Tensor) -> Found:
        """Returns the weights of four kinds."""
        if self._table.is_empty:
            return {}
        items = entries.values["items"]
        steps_ago = tf.cast(tf.range(size_of(items, 1))[::-1], tf.float32)
        fade = _FADE**steps_ago
        is_latest, is_before = (tf.cast(tf.equal(steps_ago, ago), tf.float32) for ago in (0.0, 1.0))
        factors = tf.stack([fade, fade, is_latest, is_before], axis=1)
        channels = [CHANNELS.index(name) - self._first for name in _CHANNELS]
        return {"weights": self._table.summed(items, columns, factors, shortlist, channels=channels)}

    def scores(self, found: Found, shortlist: Shortlist) -> dict[str, tf.Tensor]:
        """Returns one list, by the sum of the four; none in a log of orders alone."""
        return {"session": tf.reduce_sum(found["weights"], axis=-1)} if found else {}

    def features(self, query: Query, found: Found, candidates: Candidates) -> dict[str, Column]:
        """Returns weights, and what the visit has of the candidate itself, its price and its category."""
        if found:
            session, sequence, transition, before = tf.unstack(candidates.at(found["weights"]), axis=-1)
        else:
            session = sequence = transition = before = tf.zeros(tf.shape(candidates.item))
        price, seen = self._moment.price, tf.concat([query.recent_item, query.cart], axis=1)
        same_leaf, same_top = _same_category_shares(candidates.item, seen, self._moment.categories)
        recency, count = _seen_in_visit(candidates.item, latest(query.recent_item, self._most))
        return {
            "session": Unscaled(session, signed_root),
            "session_relative": Unscaled(session, relative),
            "sequence": Unscaled(sequence, signed_root),
            "sequence_relative": Unscaled(sequence, relative),
            "transition": Unscaled(transition, signed_root),
            "transition_relative": Unscaled(transition, relative),
            "transition_before": Unscaled(before, signed_root),
            "is_in_visit": is_among(candidates.item, query.recent_item),
            "visit_recency": recency,
            "visit_count": Unscaled(count, tf.math.log1p),
            "visit_size": Unscaled(count_items(query.recent_item)[:, None], tf.math.log1p),
            "price_to_cart": price_distance(log_price(tf.gather(price, candidates.item)), seen, price),
            "same_leaf_share": same_leaf,
            "same_top_share": same_top,
        }

    def strengths(self, found: Found, candidates: Candidates) -> list[Column]:
        """Returns the sum of the four relative to the best."""
        return [Unscaled(tf.reduce_sum(candidates.at(found["weights"]), axis=-1), of_the_best)] if found else []


def _same_category_shares(candidates: tf.Tensor, items: tf.Tensor, categories: tf.Tensor) -> list[tf.Tensor]:
    """Returns `[B, C]` shares of `items [B, n]` with the candidate's leaf and with its top category."""
    mine, theirs = (tf.unstack(tf.gather(categories, one), axis=-1) for one in (candidates, items))
    has_category = tf.cast((items > 0) & (theirs[0] > 0), tf.float32)
    mine, theirs = (tf.stack([levels[-1], levels[0]]) for levels in (mine, theirs))  # [2, B, C] and [2, B, n]
    equal = tf.cast(tf.equal(mine[:, :, :, None], theirs[:, :, None, :]), tf.float32)
    count = tf.maximum(tf.reduce_sum(has_category, axis=1, keepdims=True), 1.0)
    return tf.unstack(tf.reduce_sum(equal * has_category[:, None, :], axis=3) / count, num=2)


def _seen_in_visit(candidates: tf.Tensor, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns `[B, C]` 1 / (events since the candidate was seen, it included), and how often; 0 if never."""
    items = tf.pad(items, [[0, 0], [1, 0]])  # there may be none
    steps = tf.cast(tf.range(size_of(items, 1))[::-1] + 1, tf.float32)
    is_seen = tf.equal(candidates[:, :, None], items[:, None, :]) & (items > 0)[:, None, :]
    seen_at = tf.cast(is_seen, tf.float32)
    return tf.reduce_max(seen_at / steps, axis=2), tf.reduce_sum(seen_at, axis=2)
