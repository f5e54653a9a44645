"""Measures how far a distribution over bins has shifted, and how far chance alone shifts one."""

import math

import numpy as np

_HALF = 0.5
"""Added to each bin's count (Jeffreys' prior), so that an empty bin has a logarithm."""
_Z = 1.6449  # of the normal distribution's 95th percentile


def population_stability_index(expected: np.ndarray, observed: np.ndarray) -> float:
    """Returns the population stability index of two counts over the same bins; 0 = the same shares.

    `PSI = Σ (q − p) ln(q / p)`, p and q the shares of the bins: the sum of both Kullback-Leibler divergences. In use,
    below .1 counts as no shift, from .25 on as a large one (Siddiqi 2006, *Credit Risk Scorecards*).

    Args:
        expected: `[n]` counts, or weights, of the reference.
        observed: `[n]` counts of what is compared.

    Examples:
        >>> population_stability_index(np.array([500, 500]), np.array([50, 50]))
        0.0
        >>> round(population_stability_index(np.array([5000, 5000]), np.array([8000, 2000])), 2)
        0.42
    """
    p, q = _shares(expected), _shares(observed)
    return float(((q - p) * np.log(q / p)).sum())


def stability_by_chance(num_bins: int, num_expected: float, num_observed: float) -> float:
    """Returns the index that samples of one distribution exceed in 5 % of all cases; infinity where one is empty.

    Without a shift `PSI / (1 / n + 1 / m)` is χ²-distributed with one degree of freedom less than there are bins
    (Yurdakul and Naranjo 2020, *Journal of Risk Model Validation* 14(4)); its quantile is Wilson and Hilferty's.

    Args:
        num_bins: number of bins.
        num_expected: size of the reference.
        num_observed: size of what is compared, in observations that do not depend on one another.

    Examples:
        Of ten bins, 100 observations say little, 10,000 much:

        >>> round(stability_by_chance(10, 1e6, 100), 3), round(stability_by_chance(10, 1e6, 10_000), 4)
        (0.169, 0.0017)
    """
    degrees = num_bins - 1
    if degrees < 1:
        return 0.0
    if num_expected <= 0 or num_observed <= 0:
        return math.inf
    spread = 2 / (9 * degrees)
    quantile = degrees * (1 - spread + _Z * math.sqrt(spread)) ** 3
    return quantile * (1 / num_expected + 1 / num_observed)


def _shares(counts: np.ndarray) -> np.ndarray:
    smoothed = np.asarray(counts, np.float64) + _HALF
    return smoothed / smoothed.sum()
