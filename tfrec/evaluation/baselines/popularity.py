"""Scores by how often items are bought: by all users, by all recently, by the user."""

import dataclasses

import numpy as np

from tfrec.errors import ConfigError
from tfrec.evaluation.baselines.history import FittedScorer, History
from tfrec.features.baseline_scores import LinearScores


@dataclasses.dataclass(frozen=True)
class Popularity:
    """Number of baskets that hold the item, the same for everyone."""

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of `history`'s counts."""
        return FittedScorer(LinearScores(item_scores=history.popularity), history)


@dataclasses.dataclass(frozen=True)
class RecentPopularity:
    """Number of baskets of the latest days that hold the item; older ones break ties.

    Attributes:
        days: length of the window that ends with the history.
    """

    days: float = 30.0

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the window's counts.

        Raises:
            ConfigError: `days` is not positive.
        """
        if not self.days > 0:
            raise ConfigError(f"`days` must be above 0; got {self.days}.")
        times = history.basket_times
        window = np.timedelta64(round(self.days * 86400), "s")
        is_recent = times > times.max() - window if len(times) else np.zeros(0, bool)
        recent = np.asarray(history.baskets[is_recent].sum(axis=0), np.float32).ravel()
        return FittedScorer(LinearScores(item_scores=recent + _below_one(history.popularity)), history)


@dataclasses.dataclass(frozen=True)
class PersonalFrequency:
    """Number of the user's own baskets that hold the item.

    Attributes:
        then_popular: popularity orders what the user never had, and breaks ties.
    """

    then_popular: bool = True

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of each user's counts."""
        behind = _below_one(history.popularity) if self.then_popular else None
        return FittedScorer(LinearScores(item_scores=behind, own=history.user_counts), history)


def _below_one(popularity: np.ndarray) -> np.ndarray:
    """Returns popularity scaled into [0, 1), so that it never outweighs one whole count."""
    return popularity / np.float32(popularity.max(initial=0) + 1)
