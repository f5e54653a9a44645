"""Plans the next A/B test of a prepared shop, and reads the test that it has."""

import dataclasses
from typing import Any

from tfrec.experiments.design import Duration, plan_duration
from tfrec.experiments.metrics import choose_metrics
from tfrec.experiments.read_out import ReadOut, read_out
from tfrec.experiments.shop_metrics import activity
from tfrec.ingest.prepared import Prepared
from tfrec.promotions.offer_log import read_shop_test
from tfrec.schema.tables import Tables

WANTED = 0.05
"""The relative change that the report plans for."""

_MAX_WEEKS = 8


@dataclasses.dataclass(frozen=True)
class ExperimentFindings:
    """What is to be known of A/B tests in this shop.

    Attributes:
        durations: metric (conversion or orders, and value) → weeks to run, from the shop's last weeks.
        read: the coupon test read as an experiment: the outcome nearest to money decides, the others explain; None
            where the shop has none.
    """

    durations: dict[str, Duration]
    read: ReadOut | None

    def to_dict(self) -> dict[str, Any]:
        """Returns what JSON can hold."""
        return {
            "durations": {metric: found.to_dict() for metric, found in self.durations.items()},
            "read": None if self.read is None else self.read.to_dict(),
        }

    def summary(self) -> str:
        """Returns the findings in plain words."""
        lines = [f"{metric}: {found.summary()}" for metric, found in self.durations.items()]
        return "\n".join([*lines, *([] if self.read is None else [self.read.summary()])])


def judge_experiments(prepared: Prepared, tables: Tables) -> ExperimentFindings:
    """Returns how long a test must run, and the coupon test's verdict where there is one.

    Raises:
        SchemaError: the log is too short to plan from.
    """
    # A log of purchases alone knows buyers only: everybody in it converts.
    has_visits = bool((tables.events["event_type"] != "purchase").any())
    metrics = ("conversion" if has_visits else "orders", "value")
    durations = {
        metric: plan_duration(
            activity(tables, metric=metric),
            relative_effect=WANTED,
            max_weeks=_MAX_WEEKS,
            is_rate=metric == "conversion",
        )
        for metric in metrics
    }
    return ExperimentFindings(durations, _read(prepared))


def _read(prepared: Prepared) -> ReadOut | None:
    if "coupon_test" not in prepared.manifest.extras:
        return None
    log = read_shop_test(prepared)
    # Money decides: a coupon that sells more at a loss is no success.
    order = log.outcomes
    users = log.table.fillna(dict.fromkeys(order, 0))
    metrics = choose_metrics(users, order)
    return read_out(
        users,
        arm="arm",
        control=log.arm_names[0],
        primary=[metrics[order[0]]],
        secondary=[metrics[name] for name in order[1:]],
    )
