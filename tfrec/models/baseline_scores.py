"""Implements the formulas of the baselines that are served in the graph: the same tables, as tensors."""

from typing import Protocol

import numpy as np
import tensorflow as tf

from tfrec.baselines.blend import BlendedScores
from tfrec.baselines.linear import LinearScores
from tfrec.baselines.scores import BaselineScores
from tfrec.errors import ConfigError
from tfrec.features.item_weights import Weights
from tfrec.models.graph_tables import AskedInGraph, DenseTable, SparseTable, table
from tfrec.models.size_of import size_of


class GraphScores(Protocol):
    """A formula in the graph."""

    @property
    def variables(self) -> list[tf.Variable]:
        """Its tables."""

    def __call__(self, asked: AskedInGraph) -> tf.Tensor:
        """Returns `[B, n]` scores."""


class LinearInGraph:
    """`LinearScores` in the graph.

    Args:
        scores: the formula's tables.
    """

    def __init__(self, scores: LinearScores) -> None:
        self._context_weight, self._is_latest_only = scores.context_weight, scores.is_latest_only
        self._weights = None if scores.weights is None else _product_table(scores.weights, "item_weights")
        self._own = None if scores.own is None else SparseTable(scores.own, "own_scores")
        self._history_weights = (
            None if scores.history_weights is None else SparseTable(scores.history_weights, "history_weights")
        )
        items = scores.item_scores
        self._item_scores = None if items is None else table(items.astype(np.float32), "item_scores")

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        parts = (self._weights, self._own, self._history_weights)
        items = [] if self._item_scores is None else [self._item_scores]
        return [*items, *(variable for part in parts if part is not None for variable in part.variables)]

    def __call__(self, asked: AskedInGraph) -> tf.Tensor:
        """Returns `[B, n]` scores."""
        terms = []
        if self._weights is not None:
            context_weights = _latest_of(asked) if self._is_latest_only else asked.context
            context_weights *= self._context_weight
            if self._history_weights is not None:
                context_weights += self._history_weights.rows(asked.user)
            terms.append(self._weights.product(context_weights))
        if self._own is not None:
            terms.append(self._own.rows(asked.user))
        if self._item_scores is not None:
            terms.append(tf.broadcast_to(self._item_scores[None, :], tf.shape(asked.context)))
        return tf.add_n(terms)


class BlendedInGraph:
    """`BlendedScores` in the graph.

    Args:
        scores: the two formulas.
    """

    def __init__(self, scores: BlendedScores) -> None:
        self._parts = [(scores.share, in_graph(scores.first)), (1 - scores.share, in_graph(scores.second))]

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        return [variable for _, part in self._parts for variable in part.variables]

    def __call__(self, asked: AskedInGraph) -> tf.Tensor:
        """Returns `[B, n]` scores."""
        return tf.add_n([_per_largest(part(asked)) * share for share, part in self._parts])


def in_graph(scores: BaselineScores) -> GraphScores:
    """Returns a formula in the graph.

    Raises:
        ConfigError: it cannot be served.
    """
    if isinstance(scores, LinearScores):
        return LinearInGraph(scores)
    if isinstance(scores, BlendedScores):
        return BlendedInGraph(scores)
    raise ConfigError(
        f"{type(scores).__name__} cannot be served: only sums of tables (LinearScores) and their blends "
        "(BlendedScores) have a form in the graph."
    )


def _product_table(weights: Weights, name: str) -> SparseTable | DenseTable:
    return DenseTable(weights, name) if isinstance(weights, np.ndarray) else SparseTable(weights, name)


def _latest_of(asked: AskedInGraph) -> tf.Tensor:
    """Returns `[B, n]`, 1 at each query's latest item."""
    latest = tf.reduce_max(tf.pad(asked.recent, [[0, 0], [1, 0]], constant_values=-1)[:, -1:], axis=1)
    return tf.one_hot(latest, size_of(asked.context, 1))


def _per_largest(scores: tf.Tensor) -> tf.Tensor:
    """Returns `[B, n]` scores divided by the largest of their row, where that is positive."""
    largest = tf.reduce_max(scores, axis=1, keepdims=True)
    return scores / tf.where(largest > 0, largest, 1.0)
