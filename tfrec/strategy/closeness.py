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
        anchor = tf.maximum(anchor, 0)
        return self._closeness(anchor, self._leaf_of(tf.range(self._sources.num_rows))[None, :], None)

    def nearest(self, anchor: tf.Tensor, eligible: tf.Tensor, enough: tf.Tensor) -> tf.Tensor:
        """Returns `[B, n]` int32: of `eligible [B, N + 1]` the items most like the anchors, `enough [B]`; 0 = none."""
        score = tf.where(eligible, self.catalogue(anchor), -float("inf"))
        most = tf.reduce_max(tf.concat([enough, [self._config.candidates]], axis=0))
        score, item = tf.math.top_k(score, tf.minimum(most, self._sources.num_rows))
        return tf.where((score > -float("inf")) & (anchor > 0)[:, None], item, 0)

    def order(self, slate: CandidateSlate, anchor: tf.Tensor) -> CandidateSlate:
        """Returns the slate with closeness as the score in the rows that have an anchor."""
        score = self._closeness(tf.maximum(anchor, 0), self._leaf_of(slate.item), slate.item)
        is_close = (anchor > 0)[:, None] & (slate.score > -float("inf"))
        return CandidateSlate(
            item=slate.item, score=tf.where(is_close, score, slate.score), probability=slate.probability
        )

    def _closeness(self, anchor: tf.Tensor, leaf: tf.Tensor, items: tf.Tensor | None) -> tf.Tensor:
        """Returns `[B, C]` float32 of `items`, whose leaf categories are `leaf`; None = of the catalogue."""
        config, own_leaf = self._config, self._leaf_of(anchor)[:, None]
        same_leaf = tf.cast(tf.equal(leaf, own_leaf) & (own_leaf > 0), tf.float32)
        similarity = self._sources.similarity(
            anchor, items, embedding_weight=config.embedding_weight, content_weight=config.content_weight
        )
        return similarity + config.same_category_bonus * same_leaf

    def _leaf_of(self, items: tf.Tensor) -> tf.Tensor:
        return tf.gather(self._sources.categories, items)[..., -1]
