"""Scores by the latest baskets of similar users (UP-CF)."""

import dataclasses
from typing import ClassVar

import numpy as np
import scipy.sparse

from tfrec.baselines.history import History
from tfrec.baselines.scores import Asked, FittedScorer


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
        from_end, total = history.basket_ages()
        in_window = np.where(from_end < self.num_recent, 1 / np.minimum(np.maximum(total, 1), self.num_recent), 0)
        popularity = history.by_user(in_window)
        size = np.maximum(np.asarray(had.sum(axis=1)).ravel(), 1) ** (1 - self.asymmetry)

        scores = UpCfScores(own=had, popularity=popularity, size=size, asymmetry=self.asymmetry, locality=self.locality)
        return FittedScorer(scores, history)


@dataclasses.dataclass(frozen=True)
class UpCfScores:
    """`score_i = Σ_v (|u ∩ v| / (|u|^a |v|^(1 − a)))^q · pop_v(i)`; see `UpCf`.

    Attributes:
        own: `[U + 1, n]` sparse, 1 where the user had the item; the last row is empty.
        popularity: `[U + 1, n]` sparse: share of the user's latest baskets that hold the item.
        size: `[U + 1]` `|v|^(1 − a)`.
        asymmetry: a.
        locality: q.
    """

    own: scipy.sparse.csr_matrix
    popularity: scipy.sparse.csr_matrix
    size: np.ndarray
    asymmetry: float
    locality: float

    uses_context: ClassVar[bool] = True
    uses_history: ClassVar[bool] = True

    def score(self, asked: Asked) -> scipy.sparse.csr_matrix:
        """Returns `[B, n]` scores."""
        query = self.own[asked.users].maximum(asked.contexts).tocsr()
        length = np.maximum(np.asarray(query.sum(axis=1)).ravel(), 1) ** self.asymmetry
        like = (query @ self.own.T).tocoo()
        like.data = (like.data / (length[like.row] * self.size[like.col])) ** self.locality
        return (like.tocsr() @ self.popularity).astype(np.float32)
