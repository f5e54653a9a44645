"""Coupons by predicted uplift on a demo shop, whose truth is known: better than drawing lots with the same money."""

import numpy as np
import pytest

from tests.benchmarks.trials import read_coupon_test
from tfrec.demo_shop import DemoShopConfig, generate_demo_shop
from tfrec.promotions.allocation import allocate
from tfrec.promotions.learned_offers import quick_learner
from tfrec.promotions.response import cross_fit_responses
from tfrec.promotions.uplift import cross_fit_uplift


@pytest.mark.slow
def test_targeting_earns_more_than_lots_at_every_budget(tmp_path):
    users = 12_000
    generate_demo_shop(tmp_path / "shop", DemoShopConfig(seed=1, num_users=users, num_events=10 * users))
    trial, truth = read_coupon_test(tmp_path / "shop")
    arms = [part for _, part in truth.groupby("arm")]
    margin = np.stack([part["margin_uplift"].to_numpy() for part in arms], axis=1)
    spend = np.stack([(part["base_spend"] + part["spend_uplift"]).to_numpy() for part in arms], axis=1)
    paid = spend * np.array([0.10 / 0.90, 0.25 / 0.75])  # what the coupons truly take off
    costs = np.maximum(cross_fit_responses(trial, outcome="discount").expected[:, 1:], 0.0)
    scores = cross_fit_uplift(trial, outcome="margin", learner=quick_learner(), folds=3).scores
    lots = margin[:, 0].sum() / paid[:, 0].sum()  # margin per money of the cheap coupon, drawn at random
    for share, advantage in ((0.05, 1.03), (0.1, 1.03), (0.2, 1.0)):
        offers = allocate(scores, costs, budget=share * costs[:, 1].sum()).offers
        rows = np.flatnonzero(offers >= 0)
        earned, cost = margin[rows, offers[rows]].sum(), paid[rows, offers[rows]].sum()
        assert earned > advantage * lots * cost
