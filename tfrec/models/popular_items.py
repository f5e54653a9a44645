"""Holds what is popular now in the shop, in the user's segment and in this season, as tables for the graph."""

import numpy as np
import tensorflow as tf

from tfrec.features.feature_tables import FeatureTables
from tfrec.models.graph_tables import table


class PopularItems:
    """Popularity for everybody and by segment.

    Attributes:
        has_segments: whether any user is in a segment.
        score: `[N + 1]` bought in the last four weeks, and, as a share of as many purchases, a year before.
        season: `[N + 1]` times bought in the same weeks a year before.

    Args:
        feature_tables: what was known at the moment.
    """

    def __init__(self, feature_tables: FeatureTables) -> None:
        lately, season = feature_tables.popularity[:, 1], feature_tables.season
        scale = lately.sum() / season.sum() if lately.any() and season.any() else 1.0
        self.has_segments = len(feature_tables.segment_popularity) > 1
        self.score = table(lately + np.float32(scale) * season, "popular_score")
        self.season = table(season, "season")
        self._segment_of_user = table(feature_tables.user_segment, "user_segment")
        self._by_segment = table(feature_tables.segment_popularity, "segment_popularity")

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        return [self.score, self.season, self._segment_of_user, self._by_segment]

    def in_segment(self, user: tf.Tensor) -> tf.Tensor:
        """Returns `[B, N + 1]` times that the shop would have bought in four weeks, bought all as the user's segment.

        Of a user whose segment is unknown: times bought.
        """
        return tf.gather(self._by_segment, tf.gather(self._segment_of_user, user))

    def in_segment_at(self, user: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Returns the same of `items [B, C]` alone, `[B, C]`; zeros where no user is in a segment."""
        if not self.has_segments:
            return tf.zeros(tf.shape(items))
        segment = tf.gather(self._segment_of_user, user)
        at = tf.stack([tf.broadcast_to(segment[:, None], tf.shape(items)), items], axis=-1)
        return tf.gather_nd(self._by_segment, at)
