import json

import numpy as np
import pandas as pd
import pytest

from tests.analysis.shops import START, shop
from tests.buyers import buyers_who_leave, buyers_who_stay
from tfrec.analysis.dropout import log_likelihood
from tfrec.analysis.repurchase import predict_churn, predict_repurchase
from tfrec.errors import ConfigError, SchemaError
from tfrec.report.terminal.loyalty import churn_text
from tfrec.report.words import language
from tfrec.schema.json_values import to_json


def shop_of_visits(visits: list[tuple[str, str, float]], until: float):
    """Returns a shop from (user, item, day), in which something else happens at the end."""
    rows = [*((user, item, day, "purchase") for user, item, day in visits), ("", "x", until, "view")]
    return shop(pd.DataFrame(rows, columns=["user_id", "item_id", "days", "event_type"]).to_dict("list"))


def coffee_and_kettles(*, num: int = 200, seed: int = 0):
    """Returns 300 days in which users buy coffee every 30 days or so, and a kettle once."""
    rng = np.random.default_rng(seed)
    visits = []
    for number in range(num):
        user = f"u{number:03d}"
        visits.append((user, "kettle", float(rng.uniform(0, 300))))
        day = float(rng.uniform(0, 30))
        while day < 300:
            visits.append((user, "coffee", day))
            day += float(np.clip(rng.normal(30, 3), 20, 40))
    return shop_of_visits(visits, 300.0)


def test_coffee_comes_back_and_kettles_do_not():
    pairs = predict_repurchase(coffee_and_kettles(), horizon_days=28).pairs
    by_item = pairs.groupby("item_id")["probability"].mean()
    assert by_item["coffee"] > 0.8
    assert by_item["kettle"] < 0.1
    assert pairs.loc[pairs["item_id"] == "kettle", "due_days"].isna().mean() > 0.8


def test_coffee_is_due_about_a_month_after_the_last():
    pairs = predict_repurchase(coffee_and_kettles(), horizon_days=28).pairs
    coffee = pairs[(pairs["item_id"] == "coffee") & (pairs["last_days"] < 15)]
    assert (coffee["last_days"] + coffee["due_days"]).mean() == pytest.approx(30, abs=4)
    assert coffee["interval_days"].mean() == pytest.approx(30, abs=1)


def test_due_user_comes_before_one_who_has_just_bought():
    pairs = predict_repurchase(coffee_and_kettles(), horizon_days=7).pairs
    coffee = pairs[pairs["item_id"] == "coffee"]
    ripe, fresh = coffee[coffee["last_days"].between(22, 29)], coffee[coffee["last_days"] < 7]
    assert ripe["probability"].mean() > 3 * fresh["probability"].mean()


def test_probabilities_come_true_on_later_days():
    rng = np.random.default_rng(1)
    visits = []
    for number in range(3000):  # a third buys soap often, others seldom, at random times
        gap = 20.0 if number % 3 == 0 else 200.0
        days = np.cumsum(rng.exponential(gap, size=60))
        visits += [(f"u{number}", "soap", float(day)) for day in days[days < 400]]
    found = predict_repurchase(shop_of_visits(visits, 400.0), horizon_days=28)
    holdout = found.holdout
    table = holdout.calibration
    assert (table["predicted"] - table["actual"]).abs().max() < 0.15
    assert table["predicted"].mean() == pytest.approx(table["actual"].mean(), abs=0.03)
    assert holdout.brier < 0.8 * holdout.naive_brier
    assert holdout.auc_low < holdout.auc < holdout.auc_high
    assert holdout.auc > 0.8


def test_what_comes_later_changes_nothing():
    tables = coffee_and_kettles()
    now = START + pd.Timedelta(days=200)
    whole = predict_repurchase(tables, now=now).pairs
    cut = predict_repurchase(tables.until(now), now=now).pairs
    pd.testing.assert_frame_equal(whole, cut)


def test_two_purchases_of_a_day_are_one():
    found = predict_repurchase(shop_of_visits([("u", "a", 1.1), ("u", "a", 1.9), ("v", "a", 2.0)], 10.0))
    assert found.pairs.set_index("user_id").loc["u", "num_purchases"] == 1
    assert found.holdout is None
    assert json.dumps(to_json(found), allow_nan=False)


def test_users_best_items_come_first():
    found = predict_repurchase(coffee_and_kettles())
    assert found.of("u007", num=1)["item_id"].tolist() == ["coffee"]
    assert found.holdout is not None


@pytest.fixture(scope="module")
def dropouts():
    tables, alive = buyers_who_leave(num=3000, weeks=104, joined_within=40, r=1.5, alpha=8.0, a=1.2, b=3.0, seed=4)
    return predict_churn(tables, horizon_days=90), alive


def test_parameters_of_a_simulated_shop_are_found(dropouts):
    parameters = dropouts[0].parameters
    truth = pd.Series({"r": 1.5, "alpha": 8.0, "a": 1.2, "b": 3.0})
    # Order days merge what happens within one day, so that the rates come out a little low.
    assert parameters["value"].to_dict() == pytest.approx(truth.to_dict(), rel=0.25)
    assert ((parameters["low"] < truth * 1.05) & (truth * 0.95 < parameters["high"])).all()


def test_chance_of_no_repeat_is_dropping_out_at_once_or_staying_silent():
    r, alpha, a, b, age = 1.5, 8.0, 1.2, 3.0, 20.0
    likelihood = np.exp(log_likelihood(np.array([r, alpha, a, b]), np.zeros(1), np.zeros(1), np.array([age])))
    drops = a / (a + b)
    assert likelihood[0] == pytest.approx(drops + (1 - drops) * (alpha / (alpha + age)) ** r)


def test_alive_is_the_share_that_is_alive(dropouts):
    churn, alive = dropouts
    users = churn.users.assign(truth=alive)
    sure = users[users["alive"] > 0.8]
    gone = users[users["alive"] < 0.2]
    assert sure["truth"].mean() == pytest.approx(sure["alive"].mean(), abs=0.05)
    assert gone["truth"].mean() == pytest.approx(gone["alive"].mean(), abs=0.05)
    assert users["alive"].mean() == pytest.approx(alive.mean(), abs=0.03)


def test_one_time_buyer_of_long_ago_is_a_churn_risk(dropouts):
    users = dropouts[0].users
    once = users[(users["num_repeats"] == 0) & (users["age_days"] > 600)]
    often = users[(users["num_repeats"] > 10) & (users["recency_days"] < 14)]
    assert (once["risk"] == "high").all()
    assert (often["risk"] == "low").mean() > 0.9


def test_returns_and_orders_come_true_on_later_days(dropouts):
    churn = dropouts[0]
    predicted, actual = churn.holdout_orders
    assert predicted == pytest.approx(actual, rel=0.1)
    assert (churn.holdout.calibration["predicted"] - churn.holdout.calibration["actual"]).abs().max() < 0.08
    assert churn.holdout.auc > 0.85
    assert churn.holdout.brier < 0.7 * churn.holdout.naive_brier


def test_silence_raises_the_risk():
    regular = [(f"u{n}", "a", 7.0 * week) for n in range(20) for week in range(30)]
    silent = [(f"s{n}", "a", 7.0 * week) for n in range(20) for week in range(15)]
    users = predict_churn(shop_of_visits(regular + silent, 210.0)).users
    assert users.loc["s0", "churn_risk"] > users.loc["u0", "churn_risk"]
    assert users.loc["s0", "alive"] < 0.2


def test_churn_at_random_lacks_skill_and_the_text_says_so(dropouts):
    assert not dropouts[0].holdout.lacks_skill
    # Everybody orders with the same chance each day: there is nothing to know of one buyer.
    rng = np.random.default_rng(5)
    rows = [(f"u{user}", "x", float(day)) for user in range(150) for day in np.flatnonzero(rng.random(300) < 0.02)]
    churn = predict_churn(shop_of_visits(rows, until=300))
    assert churn.holdout is not None
    assert churn.holdout.lacks_skill
    again = predict_repurchase(shop_of_visits(rows, until=300), horizon_days=28)
    assert "does not distinguish" in churn_text(churn, again, language("en"))


def test_regression_predicts_where_no_buyer_drops_out():
    churn = predict_churn(buyers_who_stay(num=600, days=540, seed=1))
    assert churn.model == "regression"
    assert churn.users["alive"].isna().all()
    assert churn.holdout.brier < churn.holdout.naive_brier
    predicted, actual = churn.holdout_orders
    assert predicted == pytest.approx(actual, rel=0.1)
    again = predict_repurchase(shop_of_visits([("u", "a", 1.0)], 3.0))
    assert "hardly any buyer ever leaves" in churn_text(churn, again, language("en"))


def test_result_is_summarised_in_words_and_json(dropouts):
    churn = dropouts[0]
    assert json.dumps(to_json(churn), allow_nan=False)
    assert churn.holdout_orders is not None


def test_a_shop_without_repeat_purchases_is_an_error():
    with pytest.raises(SchemaError, match="0 came back"):
        predict_churn(shop_of_visits([(f"u{n}", "a", float(n)) for n in range(30)], 40.0))


def test_no_purchase_is_an_error():
    with pytest.raises(SchemaError, match="bought anything"):
        predict_repurchase(shop_of_visits([], 3.0))


def test_horizon_out_of_range_is_an_error():
    with pytest.raises(ConfigError, match="horizon_days"):
        predict_repurchase(shop_of_visits([("u", "a", 1.0)], 3.0), horizon_days=0)
