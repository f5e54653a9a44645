"""Keeps the nearest neighbours of each query."""

import numpy as np
import scipy.sparse

from tfrec.features.item_weights import strongest_cells


def strongest_per_row(
    matrix: scipy.sparse.csr_matrix, *, k: int, also: np.ndarray | None = None
) -> tuple[scipy.sparse.csr_matrix, np.ndarray]:
    """Returns the k largest positive cells of each row, and the values of `also` at these cells (their own, if None).

    Args:
        matrix: `[B, n]` sparse.
        k: cells kept of a row.
        also: `[nnz]` a further value of each cell of `matrix`.
    """
    at = np.sort(strongest_cells(matrix, k=k))
    starts = np.searchsorted(at, matrix.indptr)
    kept = scipy.sparse.csr_matrix((matrix.data[at], matrix.indices[at], starts), shape=matrix.shape)
    return kept, kept.data if also is None else also[at]
