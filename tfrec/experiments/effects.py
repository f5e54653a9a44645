"""Estimates the difference between two arms: means, ratios, heavy tails, with CUPED.

Every function takes control first, treatment second, and reports treatment minus control.
"""

import dataclasses
import math

import numpy as np
from scipy import special

from tfrec.errors import ConfigError, SchemaError

_CHUNK = 4_000_000  # weights drawn at once in a bootstrap: 32 MB


@dataclasses.dataclass(frozen=True)
class Estimate:
    """An estimate: its value, its interval and the number of observations.

    Attributes:
        value: the point estimate.
        low: lower end of the interval.
        high: upper end of the interval.
        std_error: standard error; NaN where the interval does not come from one.
        n: number of units (users, sessions, impressions) behind the figure.
        level: confidence level of the interval, e.g. `0.95`.
    """

    value: float
    low: float
    high: float
    std_error: float
    n: int
    level: float = 0.95

    @property
    def p_value(self) -> float:
        """Two-sided p-value against zero by the normal approximation; NaN without a standard error."""
        if not self.std_error > 0:
            return math.nan if math.isnan(self.std_error) else float(self.value == 0)
        return float(2 * special.ndtr(-abs(self.value) / self.std_error))

    @property
    def is_positive(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0

    @property
    def is_negative(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.high < 0

    def scaled(self, factor: float) -> "Estimate":
        """Returns the estimate in another unit (`factor` > 0 keeps the ends' order, < 0 swaps them)."""
        low, high = sorted((self.low * factor, self.high * factor))
        return dataclasses.replace(
            self, value=self.value * factor, low=low, high=high, std_error=self.std_error * abs(factor)
        )


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Treatment against control on one metric.

    Attributes:
        control: the metric in control.
        treatment: the metric in treatment.
        difference: treatment − control.
        relative: treatment / control − 1, by the delta method; NaN ends where control's mean is not clear of zero.
    """

    control: Estimate
    treatment: Estimate
    difference: Estimate
    relative: Estimate


def normal_estimate(value: float, std_error: float, n: int, *, level: float = 0.95) -> Estimate:
    """Returns `value ± z·std_error`, `z` the normal quantile of `level`."""
    _check_level(level)
    half = float(special.ndtri(0.5 + level / 2)) * std_error
    return Estimate(float(value), float(value - half), float(value + half), float(std_error), int(n), level)


def compare_means(
    control: np.ndarray,
    treatment: np.ndarray,
    *,
    control_covariate: np.ndarray | None = None,
    treatment_covariate: np.ndarray | None = None,
    level: float = 0.95,
) -> Comparison:
    """Compares the means of a metric per user; with covariates from before the experiment, by CUPED.

    CUPED (Deng et al., WSDM 2013): `y' = y − θ (x − x̄)`, `θ = cov(x, y) / var(x)` over both arms, which keeps the
    mean difference and removes the share `corr(x, y)²` of its variance.

    Args:
        control: `[n_c]` outcomes.
        treatment: `[n_t]` outcomes.
        control_covariate: `[n_c]` the same users' value from before; or `[n_c, q]` several.
        treatment_covariate: the like for treatment.
        level: confidence level.

    Raises:
        SchemaError: an arm has fewer than two users, holds NaN, or only one covariate is given.
    """
    control, treatment = _outcomes("control", control), _outcomes("treatment", treatment)
    if (control_covariate is None) != (treatment_covariate is None):
        raise SchemaError("CUPED needs the covariate of both arms; got that of one. Pass both or none.")
    if control_covariate is not None and treatment_covariate is not None:
        control, treatment = adjust_by_covariate(control, treatment, control_covariate, treatment_covariate)
    return compare_moments(
        len(control), control.mean(), control.var(ddof=1), len(treatment), treatment.mean(), treatment.var(ddof=1),
        level=level,
    )  # fmt: skip


def adjust_by_covariate(
    control: np.ndarray, treatment: np.ndarray, control_covariate: np.ndarray, treatment_covariate: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns both arms' outcomes `[n]` less what the covariates explain (CUPED); the overall mean is kept."""
    x_c, x_t = (_columns(x) for x in (control_covariate, treatment_covariate))
    if len(x_c) != len(control) or len(x_t) != len(treatment):
        raise SchemaError(
            f"A covariate needs one row a user: got {len(x_c)} and {len(x_t)} rows for "
            f"{len(control)} and {len(treatment)} users. Take the covariate from the same table, in the same order."
        )
    x = np.concatenate([x_c, x_t])
    centre = x.mean(axis=0)
    # θ from within the arms, so that the effect itself does not enter it.
    within = np.concatenate([x_c - x_c.mean(axis=0), x_t - x_t.mean(axis=0)])
    y = np.concatenate([control - control.mean(), treatment - treatment.mean()])
    theta = np.linalg.lstsq(within, y, rcond=None)[0]
    return control - (x_c - centre) @ theta, treatment - (x_t - centre) @ theta


def compare_moments(
    n_control: float,
    mean_control: float,
    variance_control: float,
    n_treatment: float,
    mean_treatment: float,
    variance_treatment: float,
    *,
    level: float = 0.95,
) -> Comparison:
    """Compares two arms of which only count, mean and variance are known (Welch, normal quantiles)."""
    if min(n_control, n_treatment) < 2:
        raise SchemaError(
            f"Both arms need at least two units; got {n_control:g} and {n_treatment:g}. Wait for more data."
        )
    v_c, v_t = variance_control / n_control, variance_treatment / n_treatment
    n = int(n_control + n_treatment)
    return Comparison(
        control=normal_estimate(mean_control, math.sqrt(v_c), int(n_control), level=level),
        treatment=normal_estimate(mean_treatment, math.sqrt(v_t), int(n_treatment), level=level),
        difference=normal_estimate(mean_treatment - mean_control, math.sqrt(v_c + v_t), n, level=level),
        relative=_relative(mean_control, v_c, mean_treatment, v_t, n, level),
    )


def compare_ratios(
    control_numerator: np.ndarray,
    control_denominator: np.ndarray,
    treatment_numerator: np.ndarray,
    treatment_denominator: np.ndarray,
    *,
    level: float = 0.95,
) -> Comparison:
    """Compares ratio metrics such as clicks per impression, where users, not impressions, were randomised.

    Delta method (Deng et al., KDD 2018): with per-user numerators `y` and denominators `d`, `R = ȳ / d̄` and
    `var(R) ≈ var(y − R d) / (n d̄²)`. Treating impressions as independent would make the interval too narrow.

    Raises:
        SchemaError: a denominator sums to zero, or the arrays of an arm differ in length.
    """
    sides = []
    for name, top, bottom in (
        ("control", control_numerator, control_denominator),
        ("treatment", treatment_numerator, treatment_denominator),
    ):
        y, d = _outcomes(name, top), _outcomes(name, bottom)
        if len(y) != len(d):
            raise SchemaError(f"{name}: numerator and denominator must be per user; got {len(y)} and {len(d)} rows.")
        if d.sum() <= 0:
            raise SchemaError(f"{name}: the denominator sums to {d.sum():g}; a ratio needs a positive one.")
        ratio = y.sum() / d.sum()
        sides.append((len(y), ratio, float((y - ratio * d).var(ddof=1) / d.mean() ** 2)))
    (n_c, r_c, v_c), (n_t, r_t, v_t) = sides
    return compare_moments(n_c, r_c, v_c, n_t, r_t, v_t, level=level)


def compare_heavy_tails(
    control: np.ndarray,
    treatment: np.ndarray,
    *,
    cap_quantile: float = 1.0,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compares means of a heavy-tailed metric (revenue per user) by a studentised bootstrap.

    Each resample draws Poisson(1) weights per user, and the interval inverts the bootstrap distribution of
    `(d* − d) / se*` (bootstrap-t; Hall 1988), which follows a skewed tail where the normal interval does not.
    `cap_quantile` < 1 caps both arms at that quantile of their pooled non-zero values (winsorising): a smaller
    variance for another, stated estimand. Zeros take no part in the drawing beyond their number, so a million users
    with few buyers is fast.

    Raises:
        ConfigError: `cap_quantile` outside (0, 1].
    """
    control, treatment = winsorise(
        _outcomes("control", control), _outcomes("treatment", treatment), cap_quantile=cap_quantile
    )
    plain = compare_moments(
        len(control), control.mean(), control.var(ddof=1), len(treatment), treatment.mean(), treatment.var(ddof=1),
        level=level,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    mean_c, var_c = _resampled_moments(control, resamples, rng)
    mean_t, var_t = _resampled_moments(treatment, resamples, rng)
    error = np.sqrt(var_c / len(control) + var_t / len(treatment))
    usable = error > 0
    if usable.sum() < 100:
        return plain
    t = ((mean_t - mean_c)[usable] - plain.difference.value) / error[usable]
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


def _resampled_moments(values: np.ndarray, resamples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and variance of each Poisson resample; zeros only count."""
    spent = values[values != 0]
    zeros = rng.poisson(len(values) - len(spent), size=resamples).astype(float)
    count, total, square = np.zeros(resamples), np.zeros(resamples), np.zeros(resamples)
    block = max(1, _CHUNK // max(len(spent), 1))
    powers = np.stack([np.ones_like(spent), spent, spent**2], axis=1)  # [n, 3]
    for start in range(0, resamples, block):
        stop = min(start + block, resamples)
        weights = rng.poisson(1.0, size=(stop - start, len(spent))).astype(np.float32)
        count[start:stop], total[start:stop], square[start:stop] = (weights @ powers).T
    count = np.maximum(count + zeros, 2)
    mean = total / count
    return mean, np.maximum(square / count - mean**2, 0.0) * count / (count - 1)


def _relative(mean_c: float, v_c: float, mean_t: float, v_t: float, n: int, level: float) -> Estimate:
    if mean_c == 0 or abs(mean_c) < 3 * math.sqrt(v_c):
        value = mean_t / mean_c - 1 if mean_c else math.nan
        return Estimate(float(value), math.nan, math.nan, math.nan, n, level)
    ratio = mean_t / mean_c
    return normal_estimate(ratio - 1, math.sqrt(v_t + ratio**2 * v_c) / abs(mean_c), n, level=level)


def _outcomes(name: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise SchemaError(f"{name} must be one number a user, at least two users; got shape {values.shape}.")
    if not np.isfinite(values).all():
        raise SchemaError(
            f"{name} holds {int((~np.isfinite(values)).sum())} missing or infinite values. "
            "A user without the event has 0, not NaN: fill them before the comparison."
        )
    return values


def _columns(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return values[:, None] if values.ndim == 1 else values


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ConfigError(f"`level` must lie in (0, 1); got {level}. 0.95 is usual.")
