"""Scores by the shrunk cosine of items over baskets, summed over the cart."""

import dataclasses

import numpy as np
import scipy.sparse

from tfrec.baselines.history import History
from tfrec.baselines.linear import score_by_weights
from tfrec.baselines.scores import FittedScorer
from tfrec.errors import ConfigError
from tfrec.features.item_weights import co_purchase_pairs


@dataclasses.dataclass(frozen=True)
class CoPurchaseCosine:
    """Shrunk cosine of items over baskets, summed; see `co_purchase_cosine`."""

    shrink: float = 20.0

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the cosines in `history`."""
        return score_by_weights(co_purchase_cosine(history.baskets, shrink=self.shrink), history)


def co_purchase_cosine(orders: scipy.sparse.csr_matrix, *, shrink: float = 20.0) -> scipy.sparse.csr_matrix:
    """Returns the shrunk cosine of items over orders, `[num_items, num_items]`, sparse and symmetric.

    `w_ij = n_ij / (√(n_i n_j) + shrink)` with `n_ij` orders that hold both; `shrink` (in orders) holds back pairs
    that were seen together by chance (Bell & Koren 2007).
    """
    if not shrink >= 0:
        raise ConfigError(f"`shrink` must be 0 or above; got {shrink}.")
    pairs, single = co_purchase_pairs(orders)
    pairs.data /= np.sqrt(single[pairs.row] * single[pairs.col]) + np.float32(shrink)
    return pairs.tocsr()
