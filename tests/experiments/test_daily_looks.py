"""A test read every day and at its end: one population, one answer."""

import numpy as np
import pandas as pd
import pytest

from tests.mailed_shops import DAYS, METRICS, conclude, mailed_shop
from tests.worlds import START
from tfrec.experiments.daily_looks import look_daily
from tfrec.experiments.metrics import choose_metrics
from tfrec.experiments.read_out import read_out
from tfrec.experiments.shop_metrics import user_metrics

WINDOW = {"start": START + pd.Timedelta(days=DAYS), "end": START + pd.Timedelta(days=2 * DAYS)}


@pytest.mark.parametrize("seed", range(6))
def test_a_mail_that_brings_visitors_is_not_worse_on_the_way_and_better_at_the_end(seed):
    assigned, tables = mailed_shop(seed, num_users=16_000)
    found = conclude(assigned, tables)
    assert found["conversion"].at_end == "better"
    assert found["conversion"].daily in ("better", "undecided")
    assert not any(one.is_contradiction for one in found.values())


@pytest.mark.slow
def test_visitors_who_buy_nothing_more_are_no_effect():
    calls = []
    for seed in range(20):
        found = conclude(*mailed_shop(seed, num_users=2_000, buyers=(0.05, 0.05)), resamples=200)
        calls += [one.daily != "undecided" for one in found.values()]
        assert not any(one.is_contradiction for one in found.values())
    assert np.mean(calls) <= 0.05


def test_the_last_look_has_the_users_caps_and_covariates_of_the_read_out():
    assigned, tables = mailed_shop(1)
    users = user_metrics(assigned, tables, **WINDOW)
    metrics = choose_metrics(users, METRICS)
    looks = look_daily(users, tables, metrics=metrics, control="control", **WINDOW)
    read = read_out(users, arm="arm", control="control", primary=list(metrics.values()))
    for finding in read.findings:
        path, difference = looks.paths["mail", finding.metric], finding.comparison.difference
        assert path.n.tolist() == [len(users)] * len(path.n)
        assert path.differences[-1] == pytest.approx(difference.value)
        assert path.low[-1] < difference.low < difference.high < path.high[-1]


def test_fewer_of_a_metric_of_which_less_is_better_is_better_every_day():
    assigned, tables = mailed_shop(2, buyers=(0.30, 0.10))
    users = user_metrics(assigned, tables, **WINDOW)
    metrics = choose_metrics(users, ["orders"], down=["orders"])
    looks = look_daily(users, tables, metrics=metrics, control="control", **WINDOW)
    assert looks.paths["mail", "orders"].verdict == "better"


def test_a_path_needs_thirty_users_in_each_arm():
    assigned, tables = mailed_shop(3, num_users=58)
    users = user_metrics(assigned, tables, **WINDOW)
    looks = look_daily(users, tables, metrics=choose_metrics(users, ["visits"]), control="control", **WINDOW)
    assert not looks.paths
    assert "30 users" in looks.unread["mail", "visits"]
