"""History → scores by how often items are bought: by all, by all lately, by the user."""

import dataclasses

import numpy as np

from tfrec.errors import ConfigError
from tfrec.evaluation.baselines.history import History
from tfrec.evaluation.cases import Cases
from tfrec.evaluation.metrics import Scorer


@dataclasses.dataclass(frozen=True)
class Popularity:
    """Number of baskets that hold the item, the same for everyone."""

    def fit(self, history: History) -> Scorer:
        """Returns the scorer of `history`'s counts."""
        return _same_for_all(history.popularity)


@dataclasses.dataclass(frozen=True)
class RecentPopularity:
    """Number of baskets of the latest days that hold the item; older ones break ties.

    Attributes:
        days: length of the window that ends with the history.
    """

    days: float = 30.0

    def fit(self, history: History) -> Scorer:
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
        return _same_for_all(recent + _below_one(history.popularity))


@dataclasses.dataclass(frozen=True)
class PersonalFrequency:
    """Number of the user's own baskets that hold the item.

    Attributes:
        then_popular: popularity orders what the user never had, and breaks ties.
    """

    then_popular: bool = True

    def fit(self, history: History) -> Scorer:
        """Returns the scorer of each user's counts."""
        behind = _below_one(history.popularity) if self.then_popular else np.float32(0)

        def score(cases: Cases) -> np.ndarray:
            return history.user_counts[history.user_rows(cases.user_ids)].toarray() + behind

        return score


def _same_for_all(item_scores: np.ndarray) -> Scorer:
    return lambda cases: np.broadcast_to(item_scores, (len(cases), len(item_scores)))


def _below_one(popularity: np.ndarray) -> np.ndarray:
    """Popularity scaled into [0, 1): never outweighs one whole count."""
    return popularity / np.float32(popularity.max(initial=0) + 1)
