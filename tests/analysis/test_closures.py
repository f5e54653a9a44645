import numpy as np
import pandas as pd
import pytest

from tfrec.analysis.closures import closed_days, closed_weekdays, expected_closures, lasting_closures, stock_outs

FIRST = pd.Timestamp("2024-01-01")  # a Monday


def column(date: str) -> int:
    return (pd.Timestamp(date) - FIRST).days


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.7, 1.5, 3.0])
def test_quiet_days_of_a_small_shop_are_no_closures(rate):
    closed = [closed_days(np.random.default_rng(seed).poisson(rate, 364)).any() for seed in range(40)]
    assert np.mean(closed) <= 0.05


def test_weekly_closing_holiday_and_single_day_of_a_busy_shop_are_closed():
    orders = np.random.default_rng(0).negative_binomial(8, 0.15, 400)
    orders[6::7] = 0
    orders[100:110] = 0
    orders[205] = 0
    expected = np.zeros(400, dtype=bool)
    expected[6::7] = expected[100:110] = expected[205] = True
    assert closed_days(orders).tolist() == expected.tolist()
    expected[205] = False
    assert lasting_closures(closed_days(orders)).tolist() == expected.tolist()
    assert closed_weekdays(expected).tolist() == [False] * 6 + [True]


def test_weekday_that_opens_counts_as_open_from_then_on():
    orders = np.random.default_rng(0).poisson(30, 280)
    orders[6:140:7] = 0
    closed = closed_days(orders)
    assert closed[6:140:7].all()
    assert not closed[140:].any()
    assert not closed_weekdays(closed).any()


def test_closure_over_christmas_is_expected_again_but_not_a_single_day():
    closed = np.zeros(column("2024-12-15"), dtype=bool)
    closed[column("2024-02-01") : column("2024-02-08")] = True
    closed[column("2024-02-20")] = True
    closed[6::7] = True
    coming = expected_closures(closed, FIRST, 100)
    start = len(closed)
    expected = np.zeros(100, dtype=bool)
    expected[column("2025-02-01") - start : column("2025-02-08") - start] = True
    assert coming.tolist() == expected.tolist()


def test_date_that_was_closed_twice_is_expected_again():
    closed = np.zeros(column("2026-05-20"), dtype=bool)
    closed[[column(f"{year}-06-01") for year in (2024, 2025)]] = True
    closed[column("2025-06-05")] = True
    assert np.flatnonzero(expected_closures(closed, FIRST, 28)).tolist() == [column("2026-06-01") - len(closed)]


def test_stock_out_of_a_steady_item_is_found_and_a_season_is_not():
    values = np.random.default_rng(0).poisson([[2.0], [2.0], [0.1], [2.0]], (4, 300)).astype(float)
    values[0, 150:170] = 0  # out of stock
    values[1, 100:200] = 0  # a season
    values[3, 280:] = 0  # not sold again: unknown whether it will be
    out = stock_outs(values, np.zeros(300, dtype=bool))
    assert out[0, 150:170].all()
    assert out.sum() <= 22
