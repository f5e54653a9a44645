"""Scores the whole catalogue by item factors; the factors of a cart are solved for at query time.

The graph implementation is in `tfrec.models.factor_scores`; a test compares the two.
"""

import dataclasses
import itertools

import numpy as np

from tfrec.features.baseline_scores import Asked

_SLAB = 256  # queries solved for at once


@dataclasses.dataclass(frozen=True)
class AlsScores:
    """`score = Y x`, `x = (YᵀY + l2 I + (alpha − 1) Σ_c y_c y_cᵀ)⁻¹ alpha Σ_c y_c` over the items c of the cart.

    One half-step of alternating least squares for a new user (Hu, Koren & Volinsky, ICDM 2008, eq. 4).

    Attributes:
        factors: `[n, d]` of the items, Y.
        alpha: confidence of a purchase.
        l2: regularisation.
    """

    factors: np.ndarray
    alpha: float
    l2: float

    @property
    def uses_context(self) -> bool:
        """Whether the scores depend on the cart or session."""
        return True

    @property
    def uses_history(self) -> bool:
        """Whether the scores depend on the purchases of the user."""
        return False

    @property
    def unheard(self) -> np.ndarray:
        """`[d, d]` what an empty cart's factors are solved by, `YᵀY + l2 I`."""
        return self.factors.T @ self.factors + self.l2 * np.eye(self.factors.shape[1], dtype=np.float32)

    def score(self, asked: Asked) -> np.ndarray:
        """Returns `[B, n]` scores."""
        unheard, carts = self.unheard, asked.contexts
        right = self.alpha * (carts @ self.factors)
        solved = np.empty_like(right)
        for start in range(0, len(right), _SLAB):
            slab = carts[start : start + _SLAB]
            left = np.repeat(unheard[None], slab.shape[0], axis=0)
            for row, (first, last) in enumerate(itertools.pairwise(slab.indptr)):
                chosen = self.factors[slab.indices[first:last]]
                left[row] += (self.alpha - 1.0) * (chosen.T @ chosen)
            solved[start : start + _SLAB] = np.linalg.solve(left, right[start : start + _SLAB, :, None])[..., 0]
        return solved @ self.factors.T
