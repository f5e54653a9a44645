"""Scores by sums of tables: the same for everyone, the user's own, and item weights of cart and history."""

import dataclasses

import numpy as np
import scipy.sparse

from tfrec.baselines.history import History
from tfrec.baselines.scores import Asked, FittedScorer
from tfrec.features import item_weights
from tfrec.features.item_weights import ItemWeights, Weights

_DENSE_FROM = 0.05
"""Share of non-zero weights from which the product with carts is faster dense."""


@dataclasses.dataclass(frozen=True)
class LinearScores:
    """`score = item_scores + own[user] + (context_weight · context + history_weights[user]) @ weights`.

    A table that is None contributes no term.

    Attributes:
        item_scores: `[n]` the same for everyone.
        own: `[U + 1, n]` sparse: the user's own scores; the last row is empty.
        weights: `[n, n]` row item contributes to column item.
        context_weight: how much an item of the context counts.
        history_weights: `[U + 1, n]` sparse: weights of the user's past items, added to those of the context.
        is_latest_only: whether only the latest item of the session is used.
    """

    item_scores: np.ndarray | None = None
    own: scipy.sparse.csr_matrix | None = None
    weights: Weights | None = None
    context_weight: float = 1.0
    history_weights: scipy.sparse.csr_matrix | None = None
    is_latest_only: bool = False

    @property
    def uses_context(self) -> bool:
        """Whether the scores depend on the cart or session."""
        return self.weights is not None

    @property
    def uses_history(self) -> bool:
        """Whether the scores depend on the purchases of the user."""
        return self.own is not None or self.history_weights is not None

    def score(self, asked: Asked) -> Weights:
        """Returns `[B, n]` scores."""
        result = None
        if self.weights is not None:
            result = item_weights.score(self.weights, self._context_weights(asked))
        if self.own is not None:
            own_scores = self.own[asked.users]
            result = own_scores if result is None else result + own_scores
        if self.item_scores is None:
            return result
        if result is None:
            return np.broadcast_to(self.item_scores, (len(asked.users), len(self.item_scores)))
        return (result if isinstance(result, np.ndarray) else result.toarray()) + self.item_scores

    def _context_weights(self, asked: Asked) -> scipy.sparse.csr_matrix:
        """Returns `[B, n]` how much each item contributes: of the cart or session, and of the history."""
        context_weights = _latest_of(asked) if self.is_latest_only else asked.contexts
        if self.context_weight != 1:
            context_weights = context_weights * self.context_weight
        return context_weights if self.history_weights is None else context_weights + self.history_weights[asked.users]


def score_by_weights(weights: Weights | ItemWeights, history: History) -> FittedScorer:
    """Returns the scorer `contexts @ weights`; weights of which many are not 0 are held dense, which is faster."""
    if isinstance(weights, ItemWeights):
        weights = weights.to_sparse()
    if not isinstance(weights, np.ndarray) and weights.nnz > _DENSE_FROM * np.prod(weights.shape, dtype=float):
        weights = weights.toarray()
    return FittedScorer(LinearScores(weights=weights), history)


def _latest_of(asked: Asked) -> scipy.sparse.csr_matrix:
    """Returns `[B, n]`, 1 at each query's latest item."""
    latest = asked.recent[:, -1]
    with_event = np.flatnonzero(latest >= 0)
    cells = (np.ones(len(with_event), np.float32), (with_event, latest[with_event]))
    return scipy.sparse.csr_matrix(cells, shape=asked.contexts.shape)
