"""Places users by the ranks of their behaviour, so that density means the same among small and large buyers."""

import dataclasses

import numpy as np
import pandas as pd
from scipy import stats

from tfrec.analysis.behaviour import FEATURES, fit_space


@dataclasses.dataclass(frozen=True)
class NormalScores:
    """Normal scores of figures of behaviour: the rank among the users fitted to, as a quantile of the normal law.

    On a scale of money or of orders, buyers thin out towards the top, and whatever looks for dense regions calls the
    best customers noise. Ranks have no such tail. Equal figures get the score of their mean rank.

    Attributes:
        features: `[d]` names of the figures.
        ordered: `[d, n]` the values of each figure, ascending.

    Source: van der Waerden 1952.

    Examples:
        >>> scores = fit_normal_scores(pd.DataFrame({"num_orders": [1, 1, 1, 2, 900]}), ("num_orders",))
        >>> scores.place(pd.DataFrame({"num_orders": [1, 2, 900, 5000]}))[:, 0].round(2).tolist()
        [-0.52, 0.52, 1.28, 3.0]
    """

    features: tuple[str, ...]
    ordered: np.ndarray

    def place(self, behaviour: pd.DataFrame) -> np.ndarray:
        """Returns `[n, d]` places of users, within ±3; a figure that is unknown puts the user at the median."""
        places = np.zeros((len(behaviour), len(self.features)))
        for column, (feature, ordered) in enumerate(zip(self.features, self.ordered, strict=True)):
            values = behaviour[feature].to_numpy(dtype=np.float64)
            rank = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
            score = stats.norm.ppf(rank / len(ordered))
            places[:, column] = np.where(np.isnan(values), 0.0, score)
        return np.clip(places, -3, 3)


def fit_normal_scores(behaviour: pd.DataFrame, features: tuple[str, ...] = FEATURES) -> NormalScores:
    """Returns the normal scores of `features`; those that are the same for everybody are left out.

    Raises:
        ConfigError: a feature is unknown, or none differs between users.
    """
    kept = fit_space(behaviour, features).features
    values = behaviour[list(kept)].astype(np.float64)
    return NormalScores(kept, np.sort(values.fillna(values.median()).to_numpy(), axis=0).T)
