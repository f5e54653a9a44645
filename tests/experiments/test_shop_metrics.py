"""An assignment and a log → metrics of each user, and of each day."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from tests.worlds import START, bought, make_tables, viewed
from tfrec.errors import SchemaError
from tfrec.experiments.metrics import choose_metrics
from tfrec.experiments.read_out import HeavyTailMetric, MeanMetric, RatioMetric, read_out
from tfrec.experiments.shop_metrics import METRICS, activity, daily_totals, user_metrics
from tfrec.schema.calendar import ShopCalendar


def day(number: float) -> pd.Timestamp:
    return START + pd.Timedelta(days=number)


@pytest.fixture
def tables():
    rows = [
        *bought("ann", 1, "a", "b"),  # before
        *bought("ann", 11, "a", "b", "c"),
        *bought("ann", 12, "a"),
        *viewed("bob", 12, "a", "b"),
        *viewed("cid", 25, "a"),  # after
        *viewed("", 12, "a", session="s"),
    ]
    tables = make_tables([{**row, "price": 2.0, "quantity": 3.0} for row in rows])
    return tables


def test_each_assigned_user_has_a_row_and_who_did_nothing_has_zero(tables):
    assigned = pd.DataFrame({"user_id": ["ann", "bob", "cid", "dan"], "arm": ["x", "x", "y", "y"]})
    found = user_metrics(assigned, tables, start=day(10), end=day(20)).set_index("user_id")
    figures = found.loc["ann", ["conversion", "orders", "value", "pieces", "visits"]]
    assert figures.tolist() == [1, 2, 24.0, 12.0, 2]
    assert found.loc["bob", ["conversion", "orders", "value", "visits"]].tolist() == [0, 0, 0.0, 1]
    assert found.loc[["cid", "dan"], "visits"].tolist() == [0, 0]
    assert found.loc["ann", ["orders_before", "value_before"]].tolist() == [1, 12.0]


def test_ids_of_another_log_are_an_error(tables):
    assigned = pd.DataFrame({"user_id": ["eve"], "arm": ["x"]})
    with pytest.raises(SchemaError, match="ids or dates"):
        user_metrics(assigned, tables, start=day(10), end=day(20))
    with pytest.raises(SchemaError, match="conversion, orders"):
        activity(tables, metric="sales")


def test_daily_totals_grow_to_the_metrics_of_the_read_out(tables):
    assigned = pd.DataFrame({"user_id": ["ann", "bob", "cid", "dan"], "arm": ["x", "x", "y", "y"]})
    whole = user_metrics(assigned, tables, start=day(10), end=day(20))
    for metric in METRICS:
        days = list(daily_totals(assigned["user_id"], tables, metric=metric, start=day(10), end=day(20)))
        assert len(days) == 10
        assert all((after >= before).all() for before, after in itertools.pairwise(days))
        assert days[-1].tolist() == whole[metric].tolist()
    value = list(daily_totals(assigned["user_id"], tables, metric="value", start=day(10), end=day(20)))
    assert [total[0] for total in value[:3]] == [0.0, 18.0, 24.0]  # everybody counts from the first day


def test_days_after_the_end_of_the_log_are_no_days(tables):
    days = list(daily_totals(pd.Series(["cid"]), tables, metric="visits", start=day(20), end=day(90)))
    assert [total.tolist() for total in days] == [[0.0]] * 5 + [[1.0]]


def test_days_are_those_of_the_shops_clock(tables):
    """At 20 and 21 o'clock in Los Angeles two dates are in UTC, and at 1 o'clock one date is."""
    calendar = ShopCalendar("America/Los_Angeles")
    start = calendar.in_utc(START + pd.Timedelta(days=10))
    evenings = [start + pd.Timedelta(hours=hour) for hour in (16, 17, 24 + 1, 24 + 20)]
    events = tables.events.head(4).assign(timestamp=pd.Series(evenings, dtype="datetime64[us]"), event_type="view")
    shop = dataclasses.replace(tables, events=events, calendar=calendar)
    window = {"start": start, "end": start + pd.Timedelta(days=3)}
    days = daily_totals(pd.Series(["ann"]), shop, metric="visits", **window)
    assert [total.tolist() for total in days] == [[1.0], [2.0]]
    assert user_metrics(pd.DataFrame({"user_id": ["ann"], "arm": ["x"]}), shop, **window)["visits"].tolist() == [2]


def test_metrics_are_compared_by_what_they_hold():
    rng = np.random.default_rng(1)
    n = 400
    users = pd.DataFrame(
        {
            "arm": np.repeat(["a", "b"], n // 2),
            "bought": rng.integers(2, size=n),
            "spend": rng.pareto(1.5, n),
            "spend_before": rng.pareto(1.5, n),
            "clicks": rng.integers(5, size=n),
            "views": rng.integers(5, 9, size=n),
        }
    )
    found = choose_metrics(users, ["bought", "spend", "clicks/views"], down=["spend"])
    assert isinstance(found["bought"], MeanMetric)
    assert isinstance(found["clicks/views"], RatioMetric)
    assert isinstance(found["spend"], HeavyTailMetric)
    assert found["spend"].covariate == "spend_before"
    assert not found["spend"].is_good_up
    read_out(users, arm="arm", control="a", primary=list(found.values()))
    with pytest.raises(SchemaError, match="missing for 1 users"):
        choose_metrics(users.assign(clicks=users["clicks"].where(users.index > 0)), ["clicks"])
    with pytest.raises(SchemaError, match="Did you mean 'clicks'"):
        choose_metrics(users, ["clikcs"])


def test_the_weeks_before_narrow_a_heavy_tail():
    rng = np.random.default_rng(2)
    before = rng.lognormal(2, 1.2, 4_000)
    users = pd.DataFrame(
        {"arm": np.tile(["a", "b"], 2_000), "spend": before * rng.uniform(0.8, 1.2, 4_000), "spend_before": before}
    )
    both = [HeavyTailMetric("spend"), HeavyTailMetric("spend", "spend_before")]
    plain, narrow = (
        one.compare(users[users["arm"] == "a"], users[users["arm"] == "b"], level=0.95).difference for one in both
    )
    assert narrow.high - narrow.low < 0.4 * (plain.high - plain.low)
    assert narrow.low < 0 < narrow.high
