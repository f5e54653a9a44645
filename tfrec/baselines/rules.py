"""Scores by association rules cart item → item: their confidence or their lift, summed."""

import dataclasses

import numpy as np
import scipy.sparse

from tfrec.baselines.history import History
from tfrec.baselines.linear import score_by_weights
from tfrec.baselines.scores import FittedScorer
from tfrec.features.item_weights import co_purchase_pairs


@dataclasses.dataclass(frozen=True)
class RuleConfidence:
    """Confidence of the rules cart item → item, summed; see `rule_confidence`."""

    min_support: int = 1

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the rules in `history`."""
        return score_by_weights(rule_confidence(history.baskets, min_support=self.min_support), history)


@dataclasses.dataclass(frozen=True)
class RuleLift:
    """Lift of the rules cart item → item, summed; see `rule_lift`."""

    min_support: int = 3

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the rules in `history`."""
        return score_by_weights(rule_lift(history.baskets, min_support=self.min_support), history)


def rule_confidence(orders: scipy.sparse.csr_matrix, *, min_support: int = 1) -> scipy.sparse.csr_matrix:
    """Returns the confidence of the rules item → item, `[num_items, num_items]`, sparse.

    `w_ij = P(j | i) = n_ij / n_i`, for pairs seen in at least `min_support` orders (Agrawal & Srikant 1994).
    """
    pairs, single = co_purchase_pairs(orders, min_support=min_support)
    pairs.data /= single[pairs.row]
    return pairs.tocsr()


def rule_lift(orders: scipy.sparse.csr_matrix, *, min_support: int = 3) -> scipy.sparse.csr_matrix:
    """Returns the lift of the rules item → item, `[num_items, num_items]`, sparse and symmetric.

    `w_ij = P(i, j) / (P(i) P(j)) = n_ij · num_orders / (n_i n_j)`, for pairs seen in at least `min_support` orders:
    lift soars on pairs seen once (Brin et al. 1997).
    """
    pairs, single = co_purchase_pairs(orders, min_support=min_support)
    pairs.data *= np.float32(orders.shape[0]) / (single[pairs.row] * single[pairs.col])
    return pairs.tocsr()
