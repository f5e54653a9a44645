"""Baselines from similar users: UserKNN, UP-CF, TIFU-KNN; the cart counts as the user's newest basket."""

import dataclasses

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.evaluation.baselines.history import FittedScorer, History
from tfrec.features.neighbour_scores import TifuScores, UpCfScores, UserKnnScores


@dataclasses.dataclass(frozen=True)
class UserKnn:
    """Items of the users most like this one by cosine.

    `score_j = Σ_{v in nearest} cos(u, v) · [v had j]` over binary user vectors (Herlocker et al. 1999); the query is
    what the user bought and the cart. Each guest's basket is a user of its own.

    Attributes:
        num_neighbours: number of neighbours, k.
        shrink: term that shrinks the similarity of users with few items.
        cart_weight: how many past purchases an item in the cart is worth.
    """

    num_neighbours: int = 200
    shrink: float = 10.0
    cart_weight: float = 3.0

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the users in `history`."""
        had = history.user_counts.astype(bool).astype(np.float32)
        users = scipy.sparse.vstack([had, history.baskets[history.basket_users < 0]]).tocsr()
        norm = np.sqrt(np.asarray(users.sum(axis=1)).ravel())

        scores = UserKnnScores(
            own=had,
            users=users,
            norm=norm,
            num_neighbours=self.num_neighbours,
            shrink=self.shrink,
            cart_weight=self.cart_weight,
        )
        return FittedScorer(scores, history)


@dataclasses.dataclass(frozen=True)
class UpCf:
    """User-wise popularity of the latest baskets, spread over similar users (UP-CF: Faggioli et al., UMAP 2020).

    `pop_u(i) = n_u(i) / min(r, n_u)` over the user's r latest baskets; `sim(u, v) = |u ∩ v| / (|u|^a |v|^(1 − a))`;
    `score_i = Σ_v sim(u, v)^q · pop_v(i)`, u itself among the v. The cart joins the items of u.

    Attributes:
        num_recent: latest baskets, r.
        asymmetry: a in [0, 1]; larger is kinder to users v with few items.
        locality: q; larger listens to the nearest alone.
    """

    num_recent: int = 10
    asymmetry: float = 0.75
    locality: float = 10.0

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the users in `history`."""
        had = history.user_counts.astype(bool).astype(np.float32)
        from_end, total = _basket_ages(history)
        in_window = np.where(from_end < self.num_recent, 1 / np.minimum(np.maximum(total, 1), self.num_recent), 0)
        popularity = history.by_user(in_window)
        size = np.maximum(np.asarray(had.sum(axis=1)).ravel(), 1) ** (1 - self.asymmetry)

        scores = UpCfScores(own=had, popularity=popularity, size=size, asymmetry=self.asymmetry, locality=self.locality)
        return FittedScorer(scores, history)


@dataclasses.dataclass(frozen=True)
class TifuKnn:
    """Decayed personal item frequency and that of the nearest users (TIFU-KNN: Hu et al., SIGIR 2020).

    A user's baskets are cut, from the newest back, into groups of `group_size`; a basket at place j of a group of s
    counts `within_decay^(s − j) / s`, group g of G counts `group_decay^(G − g) / G`. `score = own_share · own +
    (1 − own_share) · mean of the nearest users' vectors` (by Euclidean distance). The cart is added to the query.

    Attributes:
        num_neighbours: users averaged, k.
        within_decay: r_b.
        group_decay: r_g.
        own_share: α.
        group_size: m.
        cart_weight: what an item in the cart adds to the query's vector.
    """

    num_neighbours: int = 300
    within_decay: float = 0.9
    group_decay: float = 0.7
    own_share: float = 0.7
    group_size: int = 7
    cart_weight: float = 1.0

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the users in `history`."""
        from_end, total = _basket_ages(history)
        num_groups = -(-total // self.group_size)
        group, place = from_end // self.group_size, from_end % self.group_size  # 0 = newest
        oldest = total - (num_groups - 1) * self.group_size
        size = np.where(group == num_groups - 1, oldest, self.group_size)
        weight = self.within_decay**place / np.maximum(size, 1) * self.group_decay**group / np.maximum(num_groups, 1)
        vectors = history.by_user(weight)
        square = np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()
        scores = TifuScores(
            vectors=vectors,
            square=square,
            num_neighbours=min(self.num_neighbours, max(len(history.user_ids) - 1, 1)),
            own_share=self.own_share,
            cart_weight=self.cart_weight,
        )
        return FittedScorer(scores, history)


def _basket_ages(history: History) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[num_baskets]` numbers of later baskets of the same user, and of all; baskets ascend in time."""
    users = pd.Series(history.basket_users)
    return users.groupby(users).cumcount(ascending=False).to_numpy(), users.groupby(users).transform("size").to_numpy()
