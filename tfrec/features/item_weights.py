"""Orders → item-to-item weights: what in a cart speaks for what else, as `[num_items, N]` neighbours and weights.

Rows are the items that speak (a cart's), columns the items spoken for, so that a batch of carts `C` is scored by
`C @ W`. Every fit takes `orders`, a sparse `[num_orders, num_items]` matrix as `order_matrix` builds it (an order a
row, 1 where it holds the item), and its dials by keyword.
"""

import dataclasses
import itertools
import logging
from typing import TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse
from scipy.linalg import lapack
from tqdm import tqdm

from tfrec.errors import ConfigError, SchemaError

logger = logging.getLogger(__name__)

Weights: TypeAlias = np.ndarray | scipy.sparse.csr_matrix
"""Item-to-item weights `[num_items, num_items]`, dense or sparse; the diagonal is 0."""

_DENSE_LIMIT = 30_000
"""Items up to which a dense float32 `[num_items, num_items]` matrix (3.6 GB at the limit) is worth its memory."""
_SLAB = 1 << 22
"""Cells that a blockwise step holds at a time: 16 MiB of float32."""
_WORK = 1 << 25
"""Products that a blockwise step of a sparse square adds up at a time."""


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


def fit_ease(orders: scipy.sparse.csr_matrix, *, l2: float = 60.0, dropout: float = 0.0) -> np.ndarray:
    """Returns EASE's dense float32 weights `[num_items, num_items]`, the closed form of the best linear item model.

    `B = argmin ‖X − X B‖² + l2 ‖B‖²  subject to diag(B) = 0`, which is `B = I − P diag(1 / diag P)` with
    `P = (XᵀX + l2 I)⁻¹` (Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data", eq. 8). `XᵀX` is
    factored and inverted in place by LAPACK (Cholesky, float32): one copy of the matrix, about
    `4 · num_items²` bytes, and `num_items³` operations (4,000 items 1–2 s, 30,000 items some minutes).

    With `dropout` the model has to tell each item of an order from a part of it, drawn anew: the expected loss adds
    `dropout / (1 − dropout) · diag(XᵀX)` to the penalty, so that frequent items are held back too (Steck 2020,
    "Autoencoders that don't overfit towards the Identity", eq. 6, "EDLAE").

    Args:
        orders: `[num_orders, num_items]`. Values count as they are: 1 where bought, and `√w` for an order that is
            to weigh `w`.
        l2: ridge penalty, in orders; larger is smoother.
        dropout: share of an order's items that is hidden, in [0, 1).

    Raises:
        ConfigError: a dial is out of range, or there are too many items for a dense inverse
            (use `fit_ease_neighbourhoods`).
    """
    _check_positive("l2", l2)
    _check_share("dropout", dropout)
    num_items = orders.shape[1]
    if num_items > _DENSE_LIMIT:
        raise ConfigError(
            f"A dense inverse takes up to {_DENSE_LIMIT:,} items; got {num_items:,}. "
            "Use `fit_ease_neighbourhoods`, which solves a small ridge system around each item."
        )
    gram = _dense_gram(orders)
    diagonal = np.einsum("ii->i", gram)
    diagonal *= np.float32(1.0 / (1.0 - dropout))
    diagonal += np.float32(l2)
    factor, failed = lapack.spotrf(gram.T, lower=0, overwrite_a=1, clean=0)
    if not failed:
        inverse, failed = lapack.spotri(factor, lower=0, overwrite_c=1)
    if failed:
        raise ConfigError(f"XᵀX + l2·I must be positive definite in float32; it was not with l2 = {l2:g}. Raise `l2`.")
    scale = (-1.0 / np.diag(inverse)).astype(np.float32)
    _mirror_upper(inverse)
    weights = inverse.T  # row-major again; the inverse is symmetric
    weights *= scale[None, :]
    np.fill_diagonal(weights, 0.0)
    return weights


def fit_ease_neighbourhoods(
    orders: scipy.sparse.csr_matrix,
    *,
    l2: float = 60.0,
    dropout: float = 0.0,
    n: int = 20,
    neighbourhood: int = 64,
    max_pairs: int = 200_000_000,
    progress: bool = True,
) -> ItemWeights:
    """Returns EASE's strongest weights where the catalogue is too big for a dense inverse, in bounded memory.

    For each item j the ridge problem that EASE solves is solved over the items S that speak most for j alone
    (by cosine): `b = (G_SS + l2 I)⁻¹ G_Sj`, `G = XᵀX`. With every item in S this is EASE's column j exactly
    (Steck 2019, eq. 8; restricted as in fsSLIM, Ning & Karypis 2011). Memory: about 8 bytes a kept pair of `G` and
    `num_items · (neighbourhood + n) · 8` bytes.

    Args:
        orders: `[num_orders, num_items]`, as for `fit_ease`.
        l2: ridge penalty, in orders.
        dropout: as for `fit_ease`.
        n: weights kept of each item.
        neighbourhood: items in S.
        max_pairs: cells of `G` held; above it pairs seen in few orders are dropped, the fewest first.
        progress: show a bar.

    Raises:
        ConfigError: a dial is not positive.
    """
    _check_positive("l2", l2)
    _check_share("dropout", dropout)
    _check_positive("n", n)
    _check_positive("neighbourhood", neighbourhood)
    matrix = scipy.sparse.csr_matrix(orders, dtype=np.float32)
    num_items = matrix.shape[1]
    single = np.asarray(matrix.multiply(matrix).sum(axis=0), np.float32).ravel()
    pairs = _bounded_pairs(matrix, max_pairs=max_pairs, progress=progress)
    strength = pairs.copy()
    strength.data /= np.sqrt(single[np.repeat(np.arange(num_items), np.diff(pairs.indptr))] * single[pairs.indices])
    near = truncate(strength, n=min(neighbourhood, max(num_items - 1, 1))).neighbours
    del strength
    held_back = single / np.float32(1.0 - dropout)
    width = near.shape[1]
    above, below = np.triu_indices(width, 1)
    step = max(1, _SLAB // max(1, width * width))
    rows, columns, values = [], [], []
    for start in tqdm(range(0, num_items, step), desc="item weights", disable=not progress, leave=False):
        items = near[start : start + step]
        is_in = items >= 0
        place = np.where(is_in, items, 0)
        gram = np.zeros((len(items), width, width), np.float32)
        both = is_in[:, above] & is_in[:, below]
        row, cell = np.nonzero(both)
        shared = _cells(pairs, place[row, above[cell]], place[row, below[cell]])
        gram[row, above[cell], below[cell]] = shared
        gram[row, below[cell], above[cell]] = shared
        gram[:, np.arange(width), np.arange(width)] = np.where(is_in, held_back[place], 0) + np.float32(l2)
        target = np.zeros((len(items), width), np.float32)
        row, cell = np.nonzero(is_in)
        target[row, cell] = _cells(pairs, start + row, place[row, cell])
        solved = np.linalg.solve(gram, target[:, :, None])[:, :, 0]
        row, cell = np.nonzero(is_in & (solved > 0))
        rows.append(place[row, cell])
        columns.append((start + row).astype(np.int32))
        values.append(solved[row, cell])
    row, column, value = (np.concatenate(part) for part in (rows, columns, values))
    solution = scipy.sparse.csr_matrix((value, (row, column)), shape=(num_items, num_items))
    return truncate(solution, n=n)


def co_purchase_counts(orders: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    """Returns how many orders hold both items, `[num_items, num_items]` float32; the diagonal counts each item's."""
    binary = _binary(orders)
    return (binary.T @ binary).tocsr().astype(np.float32)


def co_purchase_cosine(orders: scipy.sparse.csr_matrix, *, shrink: float = 20.0) -> scipy.sparse.csr_matrix:
    """Returns the shrunk cosine of items over orders, `[num_items, num_items]`, sparse and symmetric.

    `w_ij = n_ij / (√(n_i n_j) + shrink)` with `n_ij` orders that hold both; `shrink` (in orders) holds back pairs
    that were seen together by chance (Bell & Koren 2007).
    """
    _check_not_negative("shrink", shrink)
    pairs, single = _pairs(orders)
    pairs.data /= np.sqrt(single[pairs.row] * single[pairs.col]) + np.float32(shrink)
    return pairs.tocsr()


def rule_confidence(orders: scipy.sparse.csr_matrix, *, min_support: int = 1) -> scipy.sparse.csr_matrix:
    """Returns the confidence of the rules item → item, `[num_items, num_items]`, sparse.

    `w_ij = P(j | i) = n_ij / n_i`, for pairs seen in at least `min_support` orders (Agrawal & Srikant 1994).
    """
    pairs, single = _pairs(orders, min_support=min_support)
    pairs.data /= single[pairs.row]
    return pairs.tocsr()


def rule_lift(orders: scipy.sparse.csr_matrix, *, min_support: int = 3) -> scipy.sparse.csr_matrix:
    """Returns the lift of the rules item → item, `[num_items, num_items]`, sparse and symmetric.

    `w_ij = P(i, j) / (P(i) P(j)) = n_ij · num_orders / (n_i n_j)`, for pairs seen in at least `min_support` orders:
    lift soars on pairs seen once (Brin et al. 1997).
    """
    pairs, single = _pairs(orders, min_support=min_support)
    pairs.data *= np.float32(orders.shape[0]) / (single[pairs.row] * single[pairs.col])
    return pairs.tocsr()


def truncate(weights: Weights, *, n: int = 20) -> ItemWeights:
    """Returns the `n` strongest positive weights of each row; equal weights go by the smaller item index.

    EASE keeps nearly all of its accuracy at n = 20, since a cart's good candidates are strong neighbours of at
    least one of its items.

    Args:
        weights: `[num_items, num_items]`, dense or sparse; rows speak for columns.
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
    """Returns the positions in `matrix.data` of each row's k largest positive cells.

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


def _table(row: np.ndarray, column: np.ndarray, value: np.ndarray, *, num_items: int, n: int) -> ItemWeights:
    """The table of cells that stand row by row, the strongest first; what is behind the n-th is left out."""
    place = np.arange(len(row)) - np.searchsorted(row, row)
    inside = place < n
    neighbours = np.full((num_items, n), -1, np.int32)
    weights = np.zeros((num_items, n), np.float32)
    neighbours[row[inside], place[inside]] = column[inside]
    weights[row[inside], place[inside]] = value[inside]
    return ItemWeights(neighbours, weights)


def _binary(orders: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    binary = scipy.sparse.csr_matrix(orders, dtype=np.float32, copy=True)
    binary.sum_duplicates()
    binary.eliminate_zeros()
    binary.data[:] = 1
    return binary


def _pairs(orders: scipy.sparse.csr_matrix, *, min_support: int = 1) -> tuple[scipy.sparse.coo_matrix, np.ndarray]:
    """Co-purchase counts without the diagonal and below-support pairs, and each item's count."""
    if min_support < 1:
        raise ConfigError(f"`min_support` must be at least 1 order; got {min_support}.")
    counts = co_purchase_counts(orders)
    single = counts.diagonal()
    pairs = counts.tocoo()
    keep = (pairs.row != pairs.col) & (pairs.data >= min_support)
    cells = (pairs.data[keep], (pairs.row[keep], pairs.col[keep]))
    return scipy.sparse.coo_matrix(cells, shape=counts.shape), single


def _dense_gram(orders: scipy.sparse.csr_matrix) -> np.ndarray:
    """`XᵀX`, dense float32 and row-major, written a slab of rows at a time so that no sparse product grows large."""
    matrix = scipy.sparse.csr_matrix(orders, dtype=np.float32)
    matrix.sum_duplicates()
    num_items = matrix.shape[1]
    transposed = matrix.T.tocsr()
    gram = np.empty((num_items, num_items), np.float32)
    step = max(1, _SLAB // max(1, num_items))
    for start in range(0, num_items, step):
        gram[start : start + step] = (transposed[start : start + step] @ matrix).toarray()
    return gram


def _bounded_pairs(matrix: scipy.sparse.csr_matrix, *, max_pairs: int, progress: bool) -> scipy.sparse.csr_matrix:
    """`XᵀX` without its diagonal, float32; pairs below a count that rises until at most `max_pairs` are left."""
    num_items = matrix.shape[1]
    transposed = matrix.T.tocsr()
    work = np.asarray(transposed @ np.diff(matrix.indptr).astype(np.float64))  # cells that each row's product visits
    ends = np.searchsorted(np.cumsum(work), np.arange(_WORK, work.sum() + _WORK, _WORK), side="left")
    bounds = np.unique(np.concatenate([[0], np.minimum(ends + 1, num_items), [num_items]]))
    floor, total, blocks = np.float32(0), 0, []
    for start, stop in tqdm(
        itertools.pairwise(bounds),
        desc="item pairs",
        total=len(bounds) - 1,
        disable=not progress,
        leave=False,
    ):
        block = (transposed[start:stop] @ matrix).tocoo()
        keep = (block.col != block.row + start) & (block.data > floor)
        blocks.append(scipy.sparse.csr_matrix((block.data[keep], (block.row[keep], block.col[keep])), block.shape))
        total += blocks[-1].nnz
        while total > max_pairs:
            floor += 1
            for part in blocks:
                part.data[part.data <= floor] = 0
                part.eliminate_zeros()
            total = sum(part.nnz for part in blocks)
    if floor:
        logger.warning("Pairs seen in at most %d orders were left out, to keep within %d pairs.", floor, max_pairs)
    pairs = scipy.sparse.vstack(blocks, format="csr")
    pairs.sort_indices()
    return pairs


def _cells(matrix: scipy.sparse.csr_matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.asarray(matrix[rows, columns]).ravel() if len(rows) else np.zeros(0, np.float32)


def _mirror_upper(square: np.ndarray) -> None:
    """Copies the upper triangle onto the lower, in place, a slab at a time."""
    size = len(square)
    step = max(1, _SLAB // max(1, size))
    for start in range(0, size, step):
        stop = min(size, start + step)
        block = square[start:stop, start:stop]
        block[:] = np.triu(block) + np.triu(block, 1).T
        square[stop:, start:stop] = square[start:stop, stop:].T


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ConfigError(f"`{name}` must be above 0; got {value}.")


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ConfigError(f"`{name}` must lie in [0, 1); got {value}.")


def _check_not_negative(name: str, value: float) -> None:
    if not value >= 0:
        raise ConfigError(f"`{name}` must be 0 or above; got {value}.")
