"""Rounds vectors to 8 bits a number, for inner products that cost little to read and are nearly right."""

import numpy as np

_MOST = 127


def round_vectors(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns codes `[M, d]` int8 and steps `[d]` float32: `vectors [M, d] ≈ codes · steps`, half a step off at most.

    A column's step is its largest number over 127. Inner products of the codes are taken with a query times the steps.

    Examples:
        >>> codes, steps = round_vectors(np.array([[1.27, 0], [-0.5, 0]]))
        >>> codes.tolist(), steps.tolist()
        ([[127, 0], [-50, 0]], [0.009999999776482582, 0.0])
    """
    steps = np.abs(vectors).max(axis=0, initial=0.0) / _MOST
    codes = np.rint(vectors / np.where(steps > 0, steps, 1.0))
    return codes.astype(np.int8), steps.astype(np.float32)
