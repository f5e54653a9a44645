"""Scores the next item of a session: Markov chain, nearest sessions (VMIS-kNN)."""

import dataclasses

import numpy as np
import scipy.sparse

from tfrec.evaluation.baselines.history import FittedScorer, History, needs_steps
from tfrec.features.baseline_scores import LinearScores
from tfrec.features.neighbour_scores import MAX_PLACES, VmisScores


@dataclasses.dataclass(frozen=True)
class MarkovChain:
    """How often the next step led from the latest item to each item.

    `score_j = n(i → j) / n(i → ·)` for the session's latest item i; popularity breaks ties, and answers where the
    latest item was never left in training.
    """

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the steps in `history`.

        Raises:
            ConfigError: the history has no steps.
        """
        needs_steps(history, "MarkovChain")
        num_items = len(history.item_ids)
        follows = history.step_baskets[1:] == history.step_baskets[:-1]
        start, stop = history.steps[:-1][follows], history.steps[1:][follows]
        counts = scipy.sparse.csr_matrix((np.ones(len(start)), (start, stop)), shape=(num_items, num_items))
        left = np.asarray(counts.sum(axis=1)).ravel()
        chain = (scipy.sparse.diags_array(1 / np.maximum(left, 1)) @ counts).tocsr().astype(np.float32)
        # Below any step that was taken at least once in a million.
        behind = (1e-6 * history.popularity / max(history.popularity.sum(), 1)).astype(np.float32)

        return FittedScorer(LinearScores(item_scores=behind, weights=chain, is_latest_only=True), history)


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


def _latest_sessions(sessions: scipy.sparse.csr_matrix, *, num_recent: int) -> scipy.sparse.csr_matrix:
    """Returns `[num_items, num_sessions]`: each item's latest sessions; sessions ascend in time."""
    by_item = sessions.T.tocsr()
    by_item.sort_indices()
    from_end = np.repeat(by_item.indptr[1:], np.diff(by_item.indptr)) - np.arange(by_item.nnz)
    by_item.data[from_end > num_recent] = 0
    by_item.eliminate_zeros()
    return by_item
