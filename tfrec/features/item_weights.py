"""Item-to-item weights from orders, as `[num_items, N]` neighbours and weights.

Row items (those of a cart) contribute to the scores of column items, so that a batch of carts `C` is scored by `C @ W`.
 Every fit takes `orders`, a sparse `[num_orders, num_items]` matrix as `order_matrix` builds it (an order a
row, 1 where it holds the item), and its settings by keyword.
"""

import dataclasses
from typing import TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.errors import ConfigError, SchemaError

Weights: TypeAlias = np.ndarray | scipy.sparse.csr_matrix
"""Item-to-item weights `[num_items, num_items]`, dense or sparse; the diagonal is 0."""

_SLAB = 1 << 22
"""Cells that a blockwise step holds at a time: 16 MiB of float32."""


def order_matrix(purchases: pd.DataFrame, item_ids: pd.Index) -> scipy.sparse.csr_matrix:
    """Returns `[num_orders, num_items]`: 1 where an order holds an item, however many lines or pieces.

    Args:
        purchases: events with `order_id` and `item_id`; rows without an order or with an item outside
            `item_ids` are left out. Orders stand in the order of their first row.
        item_ids: the items, in the order of the columns.
    """
    column = item_ids.get_indexer(purchases["item_id"])
    inside = (column >= 0) & (purchases["order_id"] != "").to_numpy()
    row, orders = pd.factorize(purchases["order_id"][inside])
    cells = (np.ones(len(row), np.float32), (row, column[inside]))
    return _binary(scipy.sparse.csr_matrix(cells, shape=(len(orders), len(item_ids))))


@dataclasses.dataclass(frozen=True)
class ItemWeights:
    """The strongest weights of each item, a table that is gathered in microseconds at any catalogue size.

    Attributes:
        neighbours: `[num_items, N]` int32 item indices, strongest first; -1 behind the end of a short row.
        weights: `[num_items, N]` float32, positive and descending; 0 where `neighbours` is -1.

    Raises:
        SchemaError: shapes or types differ from the above, an index is out of range, or padding carries weight.
    """

    neighbours: np.ndarray  # [num_items, N]
    weights: np.ndarray  # [num_items, N]

    def __post_init__(self) -> None:
        if self.neighbours.ndim != 2 or self.neighbours.shape != self.weights.shape:
            raise SchemaError(
                "`neighbours` and `weights` must both be [num_items, N]; "
                f"got {self.neighbours.shape} and {self.weights.shape}."
            )
        if self.neighbours.dtype != np.int32 or self.weights.dtype != np.float32:
            raise SchemaError(
                "`neighbours` must be int32 and `weights` float32; "
                f"got {self.neighbours.dtype} and {self.weights.dtype}. Convert with `.astype`."
            )
        if self.neighbours.size and not -1 <= self.neighbours.min() <= self.neighbours.max() < self.num_items:
            raise SchemaError(
                f"`neighbours` must lie in -1..{self.num_items - 1}; "
                f"got {self.neighbours.min()}..{self.neighbours.max()}. Index them by the rows of this table."
            )
        if self.weights[self.neighbours < 0].any():
            raise SchemaError("`weights` must be 0 where `neighbours` is -1. Set the padding's weights to 0.")

    @property
    def num_items(self) -> int:
        """Number of items, the rows of the table."""
        return len(self.neighbours)

    def to_sparse(self) -> scipy.sparse.csr_matrix:
        """Returns the same weights as a `[num_items, num_items]` sparse matrix."""
        row, column = np.nonzero(self.neighbours >= 0)
        cells = (self.weights[row, column], (row, self.neighbours[row, column]))
        return scipy.sparse.csr_matrix(cells, shape=(self.num_items, self.num_items), dtype=np.float32)

    def score(self, carts: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
        """Returns sparse scores `[B, num_items]`: for each item the weights from the cart's items, summed."""
        return score(self.to_sparse(), carts)


def score(weights: Weights | ItemWeights, carts: scipy.sparse.csr_matrix) -> Weights:
    """Returns scores `[B, num_items]`, `carts @ weights`: dense for dense weights, sparse for sparse ones.

    Args:
        weights: `[num_items, num_items]`, or their truncation.
        carts: `[B, num_items]`, sparse; a cell is how much an item in the cart counts (1, or a decayed weight).

    Raises:
        SchemaError: the numbers of items differ.
    """
    matrix = weights.to_sparse() if isinstance(weights, ItemWeights) else weights
    if carts.shape[1] != matrix.shape[0]:
        raise SchemaError(
            f"`carts` must have a column for each of the {matrix.shape[0]} items of the weights; "
            f"got {carts.shape[1]}. Build both from one vocabulary."
        )
    return carts @ matrix


def co_purchase_counts(orders: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    """Returns how many orders hold both items, `[num_items, num_items]` float32; the diagonal counts each item's."""
    binary = _binary(orders)
    return (binary.T @ binary).tocsr().astype(np.float32)


def truncate(weights: Weights, *, n: int = 20) -> ItemWeights:
    """Returns the `n` strongest positive weights of each row; equal weights go by the smaller item index.

    EASE keeps nearly all of its accuracy at n = 20, since a cart's good candidates are strong neighbours of at
    least one of its items.

    Args:
        weights: `[num_items, num_items]`, dense or sparse; row item contributes to column item.
        n: width of the table.

    Raises:
        ConfigError: `n` is below 1.
    """
    if n < 1:
        raise ConfigError(f"`n` must be at least 1 neighbour; got {n}.")
    num_items = weights.shape[0]
    if scipy.sparse.issparse(weights):
        matrix = scipy.sparse.csr_matrix(weights)
        at = strongest_cells(matrix, k=n)
        row = np.searchsorted(matrix.indptr, at, side="right") - 1
        return _table(row, matrix.indices[at], matrix.data[at], num_items=num_items, n=n)
    width = min(n, num_items)
    step = max(1, _SLAB // num_items)
    cells = []
    for start in range(0, num_items, step):
        slab = weights[start : start + step]
        border = -np.partition(-slab, width - 1, axis=1)[:, width - 1 : width]
        row, column = np.nonzero((slab >= border) & (slab > 0))  # with all that tie with the n-th
        cells.append((row + start, column, slab[row, column]))
    row, column, value = (np.concatenate(part) for part in zip(*cells, strict=True))
    order = np.lexsort((column, -value, row))
    return _table(row[order], column[order], value[order], num_items=num_items, n=n)


def strongest_cells(matrix: scipy.sparse.csr_matrix, *, k: int) -> np.ndarray:
    """Returns `[cells]` positions in `matrix.data` of each row's k largest positive cells.

    Row by row, the largest first, equal ones by the smaller column. Rows are padded to the longest of their block, so
    that memory stays bounded.
    """
    size = np.diff(matrix.indptr)
    order = np.argsort(size, kind="stable")
    parts = []
    stop = len(order)
    while stop > 0:
        width = int(size[order[stop - 1]])
        rows = order[max(0, stop - max(1, _SLAB // max(1, width))) : stop]
        stop -= len(rows)
        at = matrix.indptr[rows][:, None] + np.arange(width)
        inside = np.arange(width) < size[rows][:, None]
        at = np.where(inside, at, 0)
        value = np.where(inside, matrix.data[at], 0) if width else np.zeros(at.shape, matrix.dtype)
        border = np.partition(value, width - k, axis=1)[:, width - k, None] if width > k else 0
        row, cell = np.nonzero((value > 0) & (value >= border))  # with all that tie with the k-th
        at = at[row, cell]
        row = rows[row]
        by_strength = np.lexsort((matrix.indices[at], -matrix.data[at], row))
        row, at = row[by_strength], at[by_strength]
        parts.append((row, at, np.arange(len(row)) - np.searchsorted(row, row)))
    if not parts:
        return np.zeros(0, np.int64)
    row, at, place = (np.concatenate(part) for part in zip(*parts, strict=True))
    row, at, place = row[place < k], at[place < k], place[place < k]
    return at[np.lexsort((place, row))]


def strongest_both_ways(weights: Weights, *, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns rows and columns of each row's `n` largest cells by absolute value, each column's `n` largest positive.

    Both are `[m]`; a cell may come twice.
    """
    row, column = truncate(abs(weights), n=n).to_sparse().nonzero()
    target, source = truncate(weights.T, n=n).to_sparse().nonzero()
    return np.concatenate([row, source]), np.concatenate([column, target])


def _table(row: np.ndarray, column: np.ndarray, value: np.ndarray, *, num_items: int, n: int) -> ItemWeights:
    """Returns the table of cells that stand row by row, the strongest first; what is behind the n-th is left out."""
    place = np.arange(len(row)) - np.searchsorted(row, row)
    inside = place < n
    neighbours = np.full((num_items, n), -1, np.int32)
    weights = np.zeros((num_items, n), np.float32)
    neighbours[row[inside], place[inside]] = column[inside]
    weights[row[inside], place[inside]] = value[inside]
    return ItemWeights(neighbours, weights)


def _binary(orders: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    """Returns orders `[num_orders, num_items]` as float32, 1 where an order holds an item."""
    binary = scipy.sparse.csr_matrix(orders, dtype=np.float32, copy=True)
    binary.sum_duplicates()
    binary.eliminate_zeros()
    binary.data[:] = 1
    return binary


def co_purchase_pairs(
    orders: scipy.sparse.csr_matrix, *, min_support: int = 1
) -> tuple[scipy.sparse.coo_matrix, np.ndarray]:
    """Returns `[N, N]` co-purchase counts without the diagonal and below-support pairs, and each item's count."""
    if min_support < 1:
        raise ConfigError(f"`min_support` must be at least 1 order; got {min_support}.")
    counts = co_purchase_counts(orders)
    single = counts.diagonal()
    pairs = counts.tocoo()
    keep = (pairs.row != pairs.col) & (pairs.data >= min_support)
    cells = (pairs.data[keep], (pairs.row[keep], pairs.col[keep]))
    return scipy.sparse.coo_matrix(cells, shape=counts.shape), single
