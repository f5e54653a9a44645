"""Computes the size and the duration of an experiment from the effect to be detected."""

import dataclasses
import math

import numpy as np
import pandas as pd
from scipy import special

from tfrec.errors import ConfigError, SchemaError


@dataclasses.dataclass(frozen=True)
class Design:
    """How large an experiment must be.

    Attributes:
        n_control: users needed in control.
        n_treatment: users needed in treatment (each treatment arm).
        effect: absolute difference that is found with `power`.
        relative_effect: the same as a share of the baseline.
        baseline: metric per user without treatment.
        power: chance to find an effect of that size.
        level: confidence level of each comparison, after the share for `comparisons`.
        variance_kept: share of the variance that CUPED leaves, `1 − corr²`.
    """

    n_control: int
    n_treatment: int
    effect: float
    relative_effect: float
    baseline: float
    power: float
    level: float
    variance_kept: float


@dataclasses.dataclass(frozen=True)
class Duration:
    """How many weeks an experiment must run, from the shop's own traffic.

    Attributes:
        weeks: whole weeks to run; −1 when the wanted effect is not reached within the weeks that were tried.
        wanted: relative effect asked for.
        table: one row a week: `weeks`, `users` reached, `mean`, `variance`, `correlation` with the pre-period,
            `detectable` (relative, with CUPED) and `detectable_plain` (without).
    """

    weeks: int
    wanted: float
    table: pd.DataFrame


def plan_sample_size(
    *,
    baseline: float,
    relative_effect: float,
    variance: float | None = None,
    power: float = 0.8,
    level: float = 0.95,
    treatment_share: float = 0.5,
    correlation: float = 0.0,
    comparisons: int = 1,
) -> Design:
    """Returns the users needed to find a relative change of a mean or a rate.

    `n_t = (z_{1−α/2} + z_power)² (σ_t² + σ_c² s/(1 − s)) (1 − ρ²) / δ²`, `s` the treatment's share, `δ` the absolute
    effect, `ρ` the correlation with the pre-period (CUPED), `α = (1 − level)/comparisons` (Bonferroni). A rate has
    `σ² = p (1 − p)` in each arm at its own `p`; other metrics the same `σ²` in both.

    Args:
        baseline: metric per user without treatment; a rate when `variance` is left out.
        relative_effect: smallest change worth finding, e.g. `0.02`.
        variance: per-user variance of the metric.
        power: chance to find it.
        level: confidence level of the experiment.
        treatment_share: treatment / (treatment + control).
        correlation: correlation of a user's metric with the same before the experiment.
        comparisons: arms × primary metrics that share the error.

    Raises:
        ConfigError: a setting outside its range.
    """
    if variance is None:
        if not 0 < baseline < 1:
            raise ConfigError(f"`baseline` {baseline} is no rate in (0, 1). Give `variance` for other metrics.")
        treated = min(max(baseline * (1 + relative_effect), 0.0), 1.0)
        variances = baseline * (1 - baseline), treated * (1 - treated)
    else:
        variances = variance, variance
    _check_settings(power, level, treatment_share, correlation, comparisons)
    effect = abs(baseline * relative_effect)
    if not effect > 0 or not min(variances) > 0:
        raise ConfigError(f"The effect and the variance must be positive; got {effect:g} and {min(variances):g}.")
    kept = 1 - correlation**2
    odds = treatment_share / (1 - treatment_share)
    n_treatment = _quantiles(power, level, comparisons) ** 2 * kept * (variances[1] + variances[0] * odds) / effect**2
    return Design(
        n_control=math.ceil(n_treatment / odds),
        n_treatment=math.ceil(n_treatment),
        effect=effect,
        relative_effect=abs(relative_effect),
        baseline=baseline,
        power=power,
        level=1 - (1 - level) / comparisons,
        variance_kept=kept,
    )


def detectable_effect(
    n: float,
    *,
    variance: float,
    power: float = 0.8,
    level: float = 0.95,
    treatment_share: float = 0.5,
    correlation: float = 0.0,
    comparisons: int = 1,
) -> float:
    """Returns the smallest absolute effect that `n` users in both arms together find with `power`."""
    _check_settings(power, level, treatment_share, correlation, comparisons)
    kept = variance * (1 - correlation**2)
    spread = math.sqrt(kept / (n * treatment_share) + kept / (n * (1 - treatment_share)))
    return _quantiles(power, level, comparisons) * spread


def plan_duration(
    activity: pd.DataFrame,
    *,
    relative_effect: float,
    max_weeks: int = 8,
    pre_weeks: int = 4,
    power: float = 0.8,
    level: float = 0.95,
    treatment_share: float = 0.5,
    traffic_share: float = 1.0,
    comparisons: int = 1,
    is_rate: bool = False,
) -> Duration:
    """Returns the weeks to run, by replaying the shop's last weeks as if they were the experiment.

    For each number of weeks `w` the users of the last `w` weeks are counted (regulars come again, so users grow slower
    than time), and the mean and variance of their total value are taken, with its correlation with the `pre_weeks`
    before. Whole weeks only, because weekdays differ.

    Args:
        activity: rows `user_id`, `timestamp`, `value` (0 for a visit without a purchase): every visit that would enter
            the experiment.
        relative_effect: smallest change worth finding.
        max_weeks: longest duration to try.
        pre_weeks: length of the pre-period for CUPED; 0 for none.
        power: chance to find it.
        level: confidence level.
        treatment_share: treatment / (treatment + control).
        traffic_share: share of users in the experiment.
        comparisons: arms × primary metrics that share the error.
        is_rate: the metric is whether a user has any value at all (conversion), not how much.

    Raises:
        SchemaError: columns missing, or less than a week of log beside the pre-period.
    """
    missing = {"user_id", "timestamp", "value"} - set(activity.columns)
    if missing:
        raise SchemaError(f"`activity` must have user_id, timestamp and value; missing: {', '.join(sorted(missing))}.")
    day = activity["timestamp"].dt.floor("D")
    end = day.max() + pd.Timedelta(days=1)
    available = int((end - day.min()).days) // 7 - pre_weeks
    if available < 1:
        raise SchemaError(
            f"The log spans {(end - day.min()).days} days; a week and {pre_weeks} weeks of pre-period are needed. "
            "Lower `pre_weeks` or bring a longer log."
        )
    rows = []
    for weeks in range(1, min(max_weeks, available) + 1):
        start = end - pd.Timedelta(weeks=weeks)
        value = activity.loc[day >= start].groupby("user_id")["value"].sum()
        value = (value > 0).astype("float64") if is_rate else value
        is_before = (day < start) & (day >= start - pd.Timedelta(weeks=pre_weeks))
        before = activity.loc[is_before].groupby("user_id")["value"].sum().reindex(value.index, fill_value=0.0)
        before = (before > 0).astype("float64") if is_rate else before
        mean, variance = float(value.mean()), float(value.var(ddof=1))
        spread = float(before.std())
        correlation = float(np.corrcoef(value, before)[0, 1]) if spread > 0 and variance > 0 else 0.0
        users = len(value) * traffic_share
        detectable = detectable_effect(
            users,
            variance=variance,
            power=power,
            level=level,
            treatment_share=treatment_share,
            comparisons=comparisons,
        )
        plain = detectable / mean if mean > 0 else math.inf
        rows.append(
            {
                "weeks": weeks,
                "users": int(users),
                "mean": mean,
                "variance": variance,
                "correlation": correlation,
                "detectable": plain * math.sqrt(1 - correlation**2),
                "detectable_plain": plain,
            }
        )
    table = pd.DataFrame(rows)
    enough = table.loc[table["detectable"] <= relative_effect, "weeks"]
    return Duration(weeks=int(enough.iloc[0]) if len(enough) else -1, wanted=relative_effect, table=table)


def _quantiles(power: float, level: float, comparisons: int) -> float:
    return float(special.ndtri(1 - (1 - level) / comparisons / 2) + special.ndtri(power))


def _check_settings(power: float, level: float, treatment_share: float, correlation: float, comparisons: int) -> None:
    for name, value in (("power", power), ("level", level), ("treatment_share", treatment_share)):
        if not 0 < value < 1:
            raise ConfigError(f"`{name}` must lie in (0, 1); got {value}.")
    if not -1 < correlation < 1:
        raise ConfigError(f"`correlation` must lie in (-1, 1); got {correlation}.")
    if comparisons < 1:
        raise ConfigError(f"`comparisons` must be at least 1; got {comparisons}.")
