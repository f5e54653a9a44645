"""Reads each arm and metric of a shop's experiment day by day, with intervals that are valid at every look."""

import dataclasses
from collections.abc import Sequence

import pandas as pd

from tfrec.errors import SchemaError
from tfrec.experiments.sequential import SequentialReadOut, read_sequentially
from tfrec.experiments.shop_metrics import METRICS, daily_checkpoints
from tfrec.schema.tables import Tables


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
    assigned: pd.DataFrame,
    tables: Tables,
    *,
    metrics: Sequence[str],
    arms: Sequence[str],
    control: str,
    start: pd.Timestamp,
    end: pd.Timestamp,
    level: float = 0.95,
) -> DailyLooks:
    """Returns the path of each treatment arm and metric of the shop.

    Args:
        assigned: `user_id` and `arm`.
        tables: the shop.
        metrics: names of metrics; those that are none of the shop's own (`METRICS`) are left out.
        arms: treatment arms.
        control: the arm to compare with.
        start: first moment of the experiment.
        end: first moment after it.
        level: confidence level of all paths together.
    """
    known = [name for name in metrics if name in METRICS]
    each = 1 - (1 - level) / max(len(known) * len(arms), 1)
    paths: dict[tuple[str, str], SequentialReadOut] = {}
    unread: dict[tuple[str, str], str] = {}
    for metric in known:
        for arm in arms:
            try:
                checkpoints = daily_checkpoints(
                    assigned, tables, metric=metric, control=control, treatment=arm, start=start, end=end
                )
            except SchemaError as error:
                unread[arm, metric] = str(error)
                continue
            paths[arm, metric] = read_sequentially(*checkpoints.columns(), planned_n=float(len(assigned)), level=each)
    return DailyLooks(paths, unread, each)
