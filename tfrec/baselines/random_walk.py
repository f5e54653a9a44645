"""Scores by random walks item → basket → item: P3α and RP3β."""

import dataclasses

import numpy as np
import scipy.sparse

from tfrec.baselines.history import History
from tfrec.baselines.linear import score_by_weights
from tfrec.baselines.scores import FittedScorer
from tfrec.features.item_weights import truncate


@dataclasses.dataclass(frozen=True)
class Rp3Beta:
    """Three steps of a random walk item → basket → item, popular ends held back; β = 0 is P3α.

    `W_ij = (Σ_u P(u | i)^α P(j | u)^α) / n_j^β` (Cooper et al. 2014; Paudel et al. 2017).

    Attributes:
        alpha: sharpness of each step.
        beta: how much an end's popularity counts against it.
        num_neighbours: neighbours kept of each item.
    """

    alpha: float = 1.0
    beta: float = 0.6
    num_neighbours: int = 200

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the walks in `history`."""
        size = np.asarray(history.baskets.sum(axis=1)).ravel()
        to_item = scipy.sparse.diags_array(np.maximum(size, 1) ** -self.alpha) @ history.baskets
        count = np.maximum(history.popularity, 1)
        to_basket = scipy.sparse.diags_array(count**-self.alpha) @ history.baskets.T
        walk = (to_basket @ to_item @ scipy.sparse.diags_array(count**-self.beta)).tocsr().astype(np.float32)
        walk.setdiag(0)
        return score_by_weights(truncate(walk, n=self.num_neighbours).to_sparse(), history)
