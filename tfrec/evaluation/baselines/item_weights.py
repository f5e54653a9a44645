"""Baselines from item-to-item weights: rules, cosines, random walks, EASE; and blends of two methods.

All score `contexts @ W`: each item in the cart (or earlier in the session) contributes to the scores of the others.
"""

import dataclasses

import numpy as np
import scipy.sparse

from tfrec.errors import ConfigError
from tfrec.evaluation.baselines.history import Baseline, FittedScorer, History
from tfrec.features import item_weights
from tfrec.features.baseline_scores import BlendedScores, LinearScores
from tfrec.features.ease import fit_ease, fit_ease_in_parts
from tfrec.features.item_weights import ItemWeights

_DENSE_FROM = 0.05
"""Share of non-zero weights from which the product with carts is faster dense."""


@dataclasses.dataclass(frozen=True)
class RuleConfidence:
    """Confidence of the rules cart item → item, summed; see `item_weights.rule_confidence`."""

    min_support: int = 1

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the rules in `history`."""
        return _by_weights(item_weights.rule_confidence(history.baskets, min_support=self.min_support), history)


@dataclasses.dataclass(frozen=True)
class RuleLift:
    """Lift of the rules cart item → item, summed; see `item_weights.rule_lift`."""

    min_support: int = 3

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the rules in `history`."""
        return _by_weights(item_weights.rule_lift(history.baskets, min_support=self.min_support), history)


@dataclasses.dataclass(frozen=True)
class CoPurchaseCosine:
    """Shrunk cosine of items over baskets, summed; see `item_weights.co_purchase_cosine`."""

    shrink: float = 20.0

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the cosines in `history`."""
        return _by_weights(item_weights.co_purchase_cosine(history.baskets, shrink=self.shrink), history)


@dataclasses.dataclass(frozen=True)
class Ease:
    """EASE on baskets, the cart folded in; see `ease.fit_ease`.

    Attributes:
        l2: ridge penalty, in baskets.
        dropout: share of a basket's items that is hidden in fitting; above 0 this is EDLAE (Steck 2020).
        dense_limit: items above which `fit_ease_in_parts` stands in for the dense inverse.
    """

    l2: float = 60.0
    dropout: float = 0.0
    dense_limit: int = 20_000

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the closed-form weights."""
        if len(history.item_ids) > self.dense_limit:
            return _by_weights(fit_ease_in_parts(history.baskets, l2=self.l2, dropout=self.dropout), history)
        return _by_weights(fit_ease(history.baskets, l2=self.l2, dropout=self.dropout), history)


@dataclasses.dataclass(frozen=True)
class ItemKnn:
    """Cosine of items over *users*, the strongest neighbours of what the user has bought and has in the cart.

    `score_j = Σ_{i in cart or bought} cos(i, j)`, a row's `num_neighbours` strongest (Sarwar et al. 2001), with
    shrinkage as in `CoPurchaseCosine`. Baskets of guests count as users of their own.

    Attributes:
        num_neighbours: neighbours kept of each item.
        shrink: holds back items that few users share.
        cart_weight: how many past purchases an item in the cart is worth.
    """

    num_neighbours: int = 100
    shrink: float = 20.0
    cart_weight: float = 3.0

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the neighbours in `history`."""
        guests = history.baskets[history.basket_users < 0]
        users = scipy.sparse.vstack([history.user_counts, guests]).tocsr()
        cosine = item_weights.co_purchase_cosine(users, shrink=self.shrink)
        weights = item_weights.truncate(cosine, n=self.num_neighbours).to_sparse()
        bought = history.user_counts.astype(bool).astype(np.float32)
        return FittedScorer(
            LinearScores(weights=weights, context_weight=self.cart_weight, history_weights=bought),
            history,
        )


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
        return _by_weights(item_weights.truncate(product, n=self.num_neighbours).to_sparse(), history)


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
        return _by_weights(item_weights.truncate(walk, n=self.num_neighbours).to_sparse(), history)


@dataclasses.dataclass(frozen=True)
class Blend:
    """Two methods, each query's scores divided by their largest, mixed.

    `score = share · first / max(first) + (1 − share) · second / max(second)`; a method that has nothing to say for a
    query (no positive score) leaves it to the other.

    Attributes:
        first: one method.
        second: the other.
        share: weight of `first`, in [0, 1].
    """

    first: Baseline
    second: Baseline
    share: float = 0.8

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of both.

        Raises:
            ConfigError: `share` outside [0, 1], or a method that is no baseline of this package.
        """
        if not 0 <= self.share <= 1:
            raise ConfigError(f"`share` must lie in [0, 1]; got {self.share}.")
        first, second = self.first.fit(history), self.second.fit(history)
        if not (isinstance(first, FittedScorer) and isinstance(second, FittedScorer)):
            raise ConfigError(f"Blend mixes baselines of this package; got {self.first} and {self.second}.")
        return FittedScorer(BlendedScores(first.scores, second.scores, share=self.share), history)


def _by_weights(weights: item_weights.Weights | ItemWeights, history: History) -> FittedScorer:
    if isinstance(weights, ItemWeights):
        weights = weights.to_sparse()
    if not isinstance(weights, np.ndarray) and weights.nnz > _DENSE_FROM * np.prod(weights.shape, dtype=float):
        weights = weights.toarray()
    return FittedScorer(LinearScores(weights=weights), history)
