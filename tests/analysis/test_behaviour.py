import numpy as np
import pandas as pd
import pytest

from tests.analysis.shops import START, shop
from tfrec.analysis.behaviour import describe_behaviour, fit_space
from tfrec.errors import ConfigError, SchemaError


def test_figures_of_a_hand_counted_user():
    events = {
        "user_id": ["u", "u", "u", "u", "u", "v", ""],
        "event_type": ["view", "purchase", "purchase", "purchase", "purchase", "view", "purchase"],
        "item_id": ["a", "a", "b", "a", "a", "a", "a"],
        "order_id": ["", "1", "1", "2", "3", "", "4"],
        "price": [1.0, 1.0, 2.0, 1.0, np.nan, 1.0, 9.0],
        "quantity": [1, 3, 1, 1, 1, 1, 1],
        "days": [0, 2, 2, 6, 12, 13, 14],
    }
    behaviour = describe_behaviour(shop(events), now=START + pd.Timedelta(days=22))
    user = behaviour.loc["u"]
    assert (user["seen_days"], user["tenure_days"], user["recency_days"], user["first_order_days"]) == (10, 22, 10, 20)
    assert (user["num_events"], user["num_views"], user["num_orders"]) == (5, 1, 3)
    assert user["value"] == 6.0
    assert user["value_per_order"] == 2.0
    assert user["items_per_order"] == pytest.approx(4 / 3)
    assert user["repeat_share"] == pytest.approx(1 - 2 / 4)
    assert user["interval_days"] == 5.0
    assert behaviour.loc["v", "num_orders"] == 0
    assert np.isnan(behaviour.loc["v", "recency_days"])
    assert "" not in behaviour.index


def test_what_comes_after_now_is_not_known():
    tables = shop(
        {"user_id": ["u", "u", "w"], "item_id": ["a", "a", "a"], "order_id": ["1", "2", "3"], "days": [0, 5, 6]}
    )
    behaviour = describe_behaviour(tables, now=START + pd.Timedelta(days=4))
    assert behaviour.index.tolist() == ["u"]
    assert behaviour.loc["u", "num_orders"] == 1


def test_long_tail_is_taken_in_logarithms_and_outlier_is_held_back():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"num_orders": np.exp(rng.normal(3, 1, 2000)), "repeat_share": rng.random(2000), "value": 7.0})
    frame.loc[0, "num_orders"] = 1e12
    space = fit_space(frame, ("num_orders", "repeat_share", "value"))
    assert space.features == ("num_orders", "repeat_share")  # a constant feature is not informative
    assert space.is_log.tolist() == [True, False]
    places = space.place(frame)
    assert np.abs(places).max() <= 4
    assert np.abs(places.std(axis=0) - 1).max() < 0.2


def test_unknown_figure_puts_a_user_at_the_mean():
    frame = pd.DataFrame({"value_per_order": [1.0, 3.0, np.nan]})
    assert fit_space(frame, ("value_per_order",)).place(frame)[2, 0] == 0


def test_mistyped_feature_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'num_orders'"):
        fit_space(pd.DataFrame({"num_orders": [1, 2]}), ("num_order",))


def test_guests_alone_have_no_behaviour():
    with pytest.raises(SchemaError, match="user_id"):
        describe_behaviour(shop({"user_id": [""], "item_id": ["a"], "days": [0]}))
