"""Orders items by how well they stand in for the anchor (`similar`): near in embedding and content, of its category."""

import functools

import tensorflow as tf

from tfrec.models.query import Query
from tfrec.models.sources.candidate_sources import Allows
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

    def of(self, anchor: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, m]` float32: how well `items [1 or B, m]` stand in for the anchor `[B]`; -inf without one."""
        return tf.where((anchor > 0)[:, None], self._closeness(tf.maximum(anchor, 0), items), -float("inf"))

    def nearest(self, query: Query, allows: Allows, anchor: tf.Tensor, enough: tf.Tensor) -> tf.Tensor:
        """Returns `[B, n]` int32: of the items that may be offered those most like the anchors `[B]`; 0 = none.

        At least `enough [B]` of them, if there are so many. An index is asked first; where limits leave too few of what
        it finds, all items are compared.

        Args:
            query: the queries.
            allows: which items may be offered.
            anchor: int32; 0 or less = none.
            enough: int32.
        """
        wanted = tf.where(anchor > 0, tf.maximum(enough, self._config.candidates), 0)
        near = self._sources.nearest_by_index(tf.maximum(anchor, 0), wanted)

        def of_all(wanted: tf.Tensor) -> tf.Tensor:
            return self._sources.best_of_catalogue(query, allows, functools.partial(self.of, anchor), wanted)

        if near is None:
            return of_all(wanted)
        found = self._sources.best_of(query, allows, functools.partial(self.of, anchor), wanted, items=near)
        has = tf.reduce_sum(tf.cast(found > 0, tf.int32), axis=1)
        is_done = has >= wanted
        own = tf.where(is_done[:, None], found, 0)  # each row as it would be alone

        def with_others() -> tf.Tensor:
            return tf.concat([own, of_all(tf.where(is_done, 0, wanted))], axis=1)

        return tf.cond(tf.reduce_all(is_done), lambda: own, with_others)

    def order(self, slate: CandidateSlate, anchor: tf.Tensor) -> CandidateSlate:
        """Returns the slate with closeness as the score in the rows that have an anchor."""
        score = self._closeness(tf.maximum(anchor, 0), slate.item)
        is_close = (anchor > 0)[:, None] & (slate.score > -float("inf"))
        return CandidateSlate(
            item=slate.item, score=tf.where(is_close, score, slate.score), probability=slate.probability
        )

    def _closeness(self, anchor: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]` float32 of `items [1 or B, C]`."""
        config, leaf, own_leaf = self._config, self._leaf_of(items), self._leaf_of(anchor)[:, None]
        same_leaf = tf.cast(tf.equal(leaf, own_leaf) & (own_leaf > 0), tf.float32)
        similarity = self._sources.similarity(
            anchor, items, embedding_weight=config.embedding_weight, content_weight=config.content_weight
        )
        return similarity + config.same_category_bonus * same_leaf

    def _leaf_of(self, items: tf.Tensor) -> tf.Tensor:
        return tf.gather(self._sources.categories, items)[..., -1]
