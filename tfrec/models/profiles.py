"""`Profiles`: what is known of the users of a batch, stored with the servable or brought by the request."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfrec.features.feature_tables import FeatureConfig, FeatureTables
from tfrec.features.own_items import own_scores
from tfrec.models.graph_tables import table
from tfrec.models.query import Query
from tfrec.models.rows import latest_places, rows_of
from tfrec.models.shared_graphs import rare_graph
from tfrec.models.size_of import size_of
from tfrec.models.user_history import HISTORY_SPEC, PURCHASES_SPEC, Purchases, UserHistory, purchases_of


class LatestEvents(tf.experimental.ExtensionType):
    """The latest events of the users of a batch, oldest first, padding in front.

    Attributes:
        item: `[B, T]` int32.
        kind: `[B, T]` int32 codes.
        age: `[B, T]` float32 hours.
        group: `[B, T]` int32, equal for one order or session, counting from 1.
    """

    item: tf.Tensor
    kind: tf.Tensor
    age: tf.Tensor
    group: tf.Tensor


class Profiles:
    """The tables of users at one moment, and what takes their place where a request brings a user's history.

    Args:
        feature_tables: what the log had until the moment.
        target_type: code of the event type that counts as a purchase.
        config: settings of the tables.
    """

    def __init__(
        self, feature_tables: FeatureTables, *, target_type: int, config: FeatureConfig = FeatureConfig()
    ) -> None:
        tables = feature_tables
        self.target_type, self._config = target_type, config
        columns = (tables.own_count, tables.own_age, *tables.own_habit.T, tables.own_interval, tables.own_orders_ago)
        self._own_splits = table(tables.own_splits, "own_splits")
        self._own_item = table(never_empty(tables.own_item), "own_item")
        self._own = table(never_empty(np.stack(columns, axis=1).astype(np.float32)), "own")
        score = own_scores(tables.own_habit.astype(np.float64), tables.own_count).astype(np.float32)
        self._own_score = table(never_empty(score), "own_score")
        self._line_splits = table(tables.line_splits, "line_splits")
        self._line_item = table(never_empty(tables.line_item), "line_item")
        self._line_order = table(never_empty(tables.line_order), "line_order")
        self._num_orders = table(tables.num_orders, "num_orders")
        self._segment = table(tables.user_segment, "user_segment")
        self._merged_graph = rare_graph(self._merged, HISTORY_SPEC, PURCHASES_SPEC)
        self._latest = [
            table(tables.recent_item, "profile_item"),
            table(tables.recent_type, "profile_type"),
            table(tables.recent_age, "profile_age"),
            table(tables.recent_group, "profile_group"),
        ]
        latest = [tf.TensorSpec([None, part.shape[1]], part.dtype) for part in self._latest]
        self._brought_graph = rare_graph(self._brought, HISTORY_SPEC, latest)

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        return [*(one for one in vars(self).values() if isinstance(one, tf.Variable)), *self._latest]

    def latest(self, query: Query) -> LatestEvents:
        """Returns the users' latest events."""
        stored = [tf.gather(part, query.user) for part in self._latest]
        if query.history is None:
            return LatestEvents(*stored)
        history = query.history
        return LatestEvents(
            *tf.cond(tf.reduce_any(history.is_known), lambda: self._brought_graph(history, stored), lambda: stored)
        )

    def _brought(self, history: UserHistory, stored: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns the latest events that the request brings in the rows that bring a history, else those `stored`."""
        history, length = history.with_type(self.target_type), stored[0].shape[1]
        place = latest_places(history.item, length)
        short = length - size_of(place, 1)
        brought = [
            tf.pad(tf.gather(part, place, batch_dims=1), [[0, 0], [short, 0]])
            for part in (history.item, history.kind, history.age, history.group)
        ]
        is_known = history.is_known[:, None]
        return [tf.where(is_known, new, old) for new, old in zip(brought, stored, strict=True)]

    def segment(self, query: Query) -> tf.Tensor:
        """Returns `[B]` int32 segments of the users; 0 = unknown."""
        return segment_of(query, tf.gather(self._segment, query.user))

    def is_guest(self, query: Query) -> tf.Tensor:
        """Returns `[B]` bool: nothing is known of the user, neither stored nor sent."""
        is_unknown = tf.equal(query.user, 0)
        return (
            is_unknown if query.history is None else is_unknown & ~query.history.is_known & (query.history.segment < 0)
        )

    def purchases(self, query: Query) -> Purchases:
        """Returns what the users bought."""
        stored = self._stored_purchases(query.user)
        if query.history is None:
            return stored
        # A batch without any history, as most are, pays for this question alone.
        return tf.cond(
            tf.reduce_any(query.history.is_known), lambda: self._merged_graph(query.history, stored), lambda: stored
        )

    def _merged(self, history: UserHistory, stored: Purchases) -> Purchases:
        """Returns what the request brings in the rows that bring a history, else what is stored."""
        brought = purchases_of(history.with_type(self.target_type), target_type=self.target_type, config=self._config)
        names = Purchases.__annotations__
        parts = {name: _chosen(history.is_known, getattr(brought, name), getattr(stored, name)) for name in names}
        return Purchases(**parts)

    def _stored_purchases(self, user: tf.Tensor) -> Purchases:
        at, inside = rows_of(self._own_splits, user)
        line_at, is_line = rows_of(self._line_splits, user)
        return Purchases(
            item=tf.where(inside, tf.gather(self._own_item, at), 0),
            facts=tf.where(inside[..., None], tf.gather(self._own, at), 0.0),
            score=tf.where(inside, tf.gather(self._own_score, at), 0.0),
            line_item=tf.where(is_line, tf.gather(self._line_item, line_at), 0),
            line_order=tf.where(is_line, tf.gather(self._line_order, line_at), 0),
            num_orders=tf.gather(self._num_orders, user),
        )


def segment_of(query: Query, stored: tf.Tensor) -> tf.Tensor:
    """Returns `[B]` int32 segments: those that the request brings, else those `stored [B]`."""
    return stored if query.history is None else tf.where(query.history.segment < 0, stored, query.history.segment)


def never_empty(values: np.ndarray) -> np.ndarray:
    """Returns the column with one row at least: a lookup in an empty variable fails, even if masked."""
    return values if len(values) else np.zeros((1, *values.shape[1:]), values.dtype)


def _chosen(is_known: tf.Tensor, brought: tf.Tensor, stored: tf.Tensor) -> tf.Tensor:
    """Returns rows of `brought [B, m, ...]` where `is_known [B]`, else of `stored [B, n, ...]`, zeros behind."""
    rank = stored.shape.rank
    if rank == 1:
        return tf.where(is_known, brought, stored)
    most = tf.maximum(size_of(brought, 1), size_of(stored, 1))

    def widened(values: tf.Tensor) -> tf.Tensor:
        return tf.pad(values, [[0, 0], [0, most - size_of(values, 1)], *[[0, 0]] * (rank - 2)])

    return tf.where(tf.reshape(is_known, [-1, *[1] * (rank - 1)]), widened(brought), widened(stored))
