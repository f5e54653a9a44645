"""Turns the vectors that a shop states of its items into few numbers by which items are compared."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

_DIM = 64


def reduce_vectors(embeddings: np.ndarray) -> np.ndarray:
    """Returns `[N, c]` float32 unit vectors, c at most 64, zeros where an item has none.

    The mean of all is taken off before the principal components are kept: it is what all items have in common, and
    would make any two similar (Mu & Viswanath 2018).

    Args:
        embeddings: `[N, d]`, NaN in the rows of items that have none.
    """
    is_known = np.isfinite(embeddings).all(axis=1)
    known = embeddings[is_known]
    dim = min(_DIM, *known.shape)
    result = np.zeros((len(embeddings), max(dim, 1)), np.float32)
    if dim:
        reduced = PCA(dim, random_state=0).fit_transform(normalize(known))
        result[is_known] = normalize(reduced.astype(np.float32))
    return result


def unit_vectors(embeddings: np.ndarray) -> np.ndarray:
    """Returns the embeddings `[N, d]` as float32 of unit length, zeros where an item has none.

    Unlike `reduce_vectors` they mean the same whatever other items there are, so that weights may be trained on them.
    """
    return normalize(np.nan_to_num(embeddings)).astype(np.float32)
