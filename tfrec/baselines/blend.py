"""Mixes the scores of two baselines."""

import dataclasses

import numpy as np

from tfrec.baselines.history import History
from tfrec.baselines.scores import Asked, Baseline, BaselineScores, FittedScorer
from tfrec.errors import ConfigError
from tfrec.features.item_weights import Weights


@dataclasses.dataclass(frozen=True)
class Blend:
    """Two methods, each query's scores divided by their largest, mixed.

    `score = share · first / max(first) + (1 − share) · second / max(second)`; a method that has nothing to say for a
    query (no positive score) leaves it to the other.

    Attributes:
        first: one method.
        second: the other.
        share: weight of `first`, in [0, 1].
    """

    first: Baseline
    second: Baseline
    share: float = 0.8

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of both.

        Raises:
            ConfigError: `share` outside [0, 1], or a method that is no baseline of this package.
        """
        if not 0 <= self.share <= 1:
            raise ConfigError(f"`share` must lie in [0, 1]; got {self.share}.")
        first, second = self.first.fit(history), self.second.fit(history)
        if not (isinstance(first, FittedScorer) and isinstance(second, FittedScorer)):
            raise ConfigError(f"Blend mixes baselines of this package; got {self.first} and {self.second}.")
        return FittedScorer(BlendedScores(first.scores, second.scores, share=self.share), history)


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


def _per_largest(scores: Weights) -> np.ndarray:
    """Returns `[B, n]` scores divided by the largest of their row, where that is positive."""
    dense = scores if isinstance(scores, np.ndarray) else scores.toarray()
    largest = dense.max(axis=1, keepdims=True)
    return dense / np.where(largest > 0, largest, 1).astype(np.float32)
