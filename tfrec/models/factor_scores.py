"""Implements `tfrec.features.factor_scores` in the graph: one small linear system for each query."""

import tensorflow as tf

from tfrec.features.factor_scores import AlsScores
from tfrec.models.graph_tables import AskedInGraph, table


class AlsInGraph:
    """`AlsScores` in the graph.

    Args:
        scores: the formula's tables.
    """

    def __init__(self, scores: AlsScores) -> None:
        self._alpha = scores.alpha
        self._factors = table(scores.factors, "item_factors")
        self._unheard = table(scores.unheard, "unheard")

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        return [self._factors, self._unheard]

    def __call__(self, asked: AskedInGraph) -> tf.Tensor:
        """Returns `[B, n]` scores."""
        size = tf.reduce_max(tf.concat([tf.math.count_nonzero(asked.context, axis=1, dtype=tf.int32), [1]], axis=0))
        value, item = tf.math.top_k(asked.context, size)  # the cart first, as dense as the fullest one
        chosen = tf.gather(self._factors, item) * value[..., None]  # [B, size, d]
        left = self._unheard + (self._alpha - 1.0) * tf.matmul(chosen, chosen, transpose_a=True)
        right = self._alpha * tf.reduce_sum(chosen, axis=1)
        solved = tf.linalg.solve(left, right[..., None])[..., 0]
        return tf.matmul(solved, self._factors, transpose_b=True)
