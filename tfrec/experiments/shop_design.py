"""Plans an experiment from a shop's own log: which metric, how many weeks, how many users."""

import dataclasses

from tfrec.experiments.design import Design, Duration, plan_duration, plan_sample_size
from tfrec.experiments.shop_metrics import activity, users_of
from tfrec.schema.tables import Tables


@dataclasses.dataclass(frozen=True)
class ShopDesign:
    """How long an experiment must run in a shop.

    Attributes:
        metric: the metric that decides.
        duration: weeks to run.
        size: users needed, with the mean, variance and correlation of those weeks.
    """

    metric: str
    duration: Duration
    size: Design


def plan_in_shop(
    tables: Tables,
    *,
    relative_effect: float,
    metric: str = "conversion",
    treatments: int = 1,
    primary_metrics: int = 1,
    traffic_share: float = 1.0,
    power: float = 0.8,
    level: float = 0.95,
    max_weeks: int = 8,
    pre_weeks: int = 4,
) -> ShopDesign:
    """Returns the weeks and users that a wanted effect needs; the shop's last weeks are replayed as the experiment.

    Everybody in the log counts, as `tfrec experiment assign` assigns them, with the read-out's caps and covariates.

    Args:
        tables: the shop.
        relative_effect: smallest relative change to be detected.
        metric: one of `shop_metrics.METRICS`.
        treatments: number of arms beside control.
        primary_metrics: number of metrics that decide.
        traffic_share: share of users in the experiment.
        power: probability of detecting the effect.
        level: confidence level of all comparisons together.
        max_weeks: longest duration to try.
        pre_weeks: weeks before the experiment, for CUPED.

    Raises:
        ConfigError: a setting is out of range, or the metric is the same for everybody in this log.
        SchemaError: the log is too short, or names no user.
    """
    comparisons = treatments * primary_metrics
    duration = plan_duration(
        activity(tables, metric=metric).assign(timestamp=lambda log: tables.calendar.local(log["timestamp"])),
        user_ids=users_of(tables),
        relative_effect=relative_effect,
        power=power,
        level=level,
        comparisons=comparisons,
        traffic_share=traffic_share * 2 / (treatments + 1),  # of one control and each treatment, an equal share
        max_weeks=max_weeks,
        pre_weeks=pre_weeks,
        is_rate=metric == "conversion",
    )
    weeks = duration.weeks if duration.weeks > 0 else duration.table["weeks"].max()
    row = duration.table[duration.table["weeks"] == weeks].iloc[0]
    size = plan_sample_size(
        relative_effect=relative_effect,
        power=power,
        level=level,
        comparisons=comparisons,
        baseline=float(row["mean"]),
        variance=float(row["variance"]),
        correlation=float(row["correlation"]),
    )
    return ShopDesign(metric, duration, size)
