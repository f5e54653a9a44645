"""`tfrec.features.baseline_scores` in the graph: the same tables, the same formulas, as tensors."""

from typing import Protocol

import numpy as np
import scipy.sparse
import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.features.baseline_scores import BaselineScores, BlendedScores, LinearScores
from tfrec.features.item_weights import Weights


class AskedInGraph(tf.experimental.ExtensionType):
    """A batch of queries over the `n` items that a baseline knows.

    Attributes:
        context: `[B, n]` float32; 1 for items in the cart, or earlier in the session.
        recent: `[B, T]` int32 items, oldest first; -1 = none.
        user: `[B]` int32 rows of the users' matrices.
    """

    context: tf.Tensor
    recent: tf.Tensor
    user: tf.Tensor


class GraphScores(Protocol):
    """A formula in the graph."""

    @property
    def variables(self) -> list[tf.Variable]:
        """Its tables."""

    def __call__(self, asked: AskedInGraph) -> tf.Tensor:
        """Returns `[B, n]` scores."""


class SparseTable:
    """A sparse matrix `[R, C]`, of which weighted sums of rows are taken.

    Args:
        matrix: the cells.
        name: of the variables.
    """

    def __init__(self, matrix: scipy.sparse.csr_matrix, name: str) -> None:
        matrix = scipy.sparse.csr_matrix(matrix, dtype=np.float32)
        matrix.sort_indices()
        self.shape = matrix.shape
        self._splits = _table(matrix.indptr.astype(np.int32), f"{name}_splits")
        self._column = _table(matrix.indices.astype(np.int32), f"{name}_column")
        self._value = _table(matrix.data, f"{name}_value")

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        return [self._splits, self._column, self._value]

    def product(self, left: tf.Tensor) -> tf.Tensor:
        """Returns `left [B, R] @ matrix`, dense; zeros of `left` cost nothing."""
        at = tf.cast(tf.where(tf.not_equal(left, 0.0)), tf.int32)
        return self._summed(at[:, 0], at[:, 1], tf.gather_nd(left, at), size=tf.shape(left)[0])

    def rows(self, row: tf.Tensor) -> tf.Tensor:
        """Returns the rows `[B]`, dense."""
        size = tf.shape(row)[0]
        return self._summed(tf.range(size), row, tf.ones([size]), size=size)

    def _summed(self, query: tf.Tensor, row: tf.Tensor, weight: tf.Tensor, *, size: tf.Tensor) -> tf.Tensor:
        """`[size, C]`: rows `[M]` times weights, added up for each query."""
        start = tf.gather(self._splits, row)
        length = tf.gather(self._splits, row + 1) - start
        entry = tf.repeat(tf.range(tf.shape(row)[0]), length)
        first = tf.cumsum(length, exclusive=True) - start
        cell = tf.range(tf.shape(entry)[0]) - tf.gather(first, entry)
        value = tf.gather(self._value, cell) * tf.gather(weight, entry)
        segment = tf.gather(query, entry) * self.shape[1] + tf.gather(self._column, cell)
        total = tf.math.unsorted_segment_sum(value, segment, size * self.shape[1])
        return tf.reshape(total, [size, self.shape[1]])


class DenseTable:
    """A dense matrix `[R, C]`, of which weighted sums of rows are taken.

    Args:
        matrix: the cells.
        name: of the variable.
    """

    def __init__(self, matrix: np.ndarray, name: str) -> None:
        self.shape = matrix.shape
        self._matrix = _table(np.ascontiguousarray(matrix, np.float32), name)

    @property
    def variables(self) -> list[tf.Variable]:
        """The table."""
        return [self._matrix]

    def product(self, left: tf.Tensor) -> tf.Tensor:
        """Returns `left [B, R] @ matrix`; zeros of `left` cost nothing."""
        return tf.sparse.sparse_dense_matmul(tf.sparse.from_dense(left), self._matrix)


class LinearInGraph:
    """`LinearScores` in the graph.

    Args:
        scores: the formula's tables.
    """

    def __init__(self, scores: LinearScores) -> None:
        self._context_weight, self._is_latest_only = scores.context_weight, scores.is_latest_only
        self._weights = None if scores.weights is None else _product_table(scores.weights, "item_weights")
        self._own = None if scores.own is None else SparseTable(scores.own, "own_scores")
        self._speakers = None if scores.speakers is None else SparseTable(scores.speakers, "speakers")
        items = scores.item_scores
        self._item_scores = None if items is None else _table(items.astype(np.float32), "item_scores")

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        parts = (self._weights, self._own, self._speakers)
        items = [] if self._item_scores is None else [self._item_scores]
        return [*items, *(variable for part in parts if part is not None for variable in part.variables)]

    def __call__(self, asked: AskedInGraph) -> tf.Tensor:
        """Returns `[B, n]` scores."""
        terms = []
        if self._weights is not None:
            spoken = _latest_of(asked) if self._is_latest_only else asked.context
            spoken *= self._context_weight
            if self._speakers is not None:
                spoken += self._speakers.rows(asked.user)
            terms.append(self._weights.product(spoken))
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
    kinds = {LinearScores: LinearInGraph, BlendedScores: BlendedInGraph}
    kind = kinds.get(type(scores))
    if kind is None:
        served = ", ".join(known.__name__ for known in kinds)
        raise ConfigError(f"{type(scores).__name__} cannot be served; only {served} have a form in the graph.")
    return kind(scores)


def _product_table(weights: Weights, name: str) -> SparseTable | DenseTable:
    return DenseTable(weights, name) if isinstance(weights, np.ndarray) else SparseTable(weights, name)


def _latest_of(asked: AskedInGraph) -> tf.Tensor:
    """`[B, n]`, 1 at each query's latest item."""
    latest = tf.reduce_max(tf.pad(asked.recent, [[0, 0], [1, 0]], constant_values=-1)[:, -1:], axis=1)
    return tf.one_hot(latest, tf.shape(asked.context)[1])


def _per_largest(scores: tf.Tensor) -> tf.Tensor:
    largest = tf.reduce_max(scores, axis=1, keepdims=True)
    return scores / tf.where(largest > 0, largest, 1.0)


def _table(values: np.ndarray, name: str) -> tf.Variable:
    return tf.Variable(values, trainable=False, name=name)
