"""A fitted baseline with all that serving needs: items, users, purchases and calibration."""

import dataclasses

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.baselines.scores import BaselineScores
from tfrec.features.item_weights import ItemWeights, co_purchase_counts, truncate

_PAIRS = 100
"""Number of items kept of those most often bought with an item; reasons name them."""


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Score → probability that the item is bought next: `σ(slope · log(1 + max(score, 0) / scale) + intercept)`.

    Attributes:
        scale: scale of the scores, positive.
        slope: positive: a higher score never has a lower chance.
        intercept: log-odds of an item without a score.
    """

    scale: float
    slope: float
    intercept: float

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Returns the probabilities of scores `[...]`, of the same shape."""
        return 1 / (1 + np.exp(-(self.slope * self.signal(scores) + self.intercept)))

    def signal(self, scores: np.ndarray) -> np.ndarray:
        """Returns `log(1 + max(score, 0) / scale)` of scores `[...]`, of the same shape."""
        return np.log1p(np.maximum(scores, 0) / self.scale)


@dataclasses.dataclass(frozen=True)
class FittedBaseline:
    """All that the servable of a baseline is made of.

    Attributes:
        scores: the formula.
        item_ids: `[n]` the items that it knows: columns of its tables.
        user_ids: `[U]` the users that it knows; row `U` of its tables is a guest's.
        calibration: score → probability.
        purchases: `[V + 1, n]` sparse: in how many orders each buyer had each item; the last row is empty.
        buyer_ids: `[V]` who they are.
        popularity: `[n]` number of baskets that hold each item: orders what the formula leaves equal at 0.
        lately: `[n]` times bought in the last four weeks.
        pairs: `[n, P]` with what each item was bought, most often first; weights are numbers of orders.
    """

    scores: BaselineScores
    item_ids: pd.Index
    user_ids: pd.Index
    calibration: Calibration
    purchases: scipy.sparse.csr_matrix
    buyer_ids: pd.Index
    popularity: np.ndarray
    lately: np.ndarray
    pairs: ItemWeights


def bought_pairs(orders: scipy.sparse.csr_matrix) -> ItemWeights:
    """Returns the items most often bought with each item, `[n, 100]`, with numbers of orders as weights."""
    counts = co_purchase_counts(orders)
    counts.setdiag(0)
    counts.eliminate_zeros()
    return truncate(counts, n=_PAIRS)
