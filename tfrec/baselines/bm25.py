"""Scores by inner products of BM25-weighted item vectors over baskets."""

import dataclasses

import numpy as np
import scipy.sparse

from tfrec.baselines.history import History
from tfrec.baselines.linear import score_by_weights
from tfrec.baselines.scores import FittedScorer
from tfrec.features.item_weights import truncate


@dataclasses.dataclass(frozen=True)
class Bm25:
    """Inner product of BM25-weighted item vectors over baskets, as `implicit`'s `BM25Recommender`.

    `w_ui = idf_u · (k1 + 1) / (k1 · (1 − b + b · n_i / mean n) + 1)` for item i in basket u, `idf_u` falling in the
    basket's length; `W = wᵀw`, each row's `num_neighbours` strongest (Robertson & Zaragoza 2009).

    Attributes:
        num_neighbours: neighbours kept of each item.
        k1: how late a weight saturates.
        b: how much an item's popularity counts against it.
    """

    num_neighbours: int = 200
    k1: float = 1.2
    b: float = 0.75

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the neighbours in `history`."""
        baskets = history.baskets.tocoo()
        size = np.asarray(history.baskets.sum(axis=1)).ravel()
        rarity = np.log(baskets.shape[1]) - np.log1p(size)
        length = 1 - self.b + self.b * history.popularity / max(history.popularity.mean(), 1e-9)
        data = rarity[baskets.row] * (self.k1 + 1) / (self.k1 * length[baskets.col] + 1)
        weighted = scipy.sparse.csr_matrix((data.astype(np.float32), (baskets.row, baskets.col)), baskets.shape)
        product = (weighted.T @ weighted).tocsr()
        product.setdiag(0)
        return score_by_weights(truncate(product, n=self.num_neighbours).to_sparse(), history)
