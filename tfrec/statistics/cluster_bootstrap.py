"""Computes means with bootstrap intervals from one value per query.

Queries of one order or session, and the same order under several seeds, are not independent: they share a *group*,
and whole groups are resampled (cluster bootstrap). Everything is seeded.
"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.errors import ConfigError, SchemaError
from tfrec.statistics.estimates import Estimate, check_level

LEAST_GROUPS = 2
"""Groups that a spread is known from."""

_BLOCK_CELLS = 1 << 22
"""Resampled cells held at a time."""


def bootstrap_means(
    values: np.ndarray,
    groups: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    num_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Estimate]:
    """Returns the mean of each column of `values` with a percentile bootstrap interval over groups.

    `mean = Σ values / Σ weights`; each resample draws as many groups as there are, with replacement, and takes the
    ratio of its sums, so that groups of unequal size are treated right (Efron & Tibshirani 1993, ch. 8, 13). All
    columns share the resamples.

    Example: the groups a (values 1, 0), b (1) and c (0) have the mean 2 / 4; a resample that draws a, a and c has the
    mean 2 / 5. The interval lies between the 2.5 % and 97.5 % quantiles of such means.

    Args:
        values: `[B, M]`; NaN leaves the query out of its column.
        groups: `[B]` labels; queries with the same label are resampled together.
        weights: `[B, M]` denominators (e.g. possible revenue for captured revenue), 0 leaves the query out of the
            column; None = 1 each.
        num_resamples: number of resamples.
        level: coverage of the interval.
        seed: draws the resamples.

    Raises:
        SchemaError: lengths differ.
        ConfigError: `level` outside (0, 1) or no resamples.
    """
    check_level(level)
    if num_resamples < 1:
        raise ConfigError(f"`num_resamples` must be at least 1; got {num_resamples}.")
    if len(values) != len(groups) or (weights is not None and weights.shape != values.shape):
        raise SchemaError("`values` and `weights` must be [B, M] alike and `groups` [B], a row a query.")
    inside = ~np.isnan(values) if weights is None else ~np.isnan(values) & (weights > 0)
    sums, sizes = group_sums(values, inside, groups, weights)
    tail = 100 * (1 - level) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [(draw @ sums) / (draw @ sizes) for draw in _draws(len(sums), num_resamples, seed)]
        whole = sums.sum(axis=0) / sizes.sum(axis=0)
    low, high = np.full_like(whole, np.nan), np.full_like(whole, np.nan)
    some = count_groups(inside, groups) >= LEAST_GROUPS
    if some.any():
        low[some], high[some] = np.nanpercentile(np.concatenate(means)[:, some], [tail, 100 - tail], axis=0)
    rows = zip(whole, low, high, inside.sum(axis=0), strict=True)
    return [
        Estimate(float(value), float(lower), float(upper), math.nan, int(size), level)
        for value, lower, upper, size in rows
    ]


def count_groups(inside: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Returns `[M]` groups with a value in each column of `inside [B, M]`."""
    code, labels = pd.factorize(np.asarray(groups, object))
    member = scipy.sparse.csr_matrix((np.ones(len(code)), (code, np.arange(len(code)))), shape=(len(labels), len(code)))
    return ((member @ inside.astype(np.float64)) > 0).sum(axis=0)


def group_sums(
    values: np.ndarray, inside: np.ndarray, groups: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[num_groups, M]` sums of the values and of the weights of each group."""
    code, labels = pd.factorize(np.asarray(groups, object))
    member = scipy.sparse.csr_matrix((np.ones(len(code)), (code, np.arange(len(code)))), shape=(len(labels), len(code)))
    sizes = inside.astype(np.float64) if weights is None else np.where(inside, weights, 0.0)
    return member @ np.where(inside, values, 0.0), member @ sizes


def block_sizes(num_groups: int, num_resamples: int) -> list[int]:
    """Returns how many resamples are held at a time, so that a block has a bounded number of cells."""
    step = max(1, _BLOCK_CELLS // max(1, num_groups))
    return [min(step, num_resamples - start) for start in range(0, num_resamples, step)]


def _draws(num_groups: int, num_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yields blocks `[resamples, num_groups]` of how often each group is drawn."""
    rng = np.random.default_rng(seed)
    for size in block_sizes(num_groups, num_resamples):
        drawn = rng.integers(0, num_groups, (size, num_groups)) + np.arange(size)[:, None] * num_groups
        yield np.bincount(drawn.ravel(), minlength=size * num_groups).reshape(size, num_groups).astype(np.float64)
