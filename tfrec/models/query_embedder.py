"""Embeds queries: events of the user, of the visit and of the cart as one sequence for the query tower."""

import numpy as np
import tensorflow as tf

from tfrec.models.graph_tables import rows_of_table, table
from tfrec.models.profiles import Profiles
from tfrec.models.query import Query
from tfrec.models.rows import latest_places
from tfrec.models.towers import QueryTower, TowerInputs
from tfrec.pipelines.retrieval import GAP_BOUNDARIES

_SESSION_HOURS = 1.0  # what a request sends and is younger belongs to the visit that asks


class QueryEmbedder:
    """Queries → `[B, d]` embeddings of unit length.

    Args:
        profiles: give the users' latest events.
        encoded_items: `[N + 1, d]`, what the query tower reads.
        query_tower: of the retrieval model.
        cart_type: event code that stands for an item in the cart.
    """

    def __init__(
        self, profiles: Profiles, encoded_items: np.ndarray, query_tower: QueryTower, *, cart_type: int
    ) -> None:
        self._tower = query_tower
        self._cart_type = cart_type
        self._profiles = profiles
        self._encoded = table(encoded_items.astype(np.float16), "encoded_items")

    @property
    def variables(self) -> list[tf.Variable]:
        """Its own table and the tower's weights."""
        return [self._encoded, *self._tower.variables]

    def __call__(self, query: Query) -> tf.Tensor:
        """Returns `[B, d]`: the state after the user's latest events, then the visit's, then the cart."""
        past, cart = self._profiles.latest(query), query.cart
        is_now = query.recent_age < _SESSION_HOURS
        item = tf.concat([past.item, query.recent_item, cart], axis=1)
        cart_types = tf.fill(tf.shape(cart), self._cart_type)
        kind = tf.concat([past.kind, query.recent_type, cart_types], axis=1)
        age = tf.concat([past.age, query.recent_age, tf.zeros(tf.shape(cart))], axis=1)
        groups = [past.group, tf.where(is_now, -1, -2), tf.fill(tf.shape(cart), -1)]
        group = tf.concat(groups, axis=1)
        # Padding to the front, the latest events to the end; at least one step, or the LSTM fails on an empty row.
        order = latest_places(item, past.item.shape[1])
        item, kind, age, group = (tf.gather(part, order, batch_dims=1) for part in (item, kind, age, group))
        elapsed = age[:, :-1] - age[:, 1:]
        bucket = tf.searchsorted(tf.constant(GAP_BOUNDARIES), tf.reshape(elapsed, [-1]), side="right")
        follows = (item[:, :-1] > 0) & (item[:, 1:] > 0)
        gap = tf.where(follows, tf.reshape(bucket, tf.shape(elapsed)), 0)
        gap = tf.pad(gap, [[0, 0], [1, 0]])
        encoded = rows_of_table(self._encoded, item)
        return self._tower.last(encoded, TowerInputs(item, kind, gap, group))
