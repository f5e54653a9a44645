"""Compares means of heavy-tailed metrics by a studentised randomisation test."""

import dataclasses

import numpy as np

from tfrec.errors import ConfigError
from tfrec.statistics.two_samples import Comparison, check_outcomes, compare_moments

_CHUNK = 4_000_000  # users drawn at once: 32 MB


def compare_heavy_tails(
    control: np.ndarray,
    treatment: np.ndarray,
    *,
    cap_quantile: float = 1.0,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compares means of `[n]` values of a heavy-tailed metric (revenue per user) by a studentised randomisation test.

    Each resample assigns all users to the arms again, by the arms' shares, which gives `t* = d* / se*` without an
    effect; the interval is `d − q se` for the quantiles `q` of `t*`, equal tails. Where the treatment changes no user's
    outcome, the test keeps its level whatever the tail; as `t` is studentised, it also does so for large arms of
    unequal variance (Janssen 1997; Chung & Romano 2013). A bootstrap of few buyers does not: each resample of a
    treatment with a large basket is skewed, although the difference of two like arms is not.
    `cap_quantile` < 1 caps both arms at that quantile of their pooled non-zero values (winsorising): a smaller
    variance for another, stated estimand. Zeros take no part in the drawing beyond their number, so a million users
    with few buyers is fast. Without resamples the interval is the normal one.

    Raises:
        ConfigError: `cap_quantile` outside (0, 1].
    """
    control, treatment = winsorise(
        check_outcomes("control", control), check_outcomes("treatment", treatment), cap_quantile=cap_quantile
    )
    plain = compare_moments(
        len(control), control.mean(), control.var(ddof=1), len(treatment), treatment.mean(), treatment.var(ddof=1),
        level=level,
    )  # fmt: skip
    t = _null_statistics(control, treatment, resamples, np.random.default_rng(seed))
    if len(t) < 100:
        return plain
    upper, lower = np.quantile(t, [0.5 + level / 2, 0.5 - level / 2])
    value, std_error = plain.difference.value, plain.difference.std_error
    difference = dataclasses.replace(
        plain.difference, low=float(value - upper * std_error), high=float(value - lower * std_error)
    )
    return dataclasses.replace(plain, difference=difference)


def winsorise(control: np.ndarray, treatment: np.ndarray, *, cap_quantile: float) -> list[np.ndarray]:
    """Returns both arms `[n]` capped at that quantile of their pooled non-zero values; 1 caps nothing.

    Raises:
        ConfigError: `cap_quantile` outside (0, 1].
    """
    if not 0 < cap_quantile <= 1:
        raise ConfigError(f"`cap_quantile` must lie in (0, 1]; got {cap_quantile}. 1 caps nothing, 0.99 the top 1 %.")
    if cap_quantile == 1:
        return [control, treatment]
    pooled = np.concatenate([control, treatment])
    cap = np.quantile(pooled[pooled != 0], cap_quantile) if (pooled != 0).any() else 0.0
    return [np.minimum(control, cap), np.minimum(treatment, cap)]


def _null_statistics(
    control: np.ndarray, treatment: np.ndarray, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Returns `d* / se*` of each new assignment of all users; fewer than `resamples` where an arm has no variance."""
    values = np.concatenate([control, treatment])
    share = len(treatment) / len(values)
    spent = values[values != 0]
    # The result does not depend on the place of zero, and squares of centred values lose no digits.
    centre = float(spent.mean()) if len(spent) == len(values) else 0.0
    spent = spent - centre
    zeros = len(values) - len(spent)
    powers = np.stack([np.ones_like(spent), spent, spent**2], axis=1)  # [n, 3]
    treated = np.empty((resamples, 3))
    block = max(1, _CHUNK // max(len(spent), 1))
    for start in range(0, resamples, block):
        stop = min(start + block, resamples)
        treated[start:stop] = (rng.random((stop - start, len(spent)), dtype=np.float32) < share) @ powers
    treated[:, 0] += rng.binomial(zeros, share, size=resamples)
    others = np.array([len(values), spent.sum(), (spent**2).sum()]) - treated
    usable = (treated[:, 0] > 1) & (others[:, 0] > 1)
    (mean_t, error_t), (mean_c, error_c) = (_mean_and_error(arm[usable]) for arm in (treated, others))
    error = np.sqrt(error_t + error_c)
    return (mean_t - mean_c)[error > 0] / error[error > 0]


def _mean_and_error(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and its squared standard error of each row of counts, sums and sums of squares `[n, 3]`."""
    count, total, square = moments.T
    mean = total / count
    return mean, np.maximum(square / count - mean**2, 0.0) / (count - 1)
