"""Computes mean and variance of features part by part."""

import dataclasses
from collections.abc import Iterable

import numpy as np


@dataclasses.dataclass(frozen=True)
class FeatureMoments:
    """Mean and spread of `F` features.

    Attributes:
        count: number of rows.
        mean: `[F]` float64.
        squares: `[F]` float64 sum of the squared distances from the mean.
    """

    count: int
    mean: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> "FeatureMoments":
        """Returns the moments of `rows [n, F]`; zeros where there is none."""
        rows = rows.astype(np.float64)
        mean = rows.mean(axis=0) if len(rows) else np.zeros(rows.shape[1])
        return cls(len(rows), mean, ((rows - mean) ** 2).sum(axis=0))

    @classmethod
    def joined(cls, parts: Iterable["FeatureMoments"]) -> "FeatureMoments":
        """Returns the moments of the rows of all parts; at least one part.

        The sums of squares of parts are merged by the distance of their means (Chan, Golub and LeVeque 1983).
        """
        first, *others = parts
        count, mean, squares = first.count, first.mean, first.squares
        for other in others:
            both = count + other.count
            share = other.count / max(both, 1)
            apart = other.mean - mean
            squares = squares + other.squares + apart**2 * count * share
            mean, count = mean + apart * share, both
        return cls(count, mean, squares)

    @property
    def variance(self) -> np.ndarray:
        """Returns `[F]` float64 variances of the rows."""
        return self.squares / max(self.count, 1)
