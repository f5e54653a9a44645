"""History → scores from similar users: UserKNN, UP-CF, TIFU-KNN; the cart speaks as the user's newest basket."""

import dataclasses

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.evaluation.baselines.history import History
from tfrec.evaluation.cases import Cases
from tfrec.evaluation.metrics import Scorer
from tfrec.features import item_weights


@dataclasses.dataclass(frozen=True)
class UserKnn:
    """Items of the users most like this one by cosine.

    `score_j = Σ_{v in nearest} cos(u, v) · [v had j]` over binary user vectors (Herlocker et al. 1999); the query is
    what the user bought and the cart. Each guest's basket is a user of its own.

    Attributes:
        num_neighbours: users that speak.
        shrink: holds back the likeness of users with few items.
        cart_weight: how many past purchases an item in the cart is worth.
    """

    num_neighbours: int = 200
    shrink: float = 10.0
    cart_weight: float = 3.0

    def fit(self, history: History) -> Scorer:
        """Returns the scorer of the users in `history`."""
        own = history.user_counts.astype(bool).astype(np.float32)
        users = scipy.sparse.vstack([own, history.baskets[history.basket_users < 0]]).tocsr()
        norm = np.sqrt(np.asarray(users.sum(axis=1)).ravel())

        def score(cases: Cases) -> scipy.sparse.csr_matrix:
            rows = history.user_rows(cases.user_ids)
            query = (cases.contexts * self.cart_weight + own[rows]).tocsr()
            length = np.sqrt(np.asarray(query.multiply(query).sum(axis=1)).ravel())
            like = (query @ users.T).tocoo()
            like.data = like.data / (length[like.row] * norm[like.col] + self.shrink)
            like.data[like.col == np.where(rows < len(history.user_ids), rows, -1)[like.row]] = 0  # not themselves
            return (strongest_per_row(like.tocsr(), k=self.num_neighbours)[0] @ users).astype(np.float32)

        return score


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

    def fit(self, history: History) -> Scorer:
        """Returns the scorer of the users in `history`."""
        own = history.user_counts.astype(bool).astype(np.float32)
        from_end, total = _basket_ages(history)
        in_window = np.where(from_end < self.num_recent, 1 / np.minimum(np.maximum(total, 1), self.num_recent), 0)
        popularity = history.by_user(in_window)
        size = np.maximum(np.asarray(own.sum(axis=1)).ravel(), 1) ** (1 - self.asymmetry)

        def score(cases: Cases) -> scipy.sparse.csr_matrix:
            query = own[history.user_rows(cases.user_ids)].maximum(cases.contexts).tocsr()
            length = np.maximum(np.asarray(query.sum(axis=1)).ravel(), 1) ** self.asymmetry
            like = (query @ own.T).tocoo()
            like.data = (like.data / (length[like.row] * size[like.col])) ** self.locality
            return (like.tocsr() @ popularity).astype(np.float32)

        return score


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

    def fit(self, history: History) -> Scorer:
        """Returns the scorer of the users in `history`."""
        from_end, total = _basket_ages(history)
        num_groups = -(-total // self.group_size)
        group, place = from_end // self.group_size, from_end % self.group_size  # 0 = newest
        oldest = total - (num_groups - 1) * self.group_size
        size = np.where(group == num_groups - 1, oldest, self.group_size)
        weight = self.within_decay**place / np.maximum(size, 1) * self.group_decay**group / np.maximum(num_groups, 1)
        vectors = history.by_user(weight)
        square = np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()
        num_users = len(history.user_ids)
        k = min(self.num_neighbours, max(num_users - 1, 1))

        def score(cases: Cases) -> np.ndarray:
            if not num_users:
                return np.zeros((len(cases), len(history.item_ids)), np.float32)
            rows = history.user_rows(cases.user_ids)
            own = vectors[rows]
            query = own + cases.contexts * np.float32(self.cart_weight)
            # |q − v|² without |q|², which is the same for all v.
            distance = square[None, :num_users] - 2 * (query @ vectors[:num_users].T).toarray()
            known = np.flatnonzero(rows < num_users)
            distance[known, rows[known]] = np.inf  # not themselves
            nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
            cells = (np.full(nearest.size, 1 / k, np.float32), (np.repeat(np.arange(len(rows)), k), nearest.ravel()))
            others = scipy.sparse.csr_matrix(cells, (len(rows), num_users)) @ vectors[:num_users]
            return (own * self.own_share + others * (1 - self.own_share)).toarray().astype(np.float32)

        return score


def strongest_per_row(
    matrix: scipy.sparse.csr_matrix, *, k: int, also: np.ndarray | None = None
) -> tuple[scipy.sparse.csr_matrix, np.ndarray]:
    """Returns the k largest positive cells of each row, and what `also` says of these cells (their values, if None).

    Args:
        matrix: `[B, n]` sparse.
        k: cells kept of a row.
        also: `[nnz]` a further value of each cell of `matrix`.
    """
    at = np.sort(item_weights.strongest_cells(matrix, k=k))
    starts = np.searchsorted(at, matrix.indptr)
    kept = scipy.sparse.csr_matrix((matrix.data[at], matrix.indices[at], starts), shape=matrix.shape)
    return kept, kept.data if also is None else also[at]


def _basket_ages(history: History) -> tuple[np.ndarray, np.ndarray]:
    """`[num_baskets]`: how many later baskets the same user has, and how many in all; baskets ascend in time."""
    users = pd.Series(history.basket_users)
    return users.groupby(users).cumcount(ascending=False).to_numpy(), users.groupby(users).transform("size").to_numpy()
