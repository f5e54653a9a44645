"""Reads each arm and metric of a shop's experiment day by day, with intervals that are valid at every look.

Each look is the read-out as if the experiment had ended that day: the same users, caps and covariates.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import special

from tfrec.experiments.read_out import FEWEST, HeavyTailMetric, Metric
from tfrec.experiments.sequential import SequentialReadOut, always_valid
from tfrec.experiments.shop_metrics import METRICS, daily_totals
from tfrec.schema.tables import Tables
from tfrec.statistics.estimates import Estimate

PLANNED_DAYS = 28
"""Days of an experiment whose end is not fixed; the intervals are narrowest there."""


@dataclasses.dataclass(frozen=True)
class DailyLooks:
    """Always-valid paths of an experiment.

    Attributes:
        paths: arm and metric → the path.
        unread: arm and metric → why there is no path.
        level: confidence level of each path, so that all together keep the level that was asked for (Bonferroni).
    """

    paths: dict[tuple[str, str], SequentialReadOut]
    unread: dict[tuple[str, str], str]
    level: float


def look_daily(
    users: pd.DataFrame,
    tables: Tables,
    *,
    metrics: Mapping[str, Metric],
    control: str,
    start: pd.Timestamp,
    end: pd.Timestamp,
    planned_days: int = PLANNED_DAYS,
    level: float = 0.95,
) -> DailyLooks:
    """Returns the path of each treatment arm and metric of the shop.

    Everybody assigned counts on every day, with 0 until they act, so that the last look has the estimate and the
    standard error of the read-out. Where the read-out's interval, of a heavy tail, is wider than the normal one, the
    whole path is widened by the same factor; an effect that is clear at the last look is then clear in the read-out.

    Args:
        users: the table that is read out (`user_metrics`): `user_id`, `arm`, metrics and their `_before` columns.
        tables: the shop.
        metrics: name → metric, as the read-out compares it; those that are none of the shop's own (`METRICS`) have no
            path, and count in the correction for many comparisons.
        control: the arm to compare with.
        start: first moment of the experiment.
        end: first moment after it.
        planned_days: days at which the intervals are narrowest; fixed before the start.
        level: confidence level of all paths together.
    """
    arms = [str(name) for name in sorted(users["arm"].unique()) if name != control]
    each = 1 - (1 - level) / max(len(metrics) * len(arms), 1)
    sizes = users["arm"].value_counts()
    paths: dict[tuple[str, str], SequentialReadOut] = {}
    unread: dict[tuple[str, str], str] = {}
    known = {name: metric for name, metric in metrics.items() if name in METRICS}
    for name, metric in known.items():
        large = [arm for arm in arms if min(sizes[arm], sizes[control]) >= FEWEST]
        unread.update({(arm, name): f"It needs {FEWEST} users in each arm." for arm in arms if arm not in large})
        days = list(daily_totals(users["user_id"], tables, metric=name, start=start, end=end)) if large else []
        for arm in large:
            path = _path(users, days, metric, (control, arm), planned_days=planned_days, level=each, whole_level=level)
            if path is None:
                unread[arm, name] = "On no day does it differ between the users of the two arms."
            else:
                paths[arm, name] = path
    return DailyLooks(paths, unread, each)


def _path(
    users: pd.DataFrame,
    days: Sequence[np.ndarray],
    metric: Metric,
    pair: tuple[str, str],
    *,
    planned_days: int,
    level: float,
    whole_level: float,
) -> SequentialReadOut | None:
    """Returns the path of one treatment; None where all its users have the same value on all days."""
    sides = [(users["arm"] == arm).to_numpy() for arm in pair]
    before = {column: users[column].to_numpy() for column in metric.columns if column != metric.name}
    plain = dataclasses.replace(metric, resamples=0) if isinstance(metric, HeavyTailMetric) else metric

    def arms_of(total: np.ndarray) -> list[pd.DataFrame]:
        columns = {metric.name: total, **before}
        return [pd.DataFrame({name: values[side] for name, values in columns.items()}) for side in sides]

    looks: list[tuple[int, Estimate]] = []
    for day, total in enumerate(days, start=1):
        if np.ptp(total[sides[0] | sides[1]]) > 0:
            looks.append((day, plain.compare(*arms_of(total), level=whole_level).difference))
    if not looks:
        return None
    widening = 1.0
    if isinstance(metric, HeavyTailMetric):
        widening = _widening(metric.compare(*arms_of(days[-1]), level=whole_level).difference)
    errors = np.array([look.std_error for _, look in looks]) * widening
    # Totals grow with time, and so does their variance: the error at the planned end, from the first look alone.
    tightest = float(errors[0]) * math.sqrt(max(planned_days, looks[0][0]) / looks[0][0])
    return always_valid(
        np.array([look.value for _, look in looks]),
        errors,
        tightest_error=tightest,
        n=np.full(len(looks), float(sides[0].sum() + sides[1].sum())),
        level=level,
        is_good_up=metric.is_good_up,
    )


def _widening(difference: Estimate) -> float:
    """Returns by which factor the wider side of an interval exceeds the normal one; at least 1."""
    half = float(special.ndtri(0.5 + difference.level / 2)) * difference.std_error
    sides = (difference.value - difference.low, difference.high - difference.value)
    return max(1.0, *(side / half for side in sides)) if half > 0 else 1.0
