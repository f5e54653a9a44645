"""Scores by decayed frequencies of the user and of the nearest users (TIFU-KNN)."""

import dataclasses
from typing import ClassVar

import numpy as np
import scipy.sparse

from tfrec.baselines.history import History
from tfrec.baselines.scores import Asked, FittedScorer


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
        from_end, total = history.basket_ages()
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


@dataclasses.dataclass(frozen=True)
class TifuScores:
    """`own_share · own + (1 − own_share) · mean of the nearest users`; see `TifuKnn`.

    Attributes:
        vectors: `[U + 1, n]` sparse decayed frequencies; the last row is empty.
        square: `[U + 1]` their squared lengths.
        num_neighbours: users averaged, at most U.
        own_share: α.
        cart_weight: what an item in the cart adds to the query's vector.
    """

    vectors: scipy.sparse.csr_matrix
    square: np.ndarray
    num_neighbours: int
    own_share: float
    cart_weight: float

    uses_context: ClassVar[bool] = True
    uses_history: ClassVar[bool] = True

    def score(self, asked: Asked) -> np.ndarray:
        """Returns `[B, n]` scores."""
        rows, num_users = asked.users, self.vectors.shape[0] - 1
        if not num_users:
            return np.zeros(asked.contexts.shape, np.float32)
        k = self.num_neighbours
        own_vectors = self.vectors[rows]
        query = own_vectors + asked.contexts * np.float32(self.cart_weight)
        # |q − v|² without |q|², which is the same for all v.
        distance = self.square[None, :num_users] - 2 * (query @ self.vectors[:num_users].T).toarray()
        with_user = np.flatnonzero(rows < num_users)
        distance[with_user, rows[with_user]] = np.inf  # not themselves
        nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
        cells = (np.full(nearest.size, 1 / k, np.float32), (np.repeat(np.arange(len(rows)), k), nearest.ravel()))
        others = scipy.sparse.csr_matrix(cells, (len(rows), num_users)) @ self.vectors[:num_users]
        return (own_vectors * self.own_share + others * (1 - self.own_share)).toarray().astype(np.float32)
