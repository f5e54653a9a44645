import json

import numpy as np
import pandas as pd
import pytest

from tests.analysis.shops import START, shop
from tests.buyers import CDNOW, buyers_who_leave, buyers_who_stay
from tfrec.analysis.audiences import find_audience, gather_facts
from tfrec.analysis.lifetime_value import predict_value
from tfrec.analysis.spending import expected_spending, fit_spending
from tfrec.errors import ConfigError, SchemaError
from tfrec.report.terminal.lifetime import value_text
from tfrec.report.words import language
from tfrec.schema.json_values import to_json
from tfrec.schema.tables import RETURN_COLUMNS, Tables, conform


@pytest.fixture(scope="module")
def leaving() -> Tables:
    return buyers_who_leave(num=3000, weeks=78, seed=0)[0]


@pytest.fixture(scope="module")
def staying() -> Tables:
    return buyers_who_stay(num=600, days=540, seed=1)


def test_parameters_of_spending_are_recovered():
    rng = np.random.default_rng(0)
    p, q, v = (CDNOW[name] for name in "pqv")
    counts = rng.integers(1, 8, 20_000)
    scales = 1 / rng.gamma(q, 1 / v, len(counts))
    means = rng.gamma(p * counts, scales) / counts
    fitted = fit_spending(counts, means)
    assert fitted.to_dict() == pytest.approx({"p": p, "q": q, "v": v}, rel=0.1)
    assert np.mean(expected_spending(fitted, counts, means)) == pytest.approx(np.mean(p * scales), rel=0.02)


def test_total_and_order_of_buyers_who_leave_come_true(leaving):
    values = predict_value(leaving)
    assert values.model == "dropout"
    assert values.holdout.error == pytest.approx(0, abs=0.1)
    assert values.holdout.low < values.holdout.actual < values.holdout.high
    assert values.holdout.rank_correlation >= values.holdout.rfm_rank_correlation
    assert values.holdout.mean_absolute_error < 0.6 * values.holdout.naive_absolute_error
    assert values.total_low < values.total < values.total_high
    assert values.users["expected_value"].is_monotonic_decreasing
    assert values.users["share"].sum() == pytest.approx(1)
    assert abs(values.spend_correlation) < 0.1


def test_regression_takes_over_where_no_buyer_drops_out(staying):
    values = predict_value(staying)
    assert (values.model, values.reason, values.parameters) == ("regression", "no_dropout", {})
    assert values.holdout.error == pytest.approx(0, abs=0.1)
    assert values.holdout.rank_correlation > values.holdout.rfm_rank_correlation
    assert 0.75 < values.holdout.coverage < 0.95  # many spend nothing, which no interval can halve
    assert "hardly any buyer ever leaves" in value_text(values, language("en"), currency="EUR")


def test_values_follow_the_unit_of_money():
    plain = predict_value(buyers_who_stay(num=200, days=400, seed=2))
    cents = predict_value(buyers_who_stay(num=200, days=400, seed=2, scale=100.0))
    ratio = cents.users["expected_value"] / plain.users["expected_value"].reindex(cents.users.index)
    assert cents.total == pytest.approx(100 * plain.total, rel=0.05)  # features are logarithms of 1 + value
    assert ratio.median() == pytest.approx(100, rel=0.05)


def test_what_comes_later_changes_nothing(staying):
    now = START + pd.Timedelta(days=400)
    whole, cut = (predict_value(tables, now=now) for tables in (staying, staying.until(now)))
    pd.testing.assert_frame_equal(whole.users, cut.users)


def test_returned_purchases_have_no_value(staying):
    bought = staying.purchases[staying.purchases["user_id"] == "u0"]
    back = bought.assign(bought_at=bought["timestamp"], timestamp=bought["timestamp"] + pd.Timedelta(days=1))
    returned = conform(back[list(RETURN_COLUMNS)].reset_index(drop=True), RETURN_COLUMNS, table="returns")
    tables = Tables(staying.events, staying.items, staying.users, returns=returned)
    values = predict_value(tables)
    assert "u0" not in values.users.index
    assert "u1" in values.users.index


def test_short_history_gives_values_without_intervals_or_check():
    values = predict_value(buyers_who_leave(num=300, weeks=16, seed=3)[0])
    assert values.holdout is None
    assert np.isnan(values.total_low)
    assert values.users["low"].isna().all()
    assert np.isfinite(values.users["expected_value"]).all()
    text = value_text(values, language("en"), currency="EUR")
    assert "too short for a check" in text
    assert "nan" not in text.lower()
    assert json.dumps(to_json(values), allow_nan=False)


def test_shop_without_prices_is_an_error():
    events = {"user_id": [f"u{n % 12}" for n in range(40)], "item_id": ["a"] * 40, "days": np.arange(40.0)}
    with pytest.raises(SchemaError, match="needs prices"):
        predict_value(shop(events))


def test_horizon_out_of_range_is_an_error(staying):
    with pytest.raises(ConfigError, match="horizon_days"):
        predict_value(staying, horizon_days=0)


def test_audience_can_ask_for_the_expected_value(leaving):
    users = predict_value(leaving).users
    facts = gather_facts(leaving, expected_value=users["expected_value"])
    bound = float(users["expected_value"].iloc[99])
    audience = find_audience(facts, expression=f"expected_value >= {bound!r}", min_users=1)
    assert set(audience.user_ids) == set(users.index[:100])
