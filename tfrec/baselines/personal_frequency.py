"""Scores by how often the user bought items."""

import dataclasses

from tfrec.baselines.history import History
from tfrec.baselines.linear import LinearScores
from tfrec.baselines.popularity import below_one
from tfrec.baselines.scores import FittedScorer


@dataclasses.dataclass(frozen=True)
class PersonalFrequency:
    """Number of the user's own baskets that hold the item.

    Attributes:
        then_popular: popularity orders what the user never had, and breaks ties.
    """

    then_popular: bool = True

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of each user's counts."""
        behind = below_one(history.popularity) if self.then_popular else None
        return FittedScorer(LinearScores(item_scores=behind, own=history.user_counts), history)
