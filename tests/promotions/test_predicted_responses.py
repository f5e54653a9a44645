import numpy as np
import pandas as pd

from tfrec.promotions.learned_offers import quick_learner
from tfrec.promotions.offer_log import OfferLog
from tfrec.promotions.predicted_responses import offer_effects
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
