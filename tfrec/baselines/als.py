"""Scores by matrix factors: implicit ALS with the cart folded in. Needs the extra `benchmarks`."""

import dataclasses
import itertools
from typing import ClassVar

import numpy as np

from tfrec.baselines.history import History
from tfrec.baselines.scores import Asked, FittedScorer
from tfrec.errors import EnvironmentSetupError, install_hint

_SLAB = 256  # queries solved for at once


@dataclasses.dataclass(frozen=True)
class ImplicitAls:
    """Weighted least squares on baskets by the library `implicit` (Hu, Koren & Volinsky, ICDM 2008).

    `min Σ c_ui (p_ui − x_u·y_i)² + l2 (Σ‖x_u‖² + Σ‖y_i‖²)` with `c = alpha` where a basket holds an item, else 1. A
    cart's factors are solved for at query time, against the fitted item factors.

    Attributes:
        factors: size of the factors.
        alpha: confidence of a purchase.
        l2: regularisation.
        iterations: sweeps over users and items.
        seed: random seed of the first factors.
    """

    factors: int = 256
    alpha: float = 20.0
    l2: float = 0.01
    iterations: int = 15
    seed: int = 0

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the factors of `history`.

        Raises:
            EnvironmentSetupError: the library is not installed.
        """
        try:
            from implicit.cpu.als import AlternatingLeastSquares
            from threadpoolctl import threadpool_limits  # comes with implicit
        except ImportError as error:
            raise EnvironmentSetupError(
                f"ImplicitAls needs the library `implicit`. {install_hint('benchmarks')}."
            ) from error
        with threadpool_limits(1, "blas"):  # its own threads are many times slower when BLAS has some too
            model = AlternatingLeastSquares(
                factors=self.factors,
                regularization=self.l2,
                alpha=self.alpha,
                iterations=self.iterations,
                random_state=self.seed,
                dtype=np.float32,
            )
            model.fit(history.baskets, show_progress=False)
        scores = AlsScores(np.asarray(model.item_factors, np.float32), alpha=self.alpha, l2=self.l2)
        return FittedScorer(scores, history)


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

    uses_context: ClassVar[bool] = True
    uses_history: ClassVar[bool] = False

    @property
    def regularised_gram(self) -> np.ndarray:
        """`[d, d]` `YᵀY + l2 I`, the left side of an empty cart's system."""
        return self.factors.T @ self.factors + self.l2 * np.eye(self.factors.shape[1], dtype=np.float32)

    def score(self, asked: Asked) -> np.ndarray:
        """Returns `[B, n]` scores."""
        regularised_gram, carts = self.regularised_gram, asked.contexts
        right = self.alpha * (carts @ self.factors)
        solved = np.empty_like(right)
        for start in range(0, len(right), _SLAB):
            slab = carts[start : start + _SLAB]
            left = np.repeat(regularised_gram[None], slab.shape[0], axis=0)
            for row, (first, last) in enumerate(itertools.pairwise(slab.indptr)):
                chosen = self.factors[slab.indices[first:last]]
                left[row] += (self.alpha - 1.0) * (chosen.T @ chosen)
            solved[start : start + _SLAB] = np.linalg.solve(left, right[start : start + _SLAB, :, None])[..., 0]
        return solved @ self.factors.T
