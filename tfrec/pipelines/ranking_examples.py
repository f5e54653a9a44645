"""`RankingExamples`: candidate lists with features and what followed, in memory."""

import dataclasses

import numpy as np

from tfrec.errors import SchemaError


@dataclasses.dataclass(frozen=True)
class RankingExamples:
    """Candidate lists with features and what followed. `Q` queries, `C` candidates, `F` features, `H` heads.

    Attributes:
        features: `[Q, C, F]` float16 or float32 (half the memory; batches are float32).
        is_candidate: `[Q, C]` bool; False behind the end of a short list.
        labels: `[Q, C, H]` float16 or float32 in [0, 1]: what followed, for the heads' probabilities.
        gains: `[Q, C]` float16 or float32, not negative: what the score is to rank first.
        heads: names of the heads, `H`.
    """

    features: np.ndarray
    is_candidate: np.ndarray
    labels: np.ndarray
    gains: np.ndarray
    heads: tuple[str, ...]

    def __post_init__(self) -> None:
        lists = self.is_candidate.shape
        shapes = (self.features.shape[:2], self.labels.shape, self.gains.shape)
        if shapes != (lists, (*lists, len(self.heads)), lists):
            raise SchemaError(
                "`features` must be [Q, C, F], `labels` [Q, C, H] and `gains` [Q, C] for `is_candidate` [Q, C]; got "
                f"{self.features.shape}, {self.labels.shape}, {self.gains.shape} for {lists} and heads {self.heads}."
            )

    def __len__(self) -> int:
        """Returns the number of queries, Q."""
        return len(self.features)
