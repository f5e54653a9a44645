"""Assigns buyers to segments: by nearest anchor or by the RFM grid."""

import dataclasses
from typing import Protocol

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from tfrec.analysis.behaviour import FeatureSpace
from tfrec.analysis.normal_scores import NormalScores

RFM_NAMES = (  # row: recency score 1..5 (5 = most recent), column: mean of frequency and value score 1..5
    ("Lost", "Lost", "At risk", "Cannot lose", "Cannot lose"),
    ("Hibernating", "Hibernating", "At risk", "At risk", "Cannot lose"),
    ("About to sleep", "About to sleep", "Needs attention", "Loyal", "Loyal"),
    ("Promising", "Promising", "Potential loyalists", "Loyal", "Champions"),
    ("New", "Promising", "Potential loyalists", "Champions", "Champions"),
)

_RECENT_FIFTHS = 2  # of buyers by their last order; who ordered first within their time is new


class Assigner(Protocol):
    """Says which segment each buyer belongs to."""

    def label(self, buyers: pd.DataFrame) -> np.ndarray:
        """Returns `[n]` segment numbers of rows of behaviour; −1 = noise."""


@dataclasses.dataclass(frozen=True)
class NearestAnchor:
    """The segment of the nearest anchor: a centre of K-means, or a core point of DBSCAN.

    Attributes:
        space: where users and anchors lie.
        anchors: `[m, d]` places.
        segments: `[m]` segment number of each.
        reach: beyond this distance a user is noise; inf for K-means, eps for DBSCAN.
    """

    space: FeatureSpace | NormalScores
    anchors: np.ndarray
    segments: np.ndarray
    reach: float = np.inf

    def label(self, buyers: pd.DataFrame) -> np.ndarray:
        """Returns `[n]` segment numbers of rows of behaviour; −1 = noise."""
        return self.label_places(self.space.place(buyers))

    def label_places(self, places: np.ndarray) -> np.ndarray:
        """Returns the segment numbers of `[n, d]` places."""
        # Where no anchor is within reach, the tree answers with the number of anchors.
        _, nearest = cKDTree(self.anchors).query(places, distance_upper_bound=self.reach, workers=-1)
        return np.append(self.segments, -1)[nearest]


@dataclasses.dataclass(frozen=True)
class RfmGrid:
    """Scores 1..5 by the quintiles of the users it was made from.

    The name New is for buyers all of whose orders are recent: the first one lies no further back than the last order
    of the two most recent fifths. Others of that cell, who order little but for a long time, are Promising.

    Attributes:
        edges: inner quintiles of `recency_days`, `num_orders` and `value`.
        names: the segments by number.
    """

    edges: dict[str, np.ndarray]
    names: tuple[str, ...]

    def scores(self, buyers: pd.DataFrame) -> pd.DataFrame:
        """Returns `recency`, `frequency` and `monetary` scores, 5 best; equal figures get equal scores."""
        recency = 5 - np.searchsorted(self.edges["recency_days"], buyers["recency_days"], side="left")
        frequency = 1 + np.searchsorted(self.edges["num_orders"], buyers["num_orders"], side="left")
        monetary = 1 + np.searchsorted(self.edges["value"], buyers["value"], side="left")
        return pd.DataFrame({"recency": recency, "frequency": frequency, "monetary": monetary}, index=buyers.index)

    def label(self, buyers: pd.DataFrame) -> np.ndarray:
        """Returns `[n]` segment numbers of rows of behaviour."""
        scores = self.scores(buyers)
        worth = ((scores["frequency"] + scores["monetary"]) // 2).to_numpy()
        number = {name: index for index, name in enumerate(self.names)}
        grid = np.array([[number[name] for name in row] for row in RFM_NAMES])
        result = grid[scores["recency"].to_numpy() - 1, worth - 1]
        is_known_for_long = buyers["first_order_days"].to_numpy() > self.edges["recency_days"][_RECENT_FIFTHS - 1]
        return np.where((result == number["New"]) & is_known_for_long, number["Promising"], result)
