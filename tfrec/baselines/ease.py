"""Scores by EASE weights of the cart."""

import dataclasses

from tfrec.baselines.history import History
from tfrec.baselines.linear import score_by_weights
from tfrec.baselines.scores import FittedScorer
from tfrec.features.ease import fit_ease, fit_ease_in_parts


@dataclasses.dataclass(frozen=True)
class Ease:
    """EASE on baskets, the cart folded in; see `ease.fit_ease`.

    Attributes:
        l2: ridge penalty, in baskets.
        dropout: share of a basket's items that is hidden in fitting; above 0 this is EDLAE (Steck 2020).
        dense_limit: items above which `fit_ease_in_parts` stands in for the dense inverse.
    """

    l2: float = 60.0
    dropout: float = 0.0
    dense_limit: int = 20_000

    def fit(self, history: History) -> FittedScorer:
        """Returns the scorer of the closed-form weights."""
        if len(history.item_ids) > self.dense_limit:
            return score_by_weights(fit_ease_in_parts(history.baskets, l2=self.l2, dropout=self.dropout), history)
        return score_by_weights(fit_ease(history.baskets, l2=self.l2, dropout=self.dropout), history)
