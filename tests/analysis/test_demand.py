import datetime

import numpy as np
import pandas as pd
import pytest

from tests.analysis.shops import START, shop
from tfrec.analysis.demand import (
    REMAINDER,
    daily_demand,
    festival_effects,
    festival_factors,
    unusual_days,
)
from tfrec.analysis.festivals import FESTIVALS, dates_of
from tfrec.errors import ConfigError, SchemaError

EVERY_FESTIVAL = dates_of([name for names in FESTIVALS.values() for name in names], 2024, 2026)
ITEMS = {"item_id": ["a1", "a2", "b1"], "category": ["A > x", "A > y", "B"]}
SMALL = {
    "item_id": ["a1", "a1", "a2", "b1", "b1"],
    "quantity": [2, 3, 1, 4, 5],
    "price": [1.0, 1.0, 10.0, 0.5, 0.5],
    "days": [0.1, 0.9, 1.5, 2.5, 3.5],
}


def daily_shop(pieces: np.ndarray):
    """Returns a shop that sells so many pieces of one item each day."""
    days = np.flatnonzero(pieces)
    return shop({"item_id": ["a"] * len(days), "quantity": pieces[days], "days": days + 0.5})


def test_levels_add_up_and_the_cut_day_is_left_out():
    demand = daily_demand(shop(SMALL, ITEMS))
    assert demand.levels.tolist() == ["shop", "category", "category", "item", "item", "item"]
    assert demand.values.tolist() == [[5, 1, 4], [5, 1, 0], [0, 0, 4], [5, 0, 0], [0, 1, 0], [0, 0, 4]]
    assert demand.day(3) == START + pd.Timedelta(days=3)


def test_value_is_price_times_quantity():
    assert daily_demand(shop(SMALL, ITEMS), measure="value").values[0].tolist() == [5, 10, 2]


def test_small_items_share_one_series():
    demand = daily_demand(shop(SMALL, ITEMS), max_items=1)
    assert demand.names[-2:].tolist() == ["a1", REMAINDER]
    assert demand.values[-1].tolist() == [0, 1, 4]
    assert demand.values[0].tolist() == [5, 1, 4]


def test_nothing_from_until_on_is_counted():
    demand = daily_demand(shop(SMALL, ITEMS), until=START + pd.Timedelta(days=2.2))
    assert demand.values[0].tolist() == [5, 1]
    with pytest.raises(SchemaError, match="later `until`"):
        daily_demand(shop(SMALL, ITEMS), until=START)


def two_years_with_a_feast(effect: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    pieces = 100 * np.exp(0.05 * rng.normal(size=730)) * np.tile([1, 1, 1, 1, 1, 2, 0.5], 105)[:730]
    feast = [datetime.date(2024, 6, 18), datetime.date(2025, 6, 18)]
    for date in feast:
        pieces[(pd.Timestamp(date) - START).days] *= effect
    return daily_shop(pieces), {"618": [*feast, datetime.date(2026, 6, 18)]}


def test_effect_of_a_feast_is_measured_with_its_interval():
    tables, festivals = two_years_with_a_feast(4.0)
    effects = festival_effects(daily_demand(tables), festivals=festivals).set_index("offset")
    assert effects.loc[0, "effect"] == pytest.approx(4.0, rel=0.1)
    assert effects.loc[0, "low"] < 4.0 < effects.loc[0, "high"]
    assert effects.loc[0, "num"] == 2
    assert effects.loc[0, "is_clear"]
    assert not effects.loc[[-3, -2, -1, 1], "is_clear"].any()


def test_coming_feast_gets_the_factor_of_past_ones():
    tables, festivals = two_years_with_a_feast(4.0)
    demand = daily_demand(tables)
    factors = festival_factors(demand, festival_effects(demand, festivals=festivals), festivals, 1000)
    coming = (pd.Timestamp(festivals["618"][-1]) - START).days
    assert factors[coming] == pytest.approx(4.0, rel=0.1)
    assert np.delete(factors[730:], coming - 730).tolist() == [1.0] * 269


def test_feast_without_effect_changes_nothing():
    tables, festivals = two_years_with_a_feast(1.0)
    demand = daily_demand(tables)
    assert set(festival_factors(demand, festival_effects(demand, festivals=festivals), festivals, 1000)) == {1.0}


def test_one_occurrence_is_never_clear():
    tables, festivals = two_years_with_a_feast(4.0)
    once = {"618": festivals["618"][:1]}
    effects = festival_effects(daily_demand(tables), festivals=once).set_index("offset")
    assert effects.loc[0, "num"] == 1
    assert not effects["is_clear"].any()


@pytest.mark.parametrize("kind", ["quiet", "busy", "heavy tails"])
def test_festivals_are_rarely_clear_in_a_shop_without_any(kind):
    """Two and a half years of days that know no festival: few of the logs show one by chance."""
    clear = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        days = {
            "quiet": lambda rng=rng: rng.poisson(0.7, 900),
            "busy": lambda rng=rng: rng.poisson(40, 900),
            "heavy tails": lambda rng=rng: np.round(50 * np.exp(0.4 * rng.standard_t(3, 900).clip(-6, 6))),
        }
        demand = daily_demand(daily_shop(days[kind]().astype(float)))
        clear += festival_effects(demand, festivals=EVERY_FESTIVAL)["is_clear"].any()
    assert clear <= 3  # 5 % of 60


def test_weak_effects_are_drawn_towards_none():
    rng = np.random.default_rng(1)
    demand = daily_demand(daily_shop(rng.poisson(3, 900).astype(float)))
    effects = festival_effects(demand, festivals=EVERY_FESTIVAL)
    assert effects["effect"].between(0.8, 1.25).all()


def test_unusual_day_is_found():
    rng = np.random.default_rng(0)
    pieces = 100 * np.exp(0.05 * rng.normal(size=200))
    pieces[77] *= 10
    found = unusual_days(daily_demand(daily_shop(pieces)))
    assert START + pd.Timedelta(days=77) in set(found["day"])
    assert found.set_index("day").loc[START + pd.Timedelta(days=77), "ratio"] == pytest.approx(10, rel=0.15)
    assert len(found) <= 4


def test_unknown_measure_is_an_error():
    with pytest.raises(ConfigError, match="'quantity' or 'value'"):
        daily_demand(shop(SMALL, ITEMS), measure="pieces")
