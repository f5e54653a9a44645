import pickle

import numpy as np
import pytest

from tests.promotions.worlds import coupon_world, two_offer_world
from tfrec.errors import ConfigError, SchemaError
from tfrec.promotions.curves import choose_arms, score_against_truth
from tfrec.promotions.response import boosted_response
from tfrec.promotions.trial import Trial
from tfrec.promotions.uplift import (
    DRLearner,
    RLearner,
    SLearner,
    StackedLearner,
    TLearner,
    XLearner,
    cross_fit_uplift,
    fit_uplift,
)

LEARNERS = [SLearner(), TLearner(), XLearner(), RLearner(), DRLearner(), StackedLearner((TLearner(), DRLearner()))]


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: type(learner).__name__)
def test_every_learner_finds_who_is_moved_by_the_coupon(learner):
    trial, truth = coupon_world()
    scores = cross_fit_uplift(trial, outcome="visit", learner=learner).scores[:, 0]
    found = score_against_truth(scores, truth)
    assert found.rank_correlation > 0.7
    assert found.pehe < 0.75 * found.pehe_of_average
    assert scores.mean() == pytest.approx(truth.mean(), abs=0.03)


@pytest.mark.parametrize("learner", LEARNERS[1:], ids=lambda learner: type(learner).__name__)
def test_unequal_arms_do_not_bend_the_effect(learner):
    trial, truth = coupon_world(treated_share=0.15)
    scores = cross_fit_uplift(trial, outcome="visit", learner=learner).scores[:, 0]
    assert scores.mean() == pytest.approx(truth.mean(), abs=0.04)
    assert score_against_truth(scores, truth).rank_correlation > 0.6


def test_trees_find_the_step_that_a_line_cannot():
    trial, truth = coupon_world(12_000)
    line = cross_fit_uplift(trial, outcome="visit", learner=TLearner()).scores[:, 0]
    trees = cross_fit_uplift(trial, outcome="visit", learner=TLearner(boosted_response())).scores[:, 0]
    assert score_against_truth(trees, truth).pehe < score_against_truth(line, truth).pehe


def test_spend_uplift_has_the_right_size():
    trial, truth = coupon_world(12_000)
    scores = cross_fit_uplift(trial, outcome="spend", learner=TLearner()).scores[:, 0]
    basket = np.exp(3 + 0.125)
    assert scores.mean() == pytest.approx(truth.mean() * basket, abs=0.6)
    assert np.corrcoef(scores, truth)[0, 1] > 0.6


def test_stack_shrinks_to_the_average_where_all_users_are_alike():
    rng = np.random.default_rng(3)
    arms = rng.integers(2, size=6000)
    visit = (rng.random(6000) < 0.2 + 0.1 * arms).astype(float)
    trial = Trial(rng.normal(size=(6000, 10)), arms, ("none", "coupon"), np.full((6000, 2), 0.5), {"visit": visit})
    noisy = cross_fit_uplift(trial, outcome="visit", learner=TLearner(boosted_response())).scores[:, 0]
    calm = cross_fit_uplift(
        trial, outcome="visit", learner=StackedLearner((TLearner(boosted_response()), DRLearner()))
    ).scores[:, 0]
    assert calm.std() < 0.35 * noisy.std()
    assert calm.mean() == pytest.approx(0.1, abs=0.03)


def test_stack_prefers_the_member_that_holds_up():
    trial, _ = coupon_world(8000)
    noise = TLearner(boosted_response())
    blind = SLearner()
    effect = StackedLearner((noise, blind)).fit(trial, outcome="visit")
    assert effect.weights[0] > effect.weights[1]  # the step suits trees
    assert effect.weights.sum() == pytest.approx(1.0, abs=0.35)


def test_each_offer_is_scored_and_the_right_one_chosen():
    trial = two_offer_world()
    model = fit_uplift(trial, outcome="visit", learner=TLearner())
    users = np.array([[1.0, 0.0], [0.0, 0.0]])
    assert choose_arms(model.predict(users)).tolist() == [1, 2]
    assert model.arm_names == ("m", "w")


def test_scores_never_come_from_a_model_that_saw_the_user():
    trial, _ = coupon_world(600)
    before = cross_fit_uplift(trial, outcome="visit", learner=TLearner(), seed=1)
    user = int(np.flatnonzero(trial.outcome("visit") == 1)[0])
    own_fold = before.folds == before.folds[user]
    # Another feature vector for one user may change the scores of other folds, never of the user's own fold.
    features = trial.features.copy()
    features[user] += 5.0
    changed = Trial(features, trial.arms, trial.arm_names, trial.propensities, trial.outcomes)
    after = cross_fit_uplift(changed, outcome="visit", learner=TLearner(), seed=1)
    others = own_fold & (np.arange(600) != user)
    assert (before.folds == after.folds).all()
    assert before.scores[others] == pytest.approx(after.scores[others])
    assert not np.allclose(before.scores[~own_fold], after.scores[~own_fold])


def test_model_survives_pickle():
    trial, _ = coupon_world(1000)
    model = fit_uplift(trial, outcome="visit", learner=StackedLearner((TLearner(), DRLearner())))
    again = pickle.loads(pickle.dumps(model))
    assert (again.predict(trial.features) == model.predict(trial.features)).all()


def test_errors_name_the_cause():
    trial = two_offer_world(300)
    with pytest.raises(SchemaError, match="one offer with control"):
        TLearner().fit(trial, outcome="visit")
    with pytest.raises(SchemaError, match="Did you mean 'visit'"):
        fit_uplift(trial, outcome="visits")
    with pytest.raises(ConfigError, match="member"):
        StackedLearner(()).fit(coupon_world(100)[0], outcome="visit")
