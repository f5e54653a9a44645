"""Plan → two weeks in the demo shop → read-out: the interval holds the known truth as often as it promises."""

import numpy as np
import pandas as pd
import pytest

from tfrec.demo_shop import DemoShopConfig, generate_demo_shop, run_campaign
from tfrec.promotions.campaign import TREATED, plan_campaign
from tfrec.promotions.campaign_results import evaluate_campaign

OFFERS, FACES = ("coupon_10", "coupon_25"), {"coupon_10": 20.0, "coupon_25": 25.0}


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    config = DemoShopConfig(num_items=400, num_users=4_000, num_events=40_000, num_slates=500, seed=5)
    return generate_demo_shop(tmp_path_factory.mktemp("demo") / "shop", config)


@pytest.mark.slow
def test_read_outs_find_what_the_campaign_truly_earned(truth):
    parts = [part.set_index("user") for _, part in truth.uplift.groupby("arm")]
    gains = np.stack([part["margin_uplift"] for part in parts], axis=1) + 3.0
    users = parts[0].index.to_numpy()
    plan = plan_campaign(
        users, gains, np.array([2.0, 2.5]), name="spring", offers=OFFERS, budget=1e6, holdout_share=0.4
    )
    sent = plan.table[["user_id"]].assign(offer=plan.table["offer"].where(plan.table["status"] == TREATED, ""))
    errors, covered = [], []
    for seed in range(100):
        log = run_campaign(truth, sent, face_values=FACES, seed=seed)
        found = evaluate_campaign(
            plan, orders=log.orders, start=pd.Timestamp("2025-12-01"), end=pd.Timestamp("2025-12-15"), pre_days=0,
            impressions=log.impressions,
        )  # fmt: skip
        errors.append(found.total_profit.value - log.profit)
        covered.append(found.total_profit.low < log.profit < found.total_profit.high)
        assert found.contaminated == 0 and 0.5 < found.reached < 0.9
    assert 0.89 <= np.mean(covered) <= 1.0
    assert abs(np.mean(errors)) < 3 * np.std(errors) / 10 + 0.05 * abs(log.profit)
    assert log.profit > 500
