"""Holds what each user's friends bought as tables for the graph."""

import tensorflow as tf

from tfrec.features.feature_tables import FeatureTables
from tfrec.models.rows import rows_of, scatter


class FriendItems:
    """Items that the friends of users bought; a shop that knows of no friends pays nothing.

    Attributes:
        is_empty: whether no user has a friend with purchases.
        variables: the tables.

    Args:
        feature_tables: what was known at the moment.
    """

    def __init__(self, feature_tables: FeatureTables) -> None:
        self.is_empty = not len(feature_tables.friend_item)
        self._num_rows = len(feature_tables.popularity)
        self.variables: list[tf.Variable] = []
        if not self.is_empty:
            names = ("friend_splits", "friend_item", "friend_score")
            self.variables = [tf.Variable(getattr(feature_tables, name), trainable=False, name=name) for name in names]

    def scores(self, user: tf.Tensor) -> tf.Tensor:
        """Returns `[B, N + 1]` how much the users' friends bought each item; `[B, 1]` zeros where `is_empty`."""
        if self.is_empty:
            return tf.zeros([tf.shape(user)[0], 1])
        splits, item, score = self.variables
        at, inside = rows_of(splits, user)
        items, values = tf.where(inside, tf.gather(item, at), 0), tf.where(inside, tf.gather(score, at), 0.0)
        return scatter(items, values, num_rows=self._num_rows)
