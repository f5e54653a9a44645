"""Scores by how often items are bought by all users."""

import dataclasses

import numpy as np

from tfrec.baselines.history import History
from tfrec.baselines.linear import LinearScores
from tfrec.baselines.scores import FittedScorer


@dataclasses.dataclass(frozen=True)
class Popularity:
    """Number of baskets that hold the item, the same for everyone."""

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of `history`'s counts."""
        return FittedScorer(LinearScores(item_scores=history.popularity), history)


def below_one(popularity: np.ndarray) -> np.ndarray:
    """Returns popularity `[n]` scaled into [0, 1), so that it never outweighs one whole count."""
    return popularity / np.float32(popularity.max(initial=0) + 1)
