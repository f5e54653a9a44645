"""Neighbour methods in NumPy: score the whole catalogue from the users, or the sessions, most similar to the query.

The graph implementations are in `tfrec.models.neighbour_scores`; a test compares the two.
"""

import dataclasses

import numpy as np
import scipy.sparse

from tfrec.features import item_weights
from tfrec.features.baseline_scores import Asked

MAX_PLACES = 9
"""Latest places of a session that VMIS-kNN uses: behind them its weight `1 − .1 (back + 1)` is 0."""


@dataclasses.dataclass(frozen=True)
class _OfUsers:
    @property
    def uses_context(self) -> bool:
        """Whether the scores depend on the cart or session."""
        return True

    @property
    def uses_history(self) -> bool:
        """Whether the scores depend on the purchases of the user."""
        return True


@dataclasses.dataclass(frozen=True)
class UserKnnScores(_OfUsers):
    """`score_j = Σ_{v in nearest} cos(u, v) · [v had j]`; see `tfrec.evaluation.baselines.UserKnn`.

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


@dataclasses.dataclass(frozen=True)
class UpCfScores(_OfUsers):
    """`score_i = Σ_v (|u ∩ v| / (|u|^a |v|^(1 − a)))^q · pop_v(i)`; see `tfrec.evaluation.baselines.UpCf`.

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

    def score(self, asked: Asked) -> scipy.sparse.csr_matrix:
        """Returns `[B, n]` scores."""
        query = self.own[asked.users].maximum(asked.contexts).tocsr()
        length = np.maximum(np.asarray(query.sum(axis=1)).ravel(), 1) ** self.asymmetry
        like = (query @ self.own.T).tocoo()
        like.data = (like.data / (length[like.row] * self.size[like.col])) ** self.locality
        return (like.tocsr() @ self.popularity).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class TifuScores(_OfUsers):
    """`own_share · own + (1 − own_share) · mean of the nearest users`; see `tfrec.evaluation.baselines.TifuKnn`.

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


@dataclasses.dataclass(frozen=True)
class VmisScores:
    """`score_j = Σ_n sim_n · λ_n · log(|H| / h_j)` over the nearest; see `tfrec.evaluation.baselines.VmisKnn`.

    Attributes:
        index: `[n, S]` sparse: the latest sessions of each item, 1 where it is in one; sessions ascend in time.
        session_weights: `[S, n]` sparse: `log(|H| / h_j)` of each session's items.
        num_neighbours: number of neighbouring sessions, k.
        max_length: latest distinct items of the session that are looked at, at most `MAX_PLACES`.
    """

    index: scipy.sparse.csr_matrix
    session_weights: scipy.sparse.csr_matrix
    num_neighbours: int
    max_length: int

    @property
    def uses_context(self) -> bool:
        """Whether the scores depend on the cart or session."""
        return True

    @property
    def uses_history(self) -> bool:
        """Whether the scores depend on the purchases of the user."""
        return False

    def score(self, asked: Asked) -> scipy.sparse.csr_matrix:
        """Returns `[B, n]` scores."""
        latest = _distinct_latest(asked.recent, max_length=self.max_length)
        row, back = np.nonzero(latest >= 0)
        length = np.maximum((latest >= 0).sum(axis=1), 1)
        shape = (len(latest), self.index.shape[0])
        weights = (length[row] - back) / length[row]
        similarity = (scipy.sparse.csr_matrix((weights, (row, latest[row, back])), shape) @ self.index).tocsr()
        # A bit for each place, so that the highest bit of the sum identifies the latest shared item.
        bits = scipy.sparse.csr_matrix((2.0 ** (MAX_PLACES - back), (row, latest[row, back])), shape) @ self.index
        similarity.sort_indices()
        bits.sort_indices()
        reach = 1 - 0.1 * (MAX_PLACES + 1 - np.floor(np.log2(bits.data)))
        similarity.data += 1e-6 * similarity.indices / self.index.shape[1]  # of equal ones the later session
        similarity, reach = strongest_per_row(similarity, k=self.num_neighbours, also=reach)
        similarity.data *= reach
        return (similarity @ self.session_weights).astype(np.float32)


def strongest_per_row(
    matrix: scipy.sparse.csr_matrix, *, k: int, also: np.ndarray | None = None
) -> tuple[scipy.sparse.csr_matrix, np.ndarray]:
    """Returns the k largest positive cells of each row, and the values of `also` at these cells (their own, if None).

    Args:
        matrix: `[B, n]` sparse.
        k: cells kept of a row.
        also: `[nnz]` a further value of each cell of `matrix`.
    """
    at = np.sort(item_weights.strongest_cells(matrix, k=k))
    starts = np.searchsorted(at, matrix.indptr)
    kept = scipy.sparse.csr_matrix((matrix.data[at], matrix.indices[at], starts), shape=matrix.shape)
    return kept, kept.data if also is None else also[at]


def _distinct_latest(recent: np.ndarray, *, max_length: int) -> np.ndarray:
    """Returns `[B, max_length]`: the latest distinct items, latest first; -1 behind the end."""
    backwards = recent[:, ::-1]
    seen = np.zeros(backwards.shape, bool)
    for place in range(1, backwards.shape[1]):
        seen[:, place] = (backwards[:, :place] == backwards[:, place : place + 1]).any(axis=1)
    first = np.where(seen, -1, backwards)
    order = np.argsort(first < 0, axis=1, kind="stable")
    return np.take_along_axis(first, order, axis=1)[:, :max_length]
