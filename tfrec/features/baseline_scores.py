"""Baselines in NumPy: score the whole catalogue from the tables that the served graph reads, too.

The graph implementation of each formula is in `tfrec.models.baseline_scores`; a test compares the two.
"""

import dataclasses
from typing import Protocol

import numpy as np
import scipy.sparse

from tfrec.features import item_weights
from tfrec.features.item_weights import Weights


@dataclasses.dataclass(frozen=True)
class Asked:
    """A batch of queries over the `n` items that a baseline knows.

    Attributes:
        contexts: `[B, n]` sparse; 1 for items in the cart, or earlier in the session.
        recent: `[B, T]` items of the session's latest events, oldest first; -1 = none.
        users: `[B]` rows of the users' matrices; the last row, an empty one, stands for guests.
    """

    contexts: scipy.sparse.csr_matrix  # [B, n]
    recent: np.ndarray  # [B, T]
    users: np.ndarray  # [B]


class BaselineScores(Protocol):
    """A formula with its tables."""

    @property
    def uses_context(self) -> bool:
        """Whether the scores depend on the cart or session."""

    @property
    def uses_history(self) -> bool:
        """Whether the scores depend on the purchases of the user."""

    def score(self, asked: Asked) -> Weights:
        """Returns `[B, n]` scores, dense or sparse; the better, the higher."""


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
        context_weights = _latest_of(asked) if self.is_latest_only else asked.contexts
        if self.context_weight != 1:
            context_weights = context_weights * self.context_weight
        return context_weights if self.history_weights is None else context_weights + self.history_weights[asked.users]


@dataclasses.dataclass(frozen=True)
class BlendedScores:
    """`share · first / max(first) + (1 − share) · second / max(second)`, the largest of each query.

    A formula without a positive score for a query leaves it to the other.
    """

    first: BaselineScores
    second: BaselineScores
    share: float

    @property
    def uses_context(self) -> bool:
        """Whether the scores depend on the cart or session."""
        return self.first.uses_context or self.second.uses_context

    @property
    def uses_history(self) -> bool:
        """Whether the scores depend on the purchases of the user."""
        return self.first.uses_history or self.second.uses_history

    def score(self, asked: Asked) -> np.ndarray:
        """Returns `[B, n]` scores."""
        mixed = _per_largest(self.first.score(asked)) * np.float32(self.share)
        mixed += _per_largest(self.second.score(asked)) * np.float32(1 - self.share)
        return mixed


def _latest_of(asked: Asked) -> scipy.sparse.csr_matrix:
    """Returns `[B, n]`, 1 at each query's latest item."""
    latest = asked.recent[:, -1]
    with_event = np.flatnonzero(latest >= 0)
    cells = (np.ones(len(with_event), np.float32), (with_event, latest[with_event]))
    return scipy.sparse.csr_matrix(cells, shape=asked.contexts.shape)


def _per_largest(scores: Weights) -> np.ndarray:
    dense = scores if isinstance(scores, np.ndarray) else scores.toarray()
    largest = dense.max(axis=1, keepdims=True)
    return dense / np.where(largest > 0, largest, 1).astype(np.float32)
