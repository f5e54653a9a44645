"""Experiments of shops whose treatment brings visitors (a mail), and what the read-out and its daily looks conclude."""

import dataclasses

import numpy as np
import pandas as pd

from tests.worlds import START
from tfrec.experiments.daily_looks import look_daily
from tfrec.experiments.metrics import choose_metrics
from tfrec.experiments.read_out import HeavyTailMetric, read_out
from tfrec.experiments.shop_metrics import user_metrics
from tfrec.schema.tables import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS, Tables, conform

DAYS = 28
METRICS = ("conversion", "orders", "value")


def mailed_shop(
    seed: int,
    *,
    num_users: int = 6_000,
    visitors: tuple[float, float] = (0.30, 0.60),
    buyers: tuple[float, float] = (0.030, 0.045),
) -> tuple[pd.DataFrame, Tables]:
    """Returns the arms of a mail's test, and a log of 28 days before and 28 days of it.

    Args:
        seed: random seed.
        num_users: of both arms, half of them in each.
        visitors: share that visits during the test, in control and with the mail; before it all are as control.
        buyers: share that buys; some buy twice, and how much is a user's own habit.
    """
    rng = np.random.default_rng(seed)
    ids = np.array([f"u{user}" for user in range(num_users)])
    arm = rng.permutation(np.arange(num_users) % 2)
    habit = rng.gamma(1.0, 1.0, num_users)  # regulars buy before and after
    worth = rng.lognormal(3.0, 1.0, num_users)
    frames = []
    for first_day, treated in ((0, np.zeros(num_users, dtype=int)), (DAYS, arm)):
        visits = np.flatnonzero(rng.random(num_users) < np.array(visitors)[treated])
        often = np.array([-np.log1p(-share) for share in buyers])[treated] * habit
        orders = np.repeat(np.arange(num_users), rng.poisson(often))
        for who, kind in ((visits, "view"), (orders, "purchase")):
            frame = pd.DataFrame({"user_id": ids[who], "item_id": "a", "event_type": kind})
            frame["timestamp"] = START + pd.to_timedelta(first_day + rng.random(len(who)) * DAYS, unit="D")
            frame["order_id"] = [f"{first_day}-{place}" if kind == "purchase" else "" for place in range(len(who))]
            frame["price"] = worth[who] * rng.uniform(0.5, 1.5, len(who))
            frames.append(frame)
    events = pd.concat(frames).sort_values("timestamp", kind="stable", ignore_index=True)
    events["timestamp"] = events["timestamp"].astype("datetime64[us]")
    tables = Tables(
        conform(events, EVENT_COLUMNS, table="events"),
        conform(pd.DataFrame({"item_id": ["a"]}), ITEM_COLUMNS, table="items"),
        conform(pd.DataFrame({"user_id": ids}), USER_COLUMNS, table="users"),
    )
    return pd.DataFrame({"user_id": ids, "arm": np.array(["control", "mail"])[arm]}), tables


@dataclasses.dataclass(frozen=True)
class Conclusions:
    """What one test concludes of one metric.

    Attributes:
        at_end: verdict of the read-out.
        daily: verdict of the daily looks, whichever day reached it.
        is_contradiction: the daily looks say the opposite, or show an effect at the last look that the read-out does
            not.
    """

    at_end: str
    daily: str
    is_contradiction: bool


def conclude(assigned: pd.DataFrame, tables: Tables, *, resamples: int = 400) -> dict[str, Conclusions]:
    """Returns metric → what a test on that metric alone concludes, as `tfrec experiment read` does."""
    start, end = START + pd.Timedelta(days=DAYS), START + pd.Timedelta(days=2 * DAYS)
    users = user_metrics(assigned, tables, start=start, end=end)
    found = {}
    for name, metric in choose_metrics(users, METRICS).items():
        if isinstance(metric, HeavyTailMetric):
            metric = dataclasses.replace(metric, resamples=resamples)
        at_end = read_out(users, arm="arm", control="control", primary=[metric]).findings[0].verdict
        looks = look_daily(users, tables, metrics={name: metric}, control="control", start=start, end=end)
        path = looks.paths["mail", name]
        is_opposite = {at_end, path.verdict} == {"better", "worse"}
        is_unseen = path.decided_at >= 0 and not path.has_faded and at_end == "undecided"
        found[name] = Conclusions(at_end, path.verdict, is_opposite or is_unseen)
    return found
