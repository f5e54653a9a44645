"""Scores by the users most like the query's."""

import dataclasses
from typing import ClassVar

import numpy as np
import scipy.sparse

from tfrec.baselines.history import History
from tfrec.baselines.nearest import strongest_per_row
from tfrec.baselines.scores import Asked, FittedScorer


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
class UserKnnScores:
    """`score_j = Σ_{v in nearest} cos(u, v) · [v had j]`; see `UserKnn`.

    Attributes:
        own: `[U + 1, n]` sparse, 1 where the user had the item; the last row is empty.
        users: `[R, n]` sparse: the possible neighbours, the first U the same as in `own`.
        norm: `[R]` their vector lengths.
        num_neighbours: number of neighbours, k.
        shrink: term that shrinks the similarity of users with few items.
        cart_weight: how many past purchases an item in the cart is worth.
    """

    own: scipy.sparse.csr_matrix
    users: scipy.sparse.csr_matrix
    norm: np.ndarray
    num_neighbours: int
    shrink: float
    cart_weight: float

    uses_context: ClassVar[bool] = True
    uses_history: ClassVar[bool] = True

    def score(self, asked: Asked) -> scipy.sparse.csr_matrix:
        """Returns `[B, n]` scores."""
        rows = asked.users
        query = (asked.contexts * self.cart_weight + self.own[rows]).tocsr()
        length = np.sqrt(np.asarray(query.multiply(query).sum(axis=1)).ravel())
        like = (query @ self.users.T).tocoo()
        like.data = like.data / (length[like.row] * self.norm[like.col] + self.shrink)
        themselves = np.where(rows < self.own.shape[0] - 1, rows, -1)
        like.data[like.col == themselves[like.row]] = 0
        return (strongest_per_row(like.tocsr(), k=self.num_neighbours)[0] @ self.users).astype(np.float32)
