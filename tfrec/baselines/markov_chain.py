"""Scores the next item of a session by the steps that led from the latest one."""

import dataclasses

import numpy as np
import scipy.sparse

from tfrec.baselines.history import History, needs_steps
from tfrec.baselines.linear import LinearScores
from tfrec.baselines.scores import FittedScorer


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
