"""Computes the size and the duration of an experiment from the effect to be detected."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special

from tfrec.errors import ConfigError, SchemaError
from tfrec.experiments.metrics import choose_metrics
from tfrec.experiments.read_out import HeavyTailMetric
from tfrec.experiments.sequential import daily_quantile
from tfrec.experiments.shop_metrics import BEFORE
from tfrec.statistics.heavy_tails import winsorise
from tfrec.statistics.power import detectable_difference, power_quantiles


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
        table: one row a number of weeks: `weeks`, `users` of the experiment, `mean`, `variance` (both capped where the
            read-out caps), `correlation` with the pre-period, `detectable` (relative, with CUPED), `detectable_plain`
            (without), and `detectable_daily` (with CUPED, where every day is looked at: always-valid intervals).
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
        treated = baseline * (1 + relative_effect)
        if not 0 < treated < 1:
            raise ConfigError(
                f"`relative_effect` {relative_effect:g} would turn the rate {baseline:g} into {treated:g}, which is no "
                "rate in (0, 1). Lower it."
            )
        variances = baseline * (1 - baseline), treated * (1 - treated)
    else:
        variances = variance, variance
    _check_settings(power, level, treatment_share, correlation, comparisons)
    effect = abs(baseline * relative_effect)
    if not effect > 0 or not min(variances) > 0:
        raise ConfigError(
            f"The effect (`relative_effect` times baseline) and the variance must be positive; got {effect:g} and "
            f"{min(variances):g}. Where no user differs from another, no experiment can be planned."
        )
    kept = 1 - correlation**2
    odds = treatment_share / (1 - treatment_share)
    n_treatment = (
        power_quantiles(power, level, comparisons=comparisons) ** 2
        * kept
        * (variances[1] + variances[0] * odds)
        / effect**2
    )
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
    return detectable_difference(
        n * (1 - treatment_share), kept, n * treatment_share, kept, power=power, level=level, comparisons=comparisons
    )


def plan_duration(
    activity: pd.DataFrame,
    *,
    relative_effect: float,
    user_ids: Sequence[str] | np.ndarray | None = None,
    max_weeks: int = 8,
    pre_weeks: int = 4,
    power: float = 0.8,
    level: float = 0.95,
    treatment_share: float = 0.5,
    traffic_share: float = 1.0,
    comparisons: int = 1,
    is_rate: bool = False,
    cap_quantile: float = 0.99,
) -> Duration:
    """Returns the weeks to run, by replaying the shop's last weeks as if they were the experiment.

    For each number of weeks `w`, each user's total of the last `w` weeks is taken as the read-out takes it: everybody
    assigned counts, who does nothing with 0; heavy tails are capped; the same users' `pre_weeks` before are the
    covariate (CUPED). So the effect that is found is that of the read-out's own standard error. Whole weeks only,
    because weekdays differ.

    Args:
        activity: rows `user_id`, `timestamp`, `value` (0 for a visit without a purchase).
        relative_effect: smallest change worth finding.
        user_ids: `[n]` everybody who would be assigned; all users of `activity` when left out.
        max_weeks: longest duration to try.
        pre_weeks: length of the pre-period for CUPED; 0 for none.
        power: chance to find it.
        level: confidence level.
        treatment_share: treatment / (treatment + control).
        traffic_share: share of users in the experiment.
        comparisons: arms × primary metrics that share the error.
        is_rate: the metric is whether a user has any value at all (conversion), not how much.
        cap_quantile: as in `choose_metrics`.

    Raises:
        SchemaError: columns missing, no user is known, or less than a week of log beside the pre-period.
        ConfigError: a setting outside its range.
    """
    missing = {"user_id", "timestamp", "value"} - set(activity.columns)
    if missing:
        raise SchemaError(f"`activity` must have user_id, timestamp and value; missing: {', '.join(sorted(missing))}.")
    if activity.empty:
        raise SchemaError("This log names no user, all its orders are of guests; an experiment needs user ids.")
    if not relative_effect > 0:
        raise ConfigError(f"`relative_effect` must be above 0; got {relative_effect:g}. 0.05 is a change of 5 %.")
    if max_weeks < 1 or pre_weeks < 0:
        raise ConfigError(f"`max_weeks` must be at least 1 and `pre_weeks` 0; got {max_weeks} and {pre_weeks}.")
    if not 0 < traffic_share <= 1:
        raise ConfigError(f"`traffic_share` must lie in (0, 1]; got {traffic_share:g}.")
    day = activity["timestamp"].dt.floor("D")
    end = day.max() + pd.Timedelta(days=1)
    available = int((end - day.min()).days) // 7 - pre_weeks
    if available < 1:
        raise SchemaError(
            f"The log spans {(end - day.min()).days} days; a week and {pre_weeks} weeks of pre-period are needed. "
            "Lower `pre_weeks` or bring a longer log."
        )
    everybody = pd.Index(activity["user_id"].unique() if user_ids is None else user_ids)
    rows = []
    for weeks in range(1, min(max_weeks, available) + 1):
        start = end - pd.Timedelta(weeks=weeks)
        earlier = start - pd.Timedelta(weeks=pre_weeks)
        spans = [day >= start, (day < start) & (day >= earlier)]
        totals = [
            activity.loc[span].groupby("user_id")["value"].sum().reindex(everybody, fill_value=0.0).to_numpy(np.float64)
            for span in spans
        ]
        value, before = [(total > 0).astype(np.float64) for total in totals] if is_rate else totals
        mean, variance, correlation = _moments(value, before, cap_quantile)
        users = len(everybody) * traffic_share
        detectable = detectable_effect(
            users,
            variance=variance,
            power=power,
            level=level,
            treatment_share=treatment_share,
            comparisons=comparisons,
        )
        plain = detectable / mean if mean > 0 else math.inf
        with_cuped = plain * math.sqrt(1 - correlation**2)
        rows.append(
            {
                "weeks": weeks,
                "users": int(users),
                "mean": mean,
                "variance": variance,
                "correlation": correlation,
                "detectable": with_cuped,
                "detectable_plain": plain,
                "detectable_daily": with_cuped * _daily_price(power, level, comparisons),
            }
        )
    table = pd.DataFrame(rows)
    enough = table.loc[table["detectable"] <= relative_effect, "weeks"]
    return Duration(weeks=int(enough.iloc[0]) if len(enough) else -1, wanted=relative_effect, table=table)


def _moments(value: np.ndarray, before: np.ndarray, cap_quantile: float) -> tuple[float, float, float]:
    """Returns mean, variance and correlation with the pre-period, as the read-out's choice of metric has them."""
    users = pd.DataFrame({"value": value, "value" + BEFORE: before})
    metric = choose_metrics(users, ["value"], cap_quantile=cap_quantile)["value"]
    if isinstance(metric, HeavyTailMetric):
        value = winsorise(value, value[:0], cap_quantile=metric.cap_quantile)[0]
    mean, variance = float(value.mean()), float(value.var(ddof=1)) if len(value) > 1 else 0.0
    is_related = "value" + BEFORE in metric.columns and variance > 0 and np.ptp(before) > 0
    return mean, variance, float(np.corrcoef(value, before)[0, 1]) if is_related else 0.0


def _daily_price(power: float, level: float, comparisons: int) -> float:
    """Returns by which factor the effect to be found grows where every day is looked at."""
    z = float(special.ndtri(power))
    return (daily_quantile(1 - (1 - level) / comparisons) + z) / power_quantiles(power, level, comparisons=comparisons)


def _check_settings(power: float, level: float, treatment_share: float, correlation: float, comparisons: int) -> None:
    for name, value in (("power", power), ("level", level), ("treatment_share", treatment_share)):
        if not 0 < value < 1:
            raise ConfigError(f"`{name}` must lie in (0, 1); got {value}.")
    if not -1 < correlation < 1:
        raise ConfigError(f"`correlation` must lie in (-1, 1); got {correlation}.")
    if comparisons < 1:
        raise ConfigError(f"`comparisons` must be at least 1; got {comparisons}.")
