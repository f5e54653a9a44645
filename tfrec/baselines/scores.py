"""Scores a catalogue by a fitted baseline: what is asked, what a formula is, and a formula as a scorer of queries."""

import dataclasses
from collections.abc import Callable
from typing import Protocol

import numpy as np
import scipy.sparse

from tfrec.baselines.history import History
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


class Queries(Protocol):
    """What a scorer reads of queries; `tfrec.evaluation.cases.Cases` has it."""

    @property
    def contexts(self) -> scipy.sparse.csr_matrix:
        """`[B, n]` 1 for items in the cart, or earlier in the session."""

    @property
    def recent(self) -> np.ndarray:
        """`[B, T]` items of the session's latest events, oldest first; -1 = none."""

    @property
    def user_ids(self) -> np.ndarray:
        """`[B]` who asks; `""` = guest."""


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


@dataclasses.dataclass(frozen=True, eq=False)
class FittedScorer:
    """A formula with its tables, as a scorer of queries.

    Attributes:
        scores: the formula; what `tfrec baseline` serves.
        history: what it was fitted to.
    """

    scores: BaselineScores
    history: History

    def __call__(self, queries: Queries) -> Weights:
        """Returns `[B, num_items]` scores."""
        return self.scores.score(Asked(queries.contexts, queries.recent, self.history.user_rows(queries.user_ids)))


class Baseline(Protocol):
    """Settings that can be fitted."""

    def fit(self, history: History) -> Callable[[Queries], Weights]:
        """Returns the scorer fitted to `history`; its scores are over `history.item_ids`."""
