"""Weighs amounts by the probability that an offer is taken, or by what the offer adds to that probability."""

import tensorflow as tf

from tfrec.models.query import QUERY_SPEC, Query
from tfrec.models.shared_graphs import rare_graph
from tfrec.strategy.candidate_slate import CandidateSlate
from tfrec.strategy.sources import Sources


class Chances:
    """Probabilities of the offers of a funnel, with or without what would be bought anyway.

    Args:
        sources: estimate what is bought without being offered.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        lists, scores = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None], tf.float32)
        self._added_graph = rare_graph(self._added, QUERY_SPEC, lists, scores, tf.TensorSpec([None], tf.bool))

    def of(self, query: Query, slate: CandidateSlate, is_incremental: tf.Tensor) -> tf.Tensor:
        """Returns `[B, C]` float32: the probabilities of `slate [B, C]`, or what its offers add to them.

        Args:
            query: the queries, with what the users bought.
            slate: candidates in any order.
            is_incremental: `[B]` bool: what would be bought anyway is left out.
        """
        return tf.cond(
            tf.reduce_any(is_incremental),
            lambda: self._added_graph(query, slate.item, slate.probability, is_incremental),
            lambda: slate.probability,
        )

    def _added(self, query: Query, items: tf.Tensor, probability: tf.Tensor, is_incremental: tf.Tensor) -> tf.Tensor:
        """Returns what `of` does; traced once."""
        added = added_chance(probability, self._sources.organic(query, items))
        return tf.where(is_incremental[:, None], added, probability)


def added_chance(probability: tf.Tensor, organic: tf.Tensor) -> tf.Tensor:
    """Returns by how much an offer raises the probability of a purchase: `max(P(buy | shown) − P(buy anyway), 0)`.

    What counts for a shop is the change by its offer, not the purchase (Bodapati 2008, "Recommendation Systems with
    Purchase Data"; Sato et al. 2019, "Uplift-based Evaluation and Optimization of Recommenders").

    Args:
        probability: `[B, C]` that the item is bought next, where it is offered.
        organic: `[B, C]` that it is bought without that, see `tfrec.models.organic`.

    Examples:
        >>> added_chance(tf.constant([[0.5, 0.2]]), tf.constant([[0.375, 0.25]])).numpy()
        array([[0.125, 0.   ]], dtype=float32)
    """
    return tf.maximum(probability - organic, 0.0)
