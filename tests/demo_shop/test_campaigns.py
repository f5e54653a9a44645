"""A campaign in the demo shop: what the log shows is what the truth says, on average."""

import numpy as np
import pandas as pd
import pytest

from tfrec.demo_shop import run_campaign
from tfrec.errors import SchemaError


@pytest.fixture(scope="module")
def half_sent(truth):
    """Every second user gets the dear coupon, the others none."""
    users = truth.uplift["user"].drop_duplicates()
    return pd.DataFrame({"user_id": users, "offer": np.where(np.arange(len(users)) % 2, "coupon_25", "")})


def test_without_limits_the_campaign_earns_the_known_uplift(truth, half_sent):
    own = truth.uplift[truth.uplift["arm"] == "coupon_25"].set_index("user")
    treated = half_sent.loc[half_sent["offer"] != "", "user_id"]
    assert run_campaign(truth, half_sent).profit == pytest.approx(own.loc[treated, "margin_uplift"].sum(), abs=0.1)


@pytest.mark.parametrize("limits", [pytest.param({}, id="no limit"), pytest.param({"coupon_25": 9.0}, id="limit")])
def test_orders_add_up_to_the_truth_over_many_campaigns(truth, half_sent, limits):
    treated = set(half_sent.loc[half_sent["offer"] != "", "user_id"])
    base = truth.uplift[truth.uplift["arm"] == "coupon_25"].set_index("user").loc[list(treated), "base_margin"].sum()
    profits, spent = [], []
    for seed in range(60):
        log = run_campaign(truth, half_sent, face_values=limits, seed=seed)
        own = log.orders[log.orders["user_id"].isin(treated)]
        profits.append((own["margin"] - own["discount"]).sum() - base)
        spent.append(own["discount"].sum())
        assert log.orders["discount"].max() <= limits.get("coupon_25", np.inf)
    assert np.mean(profits) == pytest.approx(log.profit, abs=3 * np.std(profits) / np.sqrt(60))
    assert np.mean(spent) == pytest.approx(log.spent, abs=3 * np.std(spent) / np.sqrt(60))


def test_only_the_treated_open_mails_and_use_coupons_in_the_two_weeks_after(truth, half_sent):
    log = run_campaign(truth, half_sent)
    treated = set(half_sent.loc[half_sent["offer"] != "", "user_id"])
    assert set(log.impressions["user_id"]) <= treated
    assert set(log.orders.loc[log.orders["discount"] > 0, "user_id"]) <= treated
    assert set(log.orders.loc[log.orders["user_id"].isin(treated), "user_id"]) <= set(log.impressions["user_id"])
    for table in (log.orders, log.impressions):
        assert table["timestamp"].between("2025-12-01", "2025-12-15").all()
    again = run_campaign(truth, half_sent)
    pd.testing.assert_frame_equal(log.orders, again.orders)


def test_nothing_sent_earns_nothing(truth, half_sent):
    log = run_campaign(truth, half_sent.assign(offer=""))
    assert (log.profit, log.spent, log.orders["discount"].sum(), len(log.impressions)) == (0, 0, 0, 0)


def test_unknown_users_offers_and_limits_are_named(truth, half_sent):
    with pytest.raises(SchemaError, match="not of this demo shop, such as 'unknown'"):
        run_campaign(truth, pd.DataFrame({"user_id": ["unknown"], "offer": [""]}))
    with pytest.raises(SchemaError, match="Did you mean 'coupon_25'"):
        run_campaign(truth, half_sent.replace("coupon_25", "coupon_52"))
    with pytest.raises(SchemaError, match="no offer 'x'"):
        run_campaign(truth, half_sent, face_values={"x": 1.0})
