"""Fits the item-to-item weights of EASE: dense where the catalogue allows, else in parts."""

import itertools
import logging

import numpy as np
import scipy.sparse
from scipy.linalg import lapack
from tqdm import tqdm

from tfrec.errors import ConfigError
from tfrec.features.item_weights import strongest_both_ways, truncate

logger = logging.getLogger(__name__)

_DENSE_LIMIT = 30_000
"""Items up to which a dense float32 `[num_items, num_items]` matrix (3.6 GB at the limit) is worth its memory."""
_SLAB = 1 << 22
"""Cells that a blockwise step holds at a time: 16 MiB of float32."""
_WORK = 1 << 25
"""Products that a blockwise step of a sparse square adds up at a time."""


def fit_ease(orders: scipy.sparse.csr_matrix, *, l2: float = 60.0, dropout: float = 0.0) -> np.ndarray:
    """Returns EASE's dense float32 weights `[num_items, num_items]`, the closed form of the best linear item model.

    `B = argmin ‖X − X B‖² + l2 ‖B‖²  subject to diag(B) = 0`, which is `B = I − P diag(1 / diag P)` with
    `P = (XᵀX + l2 I)⁻¹` (Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data", eq. 8). `XᵀX` is
    factored and inverted in place by LAPACK (Cholesky, float32): one copy of the matrix, about
    `4 · num_items²` bytes, and `num_items³` operations (4,000 items 1–2 s, 30,000 items some minutes).

    With `dropout` the model predicts each item of an order from a random part of it: the expected loss adds
    `dropout / (1 − dropout) · diag(XᵀX)` to the penalty, so that frequent items are shrunk too (Steck 2020,
    "Autoencoders that don't overfit towards the Identity", eq. 6, "EDLAE").

    Args:
        orders: `[num_orders, num_items]`. Values count as they are: 1 where bought, and `√w` for an order that is
            to weigh `w`.
        l2: ridge penalty, in orders; larger is smoother.
        dropout: share of an order's items that is hidden, in [0, 1).

    Raises:
        ConfigError: a setting is out of range, or there are too many items for a dense inverse
            (use `fit_ease_in_parts`).
    """
    _check_positive("l2", l2)
    _check_share("dropout", dropout)
    num_items = orders.shape[1]
    if num_items > _DENSE_LIMIT:
        raise ConfigError(
            f"A dense inverse takes up to {_DENSE_LIMIT:,} items; got {num_items:,}. "
            "Use `fit_ease_in_parts`, which solves the most frequent items together and the others in neighbourhoods."
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


def fit_ease_in_parts(
    orders: scipy.sparse.csr_matrix,
    *,
    l2: float = 60.0,
    dropout: float = 0.0,
    n: int = 50,
    head: int = 5_000,
    neighbourhood: int = 64,
    max_pairs: int = 200_000_000,
    progress: bool = True,
) -> scipy.sparse.csr_matrix:
    """Returns EASE's strongest weights `[num_items, num_items]` where the catalogue is too big for a dense inverse.

    The weights among the `head` most frequent items are EASE of these items alone, negative weights too (`fit_ease`).
    Weights from or to a rarer item are solved around each item j: the ridge problem of EASE's column over the items S
    most similar to j (by cosine) alone, `b = (G_SS + l2 I)⁻¹ G_Sj`, `G = XᵀX`, positive weights. With every item
    in S this is EASE's column j exactly (Steck 2019, eq. 8; restricted as in fsSLIM, Ning & Karypis 2011). Memory:
    `8 · head²` bytes, about 8 bytes a kept pair of `G` and `num_items · (neighbourhood + n) · 8` bytes.

    Args:
        orders: `[num_orders, num_items]`, as for `fit_ease`.
        l2: ridge penalty, in orders.
        dropout: as for `fit_ease`.
        n: weights kept of each row, and of each column of the head.
        head: items solved together; 0 = none.
        neighbourhood: items in S.
        max_pairs: cells of `G` held; above it pairs seen in few orders are dropped, the fewest first.
        progress: show a bar.

    Raises:
        ConfigError: a setting is out of range.
    """
    _check_positive("l2", l2)
    _check_share("dropout", dropout)
    _check_positive("n", n)
    _check_positive("neighbourhood", neighbourhood)
    if head < 0:
        raise ConfigError(f"`head` must be 0 or above; got {head}.")
    matrix = scipy.sparse.csr_matrix(orders, dtype=np.float32)
    single = np.asarray(matrix.multiply(matrix).sum(axis=0), np.float32).ravel()
    pairs = _bounded_pairs(matrix, max_pairs=max_pairs, progress=progress)
    rest = _solve_neighbourhoods(
        pairs, single, l2=l2, dropout=dropout, n=n, neighbourhood=neighbourhood, progress=progress
    ).tocoo()
    items = np.sort(np.argsort(-single, kind="stable")[:head])
    if not len(items):
        return rest.tocsr()
    together = fit_ease(matrix[:, items], l2=l2, dropout=dropout)
    cell = np.unique(np.ravel_multi_index(strongest_both_ways(together, n=n), together.shape))
    row, column = np.unravel_index(cell, together.shape)
    is_head = np.zeros(matrix.shape[1], bool)
    is_head[items] = True
    kept = ~(is_head[rest.row] & is_head[rest.col])
    cells = (
        np.concatenate([together[row, column], rest.data[kept]]),
        (np.concatenate([items[row], rest.row[kept]]), np.concatenate([items[column], rest.col[kept]])),
    )
    return scipy.sparse.csr_matrix(cells, shape=rest.shape, dtype=np.float32)


def _solve_neighbourhoods(
    pairs: scipy.sparse.csr_matrix,
    single: np.ndarray,
    *,
    l2: float,
    dropout: float,
    n: int,
    neighbourhood: int,
    progress: bool,
) -> scipy.sparse.csr_matrix:
    """Returns the `n` strongest positive weights of each row, from a ridge problem around each item.

    `pairs [num_items, num_items]` is `G` without its diagonal, which is `single [num_items]`.
    """
    num_items = len(single)
    strength = pairs.copy()
    strength.data /= np.sqrt(single[np.repeat(np.arange(num_items), np.diff(pairs.indptr))] * single[pairs.indices])
    near = truncate(strength, n=min(neighbourhood, max(num_items - 1, 1))).neighbours
    del strength
    held_back = single / np.float32(1.0 - dropout)
    width = near.shape[1]
    above, below = np.triu_indices(width, 1)
    step = max(1, _SLAB // max(1, width * width))
    rows, columns, values = [], [], []
    for start in tqdm(range(0, num_items, step), desc="item weights", disable=None if progress else True, leave=False):
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
    return truncate(solution, n=n).to_sparse()


def _dense_gram(orders: scipy.sparse.csr_matrix) -> np.ndarray:
    """Returns `XᵀX` `[N, N]`, dense float32, row-major, computed slab by slab so that no sparse product grows large."""
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
    """Returns `XᵀX` without its diagonal, float32; a least count is raised until at most `max_pairs` are left."""
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
        disable=None if progress else True,
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
    """Returns `[cells]` float32, the values `matrix[rows, columns]`, also when there are none."""
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
