"""Holds what the graph implementations of baselines share: queries, and sparse matrices; products of table rows."""

import numpy as np
import scipy.sparse
import tensorflow as tf

from tfrec.models.size_of import size_of

_BLOCK = 1 << 18  # rows that are converted at a time


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


class SparseTable:
    """A sparse matrix `[R, C]`, of which weighted sums of rows are taken.

    Args:
        matrix: the cells.
        name: name of the variables.
    """

    def __init__(self, matrix: scipy.sparse.csr_matrix, name: str) -> None:
        matrix = scipy.sparse.csr_matrix(matrix, dtype=np.float32)
        matrix.sort_indices()
        self.shape = matrix.shape
        self._splits = table(matrix.indptr.astype(np.int32), f"{name}_splits")
        self._column = table(matrix.indices.astype(np.int32), f"{name}_column")
        self._value = table(matrix.data, f"{name}_value")

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        return [self._splits, self._column, self._value]

    def product(self, left: tf.Tensor) -> tf.Tensor:
        """Returns `left [B, R] @ matrix`, dense; zeros of `left` cost nothing."""
        at = tf.cast(tf.where(tf.not_equal(left, 0.0)), tf.int32)
        return self._summed(at[:, 0], at[:, 1], tf.gather_nd(left, at), size=size_of(left))

    def rows(self, row: tf.Tensor) -> tf.Tensor:
        """Returns the rows `[B]`, dense."""
        size = size_of(row)
        return self._summed(tf.range(size), row, tf.ones([size]), size=size)

    def _summed(self, query: tf.Tensor, row: tf.Tensor, weight: tf.Tensor, *, size: tf.Tensor) -> tf.Tensor:
        """Returns `[size, C]`: rows `[M]` times weights, added up for each query."""
        start = tf.gather(self._splits, row)
        length = tf.gather(self._splits, row + 1) - start
        entry = tf.repeat(tf.range(size_of(row)), length)
        first = tf.cumsum(length, exclusive=True) - start
        cell = tf.range(size_of(entry)) - tf.gather(first, entry)
        value = tf.gather(self._value, cell) * tf.gather(weight, entry)
        segment = tf.gather(query, entry) * self.shape[1] + tf.gather(self._column, cell)
        total = tf.math.unsorted_segment_sum(value, segment, size * self.shape[1])
        return tf.reshape(total, [size, self.shape[1]])


class DenseTable:
    """A dense matrix `[R, C]`, of which weighted sums of rows are taken.

    Args:
        matrix: the cells.
        name: name of the variable.
    """

    def __init__(self, matrix: np.ndarray, name: str) -> None:
        self.shape = matrix.shape
        self._matrix = table(np.ascontiguousarray(matrix, np.float32), name)

    @property
    def variables(self) -> list[tf.Variable]:
        """The table."""
        return [self._matrix]

    def product(self, left: tf.Tensor) -> tf.Tensor:
        """Returns `left [B, R] @ matrix`; zeros of `left` cost nothing."""
        return tf.sparse.sparse_dense_matmul(tf.sparse.from_dense(left), self._matrix)


def table(values: np.ndarray, name: str) -> tf.Variable:
    """Returns an array `[n, ...]` that a graph reads, as a variable."""
    return tf.Variable(values, trainable=False, name=name)


def products(vectors: tf.Tensor, row: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Returns `[B, C]` inner products of a row `[B]` of a table with the rows `others [B, C]`.

    Examples:
        >>> products(tf.constant([[1.0, 0.0], [2.0, 1.0]]), tf.constant([1]), tf.constant([[0, 1, 1]])).numpy()
        array([[2., 5., 5.]], dtype=float32)
    """
    return tf.linalg.matvec(rows_of_table(vectors, others), rows_of_table(vectors, row))


def rows_of_table(vectors: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
    """Returns `[..., d]` float32 rows of a table `[N, d]`, which may be of half precision.

    What was gathered is converted, never the table.
    """
    return tf.cast(tf.gather(vectors, items), tf.float32)


def products_with_all(query: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    """Returns `[B, N]` float32 inner products of `query [B, d]` with the rows of a table `[N, d]`.

    A table of half precision is converted in blocks: processors do not multiply such numbers, and all of it would take
    as much memory again.
    """
    if vectors.dtype == tf.float32:
        return tf.matmul(query, vectors, transpose_b=True)
    starts = range(0, vectors.shape[0], _BLOCK)
    blocks = [tf.cast(vectors[start : start + _BLOCK], tf.float32) for start in starts]
    return tf.concat([tf.matmul(query, block, transpose_b=True) for block in blocks], axis=1)


def in_half_precision(vectors: np.ndarray) -> np.ndarray:
    """Returns the vectors `[N, d]` as float32 that float16 holds exactly: they mean the same in tables of either."""
    return vectors.astype(np.float16).astype(np.float32)


def codes_of(values: tf.Tensor, names: tuple[str, ...]) -> tf.Tensor:
    """Returns int32 places of texts, of any shape, among `names`, from 1; 0 for what is not among them."""
    is_name = tf.equal(values[..., None], tf.constant(names))
    return tf.reduce_max(tf.where(is_name, tf.range(1, len(names) + 1), 0), axis=-1)
