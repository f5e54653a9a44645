"""Scores the next item of a session by the most similar sessions (VMIS-kNN)."""

import dataclasses
from typing import ClassVar

import numpy as np
import scipy.sparse

from tfrec.baselines.history import History, needs_steps
from tfrec.baselines.nearest import strongest_per_row
from tfrec.baselines.scores import Asked, FittedScorer

MAX_PLACES = 9
"""Latest places of a session that VMIS-kNN uses: behind them its weight `1 − .1 (back + 1)` is 0."""


@dataclasses.dataclass(frozen=True)
class VmisKnn:
    """Items of the training sessions most like this one (VMIS-kNN: Kersbergen, Sprangers & Schelter, SIGMOD 2022).

    A past session n is like this one by `sim_n = Σ_{shared items} (length − back) / length`, `back` = 0 for the
    latest of the session's `length` distinct items; of each item only the `num_recent` latest sessions are looked
    up. The `num_neighbours` most similar ones contribute to their items:
    `score_j = Σ_n sim_n · λ_n · log(|H| / h_j)`, with `λ_n = 1 − .1 (back + 1)` of the latest shared item and `h_j` the
    number of sessions that hold j.

    Attributes:
        num_neighbours: number of neighbouring sessions, k.
        num_recent: latest sessions looked up of each item, m.
        max_length: latest distinct items of the session that are looked at, at most 9.
    """

    num_neighbours: int = 100
    num_recent: int = 500
    max_length: int = 9

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the sessions in `history`.

        Raises:
            ConfigError: the history has no steps.
        """
        needs_steps(history, "VmisKnn")
        sessions = history.baskets
        index = _latest_sessions(sessions, num_recent=self.num_recent)
        rarity = np.log(sessions.shape[0] / np.maximum(history.popularity, 1)).astype(np.float32)
        session_weights = (sessions @ scipy.sparse.diags_array(rarity)).tocsr().astype(np.float32)
        scores = VmisScores(
            index=index,
            session_weights=session_weights,
            num_neighbours=self.num_neighbours,
            max_length=min(self.max_length, MAX_PLACES),
        )
        return FittedScorer(scores, history)


@dataclasses.dataclass(frozen=True)
class VmisScores:
    """`score_j = Σ_n sim_n · λ_n · log(|H| / h_j)` over the nearest; see `VmisKnn`.

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

    uses_context: ClassVar[bool] = True
    uses_history: ClassVar[bool] = False

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


def _latest_sessions(sessions: scipy.sparse.csr_matrix, *, num_recent: int) -> scipy.sparse.csr_matrix:
    """Returns `[num_items, num_sessions]`: each item's latest sessions; sessions ascend in time."""
    by_item = sessions.T.tocsr()
    by_item.sort_indices()
    from_end = np.repeat(by_item.indptr[1:], np.diff(by_item.indptr)) - np.arange(by_item.nnz)
    by_item.data[from_end > num_recent] = 0
    by_item.eliminate_zeros()
    return by_item


def _distinct_latest(recent: np.ndarray, *, max_length: int) -> np.ndarray:
    """Returns `[B, max_length]`: the latest distinct items, latest first; -1 behind the end."""
    backwards = recent[:, ::-1]
    seen = np.zeros(backwards.shape, bool)
    for place in range(1, backwards.shape[1]):
        seen[:, place] = (backwards[:, :place] == backwards[:, place : place + 1]).any(axis=1)
    first = np.where(seen, -1, backwards)
    order = np.argsort(first < 0, axis=1, kind="stable")
    return np.take_along_axis(first, order, axis=1)[:, :max_length]
