"""Scores by the nearest items, over users, of what the user bought and has in the cart."""

import dataclasses

import numpy as np
import scipy.sparse

from tfrec.baselines.cosine import co_purchase_cosine
from tfrec.baselines.history import History
from tfrec.baselines.linear import LinearScores
from tfrec.baselines.scores import FittedScorer
from tfrec.features.item_weights import truncate


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
        cosine = co_purchase_cosine(users, shrink=self.shrink)
        weights = truncate(cosine, n=self.num_neighbours).to_sparse()
        bought = history.user_counts.astype(bool).astype(np.float32)
        return FittedScorer(
            LinearScores(weights=weights, context_weight=self.cart_weight, history_weights=bought),
            history,
        )
