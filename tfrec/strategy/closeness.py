"""Orders items by how well they stand in for the anchor (`similar`): near in embedding and content, of its category."""

import tensorflow as tf

from tfrec.strategy.candidate_slate import CandidateSlate
from tfrec.strategy.config import SimilarConfig
from tfrec.strategy.sources import Sources


class Closeness:
    """How well items stand in for others, see `SimilarConfig`.

    Args:
        sources: embeddings, content and categories of the items.
        config: weights of the parts.
    """

    def __init__(self, sources: Sources, config: SimilarConfig) -> None:
        self._sources, self._config = sources, config

    def catalogue(self, anchor: tf.Tensor) -> tf.Tensor:
        """Returns `[B, N + 1]` float32: how well each item stands in for the anchor `[B]`."""
        config, leaf = self._config, self._sources.categories[:, -1]
        anchor = tf.maximum(anchor, 0)
        own_leaf = tf.gather(leaf, anchor)[:, None]
        same_leaf = tf.cast(tf.equal(leaf[None, :], own_leaf) & (own_leaf > 0), tf.float32)
        similarity = self._sources.similarity(anchor, config.embedding_weight, config.content_weight)
        return similarity + config.same_category_bonus * same_leaf

    def nearest(self, anchor: tf.Tensor, eligible: tf.Tensor, enough: tf.Tensor) -> tf.Tensor:
        """Returns `[B, n]` int32: of `eligible [B, N + 1]` the items most like the anchors, `enough [B]`; 0 = none."""
        score = tf.where(eligible, self.catalogue(anchor), -float("inf"))
        most = tf.reduce_max(tf.concat([enough, [self._config.candidates]], axis=0))
        score, item = tf.math.top_k(score, tf.minimum(most, self._sources.num_rows))
        return tf.where((score > -float("inf")) & (anchor > 0)[:, None], item, 0)

    def order(self, slate: CandidateSlate, anchor: tf.Tensor) -> CandidateSlate:
        """Returns the slate with closeness as the score in the rows that have an anchor."""
        score = tf.gather(self.catalogue(anchor), slate.item, batch_dims=1)
        is_close = (anchor > 0)[:, None] & (slate.score > -float("inf"))
        return CandidateSlate(
            item=slate.item, score=tf.where(is_close, score, slate.score), probability=slate.probability
        )
