import pickle

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from tests.promotions.worlds import coupon_world, two_offer_world
from tfrec.errors import ConfigError, SchemaError
from tfrec.promotions.curves import choose_arms, score_against_truth
from tfrec.promotions.learners import DRLearner, SLearner, TLearner
from tfrec.promotions.response import Bend, boosted_response, trees_response
from tfrec.promotions.stacking import StackedLearner, default_learner
from tfrec.promotions.trial import Trial
from tfrec.promotions.uplift import cross_fit_uplift, fit_uplift

LEARNERS = [SLearner(), TLearner(), DRLearner(), StackedLearner((TLearner(), DRLearner()))]


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_bent_model_finds_whom_both_ends_leave_cold():
    rng = np.random.default_rng(5)
    features = rng.normal(size=(12_000, 3))
    arms = rng.integers(2, size=12_000)
    truth = np.where(np.abs(features[:, 0]) < 0.7, 0.25, 0.0)
    visit = (rng.random(12_000) < 0.2 + truth * arms).astype(float)
    trial = Trial(features, arms, ("none", "coupon"), np.full((12_000, 2), 0.5), {"visit": visit})
    found = {
        name: score_against_truth(cross_fit_uplift(trial, outcome="visit", learner=learner).scores[:, 0], truth)
        for name, learner in {"straight": SLearner(), "bent": SLearner(bend=Bend()), "blend": default_learner()}.items()
    }
    assert found["straight"].rank_correlation < 0.2
    assert min(found["bent"].rank_correlation, found["blend"].rank_correlation) > 0.7


@pytest.mark.parametrize("seed", range(2, 6))
def test_spread_is_shrunk_to_what_two_halves_of_the_users_agree_on(seed):
    rng = np.random.default_rng(seed)
    basket = rng.lognormal(3.0, 1.0, 6000)
    is_moved = rng.random(6000) < 0.5
    truth = 0.05 * is_moved * basket * np.exp(1.125)
    arms = rng.integers(2, size=6000)
    buys = rng.random(6000) < 0.05 + 0.05 * is_moved * arms
    margin = buys * basket * rng.lognormal(0.0, 1.5, 6000)  # a few huge orders hide the slope from the outcomes
    features = np.stack([np.log(basket), is_moved], axis=1)
    trial = Trial(features, arms, ("none", "coupon"), np.full((6000, 2), 0.5), {"margin": margin})
    member = SLearner(trees_response)
    found = StackedLearner((member,)).fit(trial, outcome="margin").predict(features)
    alone = member.fit(trial, outcome="margin").predict(features)
    error, error_alone = (np.std(one - truth) for one in (found, alone))
    assert error < 1.05 * truth.std()  # not worse than the average effect for everybody
    assert error < error_alone


def test_what_is_known_for_sure_is_not_shrunk():
    trial, truth = coupon_world(8000)
    found = StackedLearner((SLearner(trees_response),)).fit(trial, outcome="visit").predict(trial.features)
    assert np.polyfit(found, truth, 1)[0] == pytest.approx(1.0, abs=0.1)


def test_members_that_predict_outcomes_badly_get_a_small_share():
    trial, _ = coupon_world(4000)
    noise = np.random.default_rng(0).normal(size=(4000, 20))
    wide = Trial(
        np.concatenate([trial.features, noise], axis=1), trial.arms, trial.arm_names, trial.propensities, trial.outcomes
    )
    wild = TLearner(DecisionTreeClassifier(min_samples_leaf=3, random_state=0))
    effect = StackedLearner((SLearner(trees_response), wild), weight_spread=0.01).fit(wide, outcome="visit")
    assert effect.weights[0] > 10 * effect.weights[1]
    equal = StackedLearner((DRLearner(), wild), weight_spread=0.01).fit(wide, outcome="visit")  # DR expects no outcome
    assert equal.weights[0] == pytest.approx(equal.weights[1], rel=0.3)


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
