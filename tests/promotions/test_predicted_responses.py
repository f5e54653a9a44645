import dataclasses

import numpy as np
import pandas as pd
import pytest

from tfrec.errors import SchemaError
from tfrec.promotions.learned_offers import quick_learner
from tfrec.promotions.offer_log import OfferLog
from tfrec.promotions.predicted_responses import offer_effects, offer_profits
from tfrec.promotions.uplift import cross_fit_uplift, fit_uplift


def draw_test(seed, *, num_users=600, num_attributes=12):
    """Returns a test of an offer whose users differ in what they buy."""
    rng = np.random.default_rng(seed)
    names = [f"x{column}" for column in range(num_attributes)]
    table = pd.DataFrame(rng.standard_normal((num_users, num_attributes)), columns=names)
    table = table.assign(
        user_id=[f"u{user}" for user in range(num_users)],
        arm=np.where(rng.random(num_users) < 0.5, "none", "mail"),
        conversion=(rng.random(num_users) < 0.2 + 0.4 * (table["x0"] > 0)).astype(float),
    )
    return OfferLog(table, ("none", "mail"), ("conversion",), tuple(names), "offers")


def test_each_user_is_scored_by_models_that_did_not_see_the_user():
    log = draw_test(0)
    trial, _ = log.trial()
    found = offer_effects(log)["mail"]
    assert found.index.tolist() == log.table["user_id"].tolist()
    of_others = cross_fit_uplift(trial, outcome="conversion", learner=quick_learner(), folds=3).scores[:, 0]
    of_all = fit_uplift(trial, outcome="conversion", learner=quick_learner()).predict(trial.features)[:, 0]
    np.testing.assert_allclose(found, of_others)
    assert not np.allclose(found, of_all)


@pytest.mark.slow
def test_profit_is_what_an_offer_earns_beyond_its_cost():
    """The mail moves half of the users to orders of 10, and gives 4 away to everybody who orders with it."""
    rng = np.random.default_rng(1)
    log = draw_test(1, num_users=6_000, num_attributes=2)
    table = log.table
    is_moved = (table["x0"] > 0).to_numpy()
    is_sent = (table["arm"] == "mail").to_numpy()
    buys = rng.random(len(table)) < 0.3 + 0.5 * (is_moved & is_sent)
    table = table.assign(
        conversion=buys.astype(float), margin=buys * (10.0 - 4.0 * is_sent), discount=4.0 * buys * is_sent
    )
    tested = dataclasses.replace(log, table=table, outcomes=("margin", "conversion"), cost_kind="discount")
    profit = offer_profits(tested)["mail"].to_numpy()
    truth = np.where(is_moved, 0.8 * 6.0 - 3.0, -0.3 * 4.0)
    assert profit.mean() == pytest.approx(truth.mean(), abs=0.25)
    assert np.corrcoef(profit, truth)[0, 1] > 0.8
    assert (profit[~is_moved] < 0).mean() > 0.8
    # Conversion alone would send the mail to everybody.
    assert (offer_effects(tested)["mail"] > -0.02).mean() > 0.8


def test_profit_needs_a_margin():
    with pytest.raises(SchemaError, match="`margin`"):
        offer_profits(draw_test(0))
