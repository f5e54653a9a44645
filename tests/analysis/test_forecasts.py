import dataclasses
import datetime
import json
import re

import numpy as np
import pandas as pd
import pytest

from tests.analysis.shops import START, shop
from tfrec.analysis.demand import daily_demand
from tfrec.analysis.forecasts import forecast_demand
from tfrec.analysis.smoothing import METHODS, try_methods
from tfrec.errors import ConfigError
from tfrec.report.terminal.demand import forecasts_text
from tfrec.report.words import language
from tfrec.schema.calendar import ShopCalendar
from tfrec.schema.json_values import to_json

WEEK = np.array([100, 120, 80, 100, 150, 50, 0])


def shop_of_series(series: dict[str, np.ndarray], categories: dict[str, str] | None = None):
    """Returns a shop that sells so many pieces of each item each day."""
    rows = [
        (item, day + 0.5 + number / 1000, pieces)
        for number, (item, one) in enumerate(series.items())
        for day, pieces in enumerate(one)
        if pieces
    ]
    items = None
    if categories is not None:
        items = {"item_id": list(categories), "category": list(categories.values())}
    frame = pd.DataFrame(rows, columns=["item_id", "days", "quantity"]).assign(event_type="purchase")
    first, num_days = next(iter(series)), len(next(iter(series.values())))
    # Views late on each day show that the log holds the days without sales, too, and all of them whole.
    views = pd.DataFrame({"item_id": first, "days": np.arange(num_days) + 0.9, "quantity": 1, "event_type": "view"})
    return shop(pd.concat([frame, views]).to_dict("list"), items)


def noisy(num_days: int, *, seed: int, noise: float = 0.3, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.round(scale * np.resize(WEEK, num_days) * np.exp(noise * rng.normal(size=num_days)), 2)


@pytest.fixture(scope="module")
def stationary():
    """Three hundred and sixty-four noisy days of six items in two categories, and their forecast."""
    series = {f"i{number}": noisy(364, seed=number, scale=1 + number) for number in range(6)}
    categories = {item: "A > x" if number < 3 else "B" for number, item in enumerate(series)}
    return forecast_demand(shop_of_series(series, categories))


def forecast_of(found, level: str, name: str = "") -> np.ndarray:
    own = found.daily[(found.daily["level"] == level) & (found.daily["name"] == name)]
    return own.sort_values("day")["forecast"].to_numpy()


@pytest.mark.parametrize("num_days", [140, 143], ids=["whole weeks", "a cut week"])
def test_regular_weeks_go_on(num_days):
    whole = np.resize(WEEK, num_days + 28).astype(float)
    found = forecast_demand(shop_of_series({"a": whole[:num_days]}))
    assert forecast_of(found, "shop") == pytest.approx(whole[num_days:], rel=0.02, abs=0.5)
    assert found.first_day == START + pd.Timedelta(days=num_days)


def test_forecast_begins_after_the_day_within_which_the_log_ends():
    whole = np.resize(WEEK, 140 + 29).astype(float)
    tables = shop_of_series({"a": whole[:141]})
    morning = tables.until(START + pd.Timedelta(days=140.6))
    found = forecast_demand(morning)
    assert found.cut_day == START + pd.Timedelta(days=140)
    assert found.first_day == START + pd.Timedelta(days=141)
    assert forecast_of(found, "shop") == pytest.approx(whole[141:], rel=0.02, abs=0.5)
    assert found.totals["last"].iloc[0] == whole[112:140].sum()
    assert "The log ends within 2024-05-20" in _text(found)
    assert "The log ends within" not in _text(forecast_demand(tables))


def test_days_are_those_of_the_shop():
    """What Auckland sells at noon is sold on that day, though it is still the day before in UTC."""
    tables = shop_of_series({"a": np.resize(WEEK, 140).astype(float)})
    in_utc = tables.events.assign(timestamp=tables.events["timestamp"] - pd.Timedelta(hours=13))
    there = dataclasses.replace(tables, events=in_utc, calendar=ShopCalendar("Pacific/Auckland"))
    assert daily_demand(there).first_day == START
    assert daily_demand(there).values[0].tolist() == daily_demand(tables).values[0].tolist()


def test_levels_add_up_and_nothing_is_negative(stationary):
    daily = stationary.daily
    by_level = daily.groupby(["level", "day"])["forecast"].sum().unstack("level")
    assert by_level["shop"].to_numpy() == pytest.approx(by_level["category"].to_numpy())
    assert by_level["shop"].to_numpy() == pytest.approx(by_level["item"].to_numpy())
    assert (daily["forecast"] >= 0).all()
    assert (daily["low"] <= daily["forecast"]).all()
    assert (daily["forecast"] <= daily["high"]).all()


def test_closed_weekday_stays_closed(stationary):
    assert forecast_of(stationary, "shop")[6::7] == pytest.approx(np.zeros(4), abs=1e-9)


def test_noise_is_smoothed_better_than_repeating_it(stationary):
    report = stationary.backtest.set_index("level")
    # The naive error is √2 times the noise, a smoothed one near the noise: a gain of about 1 − 1/√2.
    assert report["gain"].between(0.2, 0.35).all()
    assert (report["gain_low"] > 0.1).all()
    assert (report["gain_high"] >= report["gain"]).all()


def test_intervals_hold_what_they_promise(stationary):
    report = stationary.backtest.set_index("level")
    assert report.loc["item", "coverage"] == pytest.approx(0.8, abs=0.05)
    assert report.loc["shop", "coverage"] == pytest.approx(0.8, abs=0.1)
    assert report.loc["item", "num_days"] == 6 * 24 * report.loc["item", "num_origins"]


def test_future_changes_no_forecast():
    series = noisy(200, seed=1)
    other = series.copy()
    other[150:] *= 9
    until = START + pd.Timedelta(days=150)
    one, two = (forecast_demand(shop_of_series({"a": past}), until=until) for past in (series, other))
    assert forecast_of(one, "shop").tolist() == forecast_of(two, "shop").tolist()
    pd.testing.assert_frame_equal(one.backtest, two.backtest)


def test_one_enormous_order_does_not_carry_on():
    series = noisy(140, seed=2, noise=0.1)
    series[120] = 1e6
    found = forecast_demand(shop_of_series({"a": series}))
    assert forecast_of(found, "shop").max() < 1000


def test_feast_of_past_years_is_expected_again():
    series = noisy(365 * 2 + 160, seed=3, noise=0.1)
    festivals = {"618": [datetime.date(year, 6, 18) for year in (2024, 2025, 2026)]}
    for date in festivals["618"][:2]:
        series[(pd.Timestamp(date) - START).days] *= 5
    tables = shop_of_series({"a": series})
    expected = forecast_of(forecast_demand(tables, festivals=festivals, num_backtests=3), "shop")
    plain = forecast_of(forecast_demand(tables, festivals={}, num_backtests=3), "shop")
    feast = (pd.Timestamp(festivals["618"][2]) - START).days - len(series)
    assert expected[feast] / plain[feast] == pytest.approx(5, rel=0.25)
    is_other = (plain > 1) & (np.arange(28) != feast)
    assert expected[is_other] == pytest.approx(plain[is_other], rel=0.15)


def test_short_history_gives_a_forecast_without_proof():
    found = forecast_demand(shop_of_series({"a": noisy(60, seed=4)}))
    assert np.isfinite(forecast_of(found, "shop")).all()
    assert found.backtest["gain"].isna().all()
    assert not found.totals["is_interval_known"].any()
    assert json.dumps(to_json(found), allow_nan=False)


def test_too_short_history_is_an_error():
    with pytest.raises(ConfigError, match="56 days of history"):
        forecast_demand(shop_of_series({"a": noisy(30, seed=4)}))


def test_forecast_as_long_as_the_log_is_refused_with_a_shorter_horizon():
    with pytest.raises(ConfigError, match=r"364 days needs 728 days of history; got 400. Try a horizon of 196 days"):
        forecast_demand(shop_of_series({"a": noisy(400, seed=4)}), horizon=364)


def test_error_above_the_naive_one_and_unknown_errors_are_sentences():
    found = forecast_demand(shop_of_series({"a": noisy(60, seed=4)}))
    untested = _text(found)
    assert "is not known: the log of 60 days is too short" in untested
    worse = dataclasses.replace(
        found,
        backtest=found.backtest.assign(gain=-3.27, gain_low=-5.0, gain_high=-1.0, total_wape=0.5, total_naive_wape=0.1),
    )
    assert "error was 4.27 times that of repeating last week (95 % interval 2.00 to 6.00)" in _text(worse)
    assert "wrong by 50% (repeating last week: 10%); there are too few" in _text(worse)


def test_slow_items_are_judged_by_sums():
    text = _text(forecast_demand(small_shop(0.7, 0), num_backtests=6))
    assert "Level item, sums over 28 days" in text


def _text(found) -> str:
    nothing = pd.DataFrame({"item_id": [], "title": []})
    return forecasts_text(found, None, nothing, language("en"), coverage=0.8, top=3)


def test_horizon_is_whole_weeks():
    with pytest.raises(ConfigError, match="multiple of 7"):
        forecast_demand(shop_of_series({"a": noisy(90, seed=4)}), horizon=10)


def test_days_of_cover_rank_what_to_order_first(stationary):
    month = stationary.totals.set_index("name")["forecast"]
    stock = {"i0": 0.0, "i1": 0.3, "i2": 0.5, "i3": 2.0, "i4": 40.0}  # months of demand
    items = pd.DataFrame({"item_id": [*stock, "i5"], "stock": [*(month[i] * m for i, m in stock.items()), np.nan]})
    cover = stationary.days_of_cover(items).set_index("item_id")
    assert cover.index[0] == "i0"
    assert "i5" not in cover.index  # its stock is unknown
    assert cover["signal"].to_dict() == {
        "i0": "order now",
        "i1": "watch",
        "i2": "watch",
        "i3": "enough",
        "i4": "too much",
    }
    assert cover.loc["i3", "days"] == pytest.approx(56)
    assert (cover["days_low"] <= cover["days"]).all()


def test_result_is_summarised_in_words(stationary):
    text = forecasts_text(
        stationary, None, pd.DataFrame({"item_id": [], "title": []}), language("en"), coverage=0.8, top=3
    )
    assert "2024-12-30 to 2025-01-26" in text
    assert "times that of repeating last week" in text
    assert re.search(r"such a sum was wrong by \d+% \(repeating last week: \d+%\); .* held \d of \d sums", text)
    assert json.dumps(to_json(stationary), allow_nan=False)


@pytest.mark.slow
def test_online_retail_beats_the_seasonal_naive_forecast(online_retail):
    report = forecast_demand(online_retail).backtest.set_index("level")
    assert report.loc["shop", "gain"] >= 0.10
    assert report.loc["item", "gain"] >= 0.05
    assert report.loc["item", "coverage"] == pytest.approx(0.8, abs=0.05)
    assert report.loc["shop", "coverage"] == pytest.approx(0.8, abs=0.05)


def test_the_mean_of_the_last_weeks_knows_a_new_level_when_smoothing_still_lags():
    whole = np.concatenate([np.resize(WEEK, 252), 2 * np.resize(WEEK, 14)]).astype(float)
    demand = daily_demand(shop_of_series({"a": whole}))
    trial = try_methods(demand, demand.num_days, 28, {})
    assert not trial.has_year
    sums = dict(zip(METHODS, trial.methods[:, 0].sum(axis=1), strict=True))
    assert sums["mean of last weeks", 2] == pytest.approx(2 * 4 * WEEK.sum(), rel=0.05)
    assert sums["smoothing", 0.1] < 0.9 * sums["mean of last weeks", 2]


def test_sums_are_judged_with_an_interval(stationary):
    row = stationary.backtest.set_index("level").loc["item"]
    assert row["total_gain_low"] <= row["total_gain"] <= row["total_gain_high"]


def small_shop(rate: float, seed: int, num_days: int = 364):
    """Returns a shop of Poisson orders of one piece of one of eight items."""
    rng = np.random.default_rng(seed)
    days = np.append(np.sort(rng.uniform(0, num_days, rng.poisson(rate * num_days))), num_days + 0.01)
    items = [f"i{number}" for number in rng.integers(0, 8, len(days))]
    return shop({"item_id": items, "days": days, "quantity": np.ones(len(days))})


@pytest.mark.parametrize("rate", [0.3, 0.7, 1.5, 10.0])
def test_days_without_sales_count_in_a_small_shop(rate):
    found = [forecast_demand(small_shop(rate, seed), num_backtests=4) for seed in range(12)]
    assert np.mean([one.totals["forecast"][0] for one in found]) / (28 * rate) == pytest.approx(1, abs=0.1)


def test_closed_days_over_christmas_are_expected_again():
    """The log has one closure, over Christmas 2024; the forecast from 15 December 2025 has it too."""
    christmas, last = ((pd.Timestamp(date) - START).days for date in ("2024-12-24", "2025-12-15"))
    series = np.round(noisy(last, seed=5, noise=0.1))
    series[christmas : christmas + 8] = 0
    found = forecast_demand(
        shop_of_series(dict.fromkeys("abcdefghij", series)), festivals={}, until=START + pd.Timedelta(days=last)
    )
    forecast = forecast_of(found, "shop")
    assert forecast[9:17].tolist() == [0.0] * 8
    is_open = (WEEK[(last + np.arange(28)) % 7] > 0) & ((np.arange(28) < 9) | (np.arange(28) >= 17))
    expected = 10 * WEEK[(last + np.arange(28)) % 7] * is_open
    assert forecast.sum() == pytest.approx(expected.sum(), rel=0.1)


def test_yearly_pattern_wins_where_there_is_one():
    days = np.arange(364 * 3 + 70)
    season = np.where((days % 364) // 28 % 2 == 1, 3.0, 1.0)  # every second month sells three times as much
    whole = np.round(20 * season * np.exp(0.1 * np.random.default_rng(6).normal(size=len(days))))
    past = 364 * 3 - 28 + 56
    tables = shop_of_series({"a": whole[:past]})
    found = forecast_demand(tables, festivals={}, num_backtests=11)
    assert "yearly pattern" in found.choice["shop"]
    assert forecast_of(found, "shop").sum() == pytest.approx(whole[past : past + 28].sum(), rel=0.3)


def test_item_without_stock_is_forecast_at_its_demand_before():
    series = {"a": noisy(200, seed=7, noise=0.1), "b": noisy(200, seed=8, noise=0.1)}
    series["a"][170:] = 0
    stocks = {"sold out": [0.0, 5.0], "unknown": [np.nan, np.nan]}
    expected = {}
    for name, stock in stocks.items():
        tables = shop_of_series(series)
        tables.items["stock"] = stock
        expected[name] = forecast_of(forecast_demand(tables, festivals={}), "item", "a").sum()
    assert expected["sold out"] > 0.6 * 4 * WEEK.sum()
    assert expected["unknown"] < 0.5 * expected["sold out"]
