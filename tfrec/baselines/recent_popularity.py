"""Scores by how often items were bought lately by all users."""

import dataclasses

import numpy as np

from tfrec.baselines.history import History
from tfrec.baselines.linear import LinearScores
from tfrec.baselines.popularity import below_one
from tfrec.baselines.scores import FittedScorer
from tfrec.errors import ConfigError


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
        return FittedScorer(LinearScores(item_scores=recent + below_one(history.popularity)), history)
