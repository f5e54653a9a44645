"""Scores by matrix factors: implicit ALS with the cart folded in. Needs the extra `benchmarks`."""

import dataclasses

import numpy as np

from tfrec.errors import EnvironmentSetupError, install_hint
from tfrec.evaluation.baselines.history import FittedScorer, History
from tfrec.features.factor_scores import AlsScores


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
