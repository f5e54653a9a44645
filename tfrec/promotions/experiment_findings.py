"""Plans the next A/B test of a prepared shop, and reads the test that it has."""

import numpy as np

from tfrec.errors import SchemaError
from tfrec.experiments.design import Duration, plan_duration
from tfrec.experiments.metrics import choose_metrics
from tfrec.experiments.read_out import ReadOut, read_out
from tfrec.experiments.shop_metrics import activity, users_of
from tfrec.ingest.prepared import Prepared
from tfrec.promotions.offer_log import read_shop_test
from tfrec.schema.tables import Tables

WANTED = 0.05
"""The relative change that the report plans for."""

_MAX_WEEKS = 8


def plan_next_tests(tables: Tables) -> dict[str, Duration]:
    """Returns how long a test of a metric (conversion, value) must run, judged by the shop's last weeks.

    A metric that is the same for all users is left out, such as the value where nothing has a price.

    Raises:
        SchemaError: the log is too short to plan from, or names no user, or no metric differs between users.
    """
    everybody, local = users_of(tables), tables.calendar.local
    durations = {
        metric: plan_duration(
            activity(tables, metric=metric).assign(timestamp=lambda log: local(log["timestamp"])),
            relative_effect=WANTED,
            user_ids=everybody,
            max_weeks=_MAX_WEEKS,
            is_rate=metric == "conversion",
        )
        for metric in ("conversion", "value")
    }
    durations = {metric: found for metric, found in durations.items() if np.isfinite(found.table["detectable"]).all()}
    if not durations:
        raise SchemaError("Users do not differ in orders or their value, so that no experiment can be planned.")
    return durations


def read_coupon_test(prepared: Prepared) -> ReadOut:
    """Reads the coupon test as an experiment: the outcome nearest to money decides, the others explain.

    Raises:
        SchemaError: the log has no control arm, or an arm of one user.
    """
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
