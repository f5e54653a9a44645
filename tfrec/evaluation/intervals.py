"""Computes means with bootstrap intervals, and paired tests between methods, from one value per query.

Queries of one order or session, and the same order under several seeds, are not independent: they share a *group*,
and whole groups are resampled (cluster bootstrap). Everything is seeded.
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.errors import ConfigError, SchemaError

_LEAST_GROUPS = 2
_BLOCK_CELLS = 1 << 22
"""Resampled cells held at a time."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean with its interval.

    Attributes:
        value: the mean over queries; NaN where there are none.
        low: lower end of the interval; NaN where fewer than two groups are averaged, as the spread is then unknown.
        high: upper end of the interval; likewise.
        num_queries: number of queries behind it.
    """

    value: float
    low: float
    high: float
    num_queries: int

    def __str__(self) -> str:
        """`.325 [.310, .341]`; `–` where there is nothing to average."""
        if not self.num_queries:
            return "–"
        if math.isnan(self.low):
            return _short(self.value)
        return f"{_short(self.value)} [{_short(self.low)}, {_short(self.high)}]"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How much better one method is than another on the same queries.

    Attributes:
        difference: mean of `first − second`, with its bootstrap interval.
        p_value: two-sided, from sign flips of whole groups; NaN with fewer than two groups.
    """

    difference: Estimate
    p_value: float

    def __str__(self) -> str:
        """`.019 [.012, .026], p = 0.001`."""
        if math.isnan(self.p_value):
            return str(self.difference)
        return f"{self.difference}, p = {self.p_value:.3f}"


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
    _check(level, num_resamples)
    if len(values) != len(groups) or (weights is not None and weights.shape != values.shape):
        raise SchemaError("`values` and `weights` must be [B, M] alike and `groups` [B], a row a query.")
    inside = ~np.isnan(values) if weights is None else ~np.isnan(values) & (weights > 0)
    sums, sizes = _group_sums(values, inside, groups, weights)
    tail = 100 * (1 - level) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [(draw @ sums) / (draw @ sizes) for draw in _draws(len(sums), num_resamples, seed)]
        whole = sums.sum(axis=0) / sizes.sum(axis=0)
    low, high = np.full_like(whole, np.nan), np.full_like(whole, np.nan)
    some = _num_groups(inside, groups) >= _LEAST_GROUPS
    if some.any():
        low[some], high[some] = np.nanpercentile(np.concatenate(means)[:, some], [tail, 100 - tail], axis=0)
    rows = zip(whole, low, high, inside.sum(axis=0), strict=True)
    return [Estimate(float(value), float(lower), float(upper), int(size)) for value, lower, upper, size in rows]


def compare(
    first: np.ndarray,
    second: np.ndarray,
    groups: np.ndarray,
    *,
    num_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Returns the paired difference of two methods on the same queries.

    Queries differ more than methods do, so each query is its own control: only differences on the same query are used.
    The interval is a paired bootstrap over groups. The p-value is that of a permutation test: if the methods were
    equally good, each group's difference could as well have the other sign;
    `p = (1 + |{|flipped| ≥ |seen|}|) / (1 + n)` (Smucker, Allan & Carterette 2007).

    Example: three groups with differences 2, 1 and 1, in sum 4. Of the 8 combinations of signs two reach |4|, all plus
    and all minus, so p tends to 2 / 8 as n grows.

    Args:
        first: `[B]` a metric of one method; NaN leaves the query out.
        second: `[B]` the same metric of the other.
        groups: `[B]` as in `bootstrap_means`.
        num_resamples: number of resamples and of sign flips, n.
        level: coverage of the interval.
        seed: random seed of both.

    Raises:
        SchemaError: lengths differ.
    """
    if len(first) != len(second):
        raise SchemaError(f"Two methods are compared on the same queries; got {len(first)} and {len(second)} values.")
    difference = (first - second)[:, None]
    estimate = bootstrap_means(difference, groups, num_resamples=num_resamples, level=level, seed=seed)[0]
    if _num_groups(~np.isnan(difference), groups)[0] < _LEAST_GROUPS:
        return Comparison(estimate, float("nan"))
    sums = _group_sums(difference, ~np.isnan(difference), groups, None)[0].ravel()
    rng = np.random.default_rng(seed)
    reached = 0
    for size in _block_sizes(len(sums), num_resamples):
        signs = rng.integers(0, 2, (size, len(sums)), dtype=np.int8) * 2 - 1
        reached += int((np.abs(signs @ sums) >= abs(sums.sum()) - 1e-9).sum())
    return Comparison(estimate, (1 + reached) / (1 + num_resamples))


def _num_groups(inside: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Returns `[M]` groups with a value in each column of `inside [B, M]`."""
    code, labels = pd.factorize(np.asarray(groups, object))
    member = scipy.sparse.csr_matrix((np.ones(len(code)), (code, np.arange(len(code)))), shape=(len(labels), len(code)))
    return ((member @ inside.astype(np.float64)) > 0).sum(axis=0)


def _group_sums(
    values: np.ndarray, inside: np.ndarray, groups: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[num_groups, M]` sums of the values and of the weights of each group."""
    code, labels = pd.factorize(np.asarray(groups, object))
    member = scipy.sparse.csr_matrix((np.ones(len(code)), (code, np.arange(len(code)))), shape=(len(labels), len(code)))
    sizes = inside.astype(np.float64) if weights is None else np.where(inside, weights, 0.0)
    return member @ np.where(inside, values, 0.0), member @ sizes


def _draws(num_groups: int, num_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yields blocks `[resamples, num_groups]` of how often each group is drawn."""
    rng = np.random.default_rng(seed)
    for size in _block_sizes(num_groups, num_resamples):
        drawn = rng.integers(0, num_groups, (size, num_groups)) + np.arange(size)[:, None] * num_groups
        yield np.bincount(drawn.ravel(), minlength=size * num_groups).reshape(size, num_groups).astype(np.float64)


def _block_sizes(num_groups: int, num_resamples: int) -> list[int]:
    step = max(1, _BLOCK_CELLS // max(1, num_groups))
    return [min(step, num_resamples - start) for start in range(0, num_resamples, step)]


def _check(level: float, num_resamples: int) -> None:
    if not 0 < level < 1:
        raise ConfigError(f"`level` is a coverage between 0 and 1, e.g. 0.95; got {level}.")
    if num_resamples < 1:
        raise ConfigError(f"`num_resamples` must be at least 1; got {num_resamples}.")


def _short(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"
