import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import Ridge

from tests.promotions.worlds import coupon_world
from tfrec.errors import ConfigError
from tfrec.promotions.response import (
    HurdleRegressor,
    boosted_response,
    cross_fit_responses,
    default_response,
    fit_response,
)
from tfrec.promotions.trial import Trial


def test_scores_are_unbiased_even_when_the_draw_favoured_some_users_and_the_model_is_blind():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40_000, 1))
    chance = np.where(x[:, 0] > 0, 0.8, 0.2)
    arms = (rng.random(len(x)) < chance).astype(np.int64)
    y = 1.0 * (x[:, 0] > 0) + 0.5 * arms + rng.normal(size=len(x))
    trial = Trial(np.zeros_like(x), arms, ("none", "offer"), np.stack([1 - chance, chance], axis=1), {"y": y})
    assert y[arms == 1].mean() - y[arms == 0].mean() > 1.0  # the raw difference is far off
    assert cross_fit_responses(trial, outcome="y").effects().mean() == pytest.approx(0.5, abs=0.05)


def test_response_models_narrow_the_scores():
    trial, truth = coupon_world(20_000)
    responses = cross_fit_responses(trial, outcome="visit")
    blind = Trial(np.zeros((len(trial), 1)), trial.arms, trial.arm_names, trial.propensities, trial.outcomes)
    assert responses.effects().std() < cross_fit_responses(blind, outcome="visit").effects().std()
    assert responses.effects().mean() == pytest.approx(truth.mean(), abs=0.03)


def test_hurdle_follows_both_the_chance_and_the_size_of_a_basket():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30_000, 2))
    buys = rng.random(30_000) < 1 / (1 + np.exp(2 - x[:, 0]))
    y = buys * np.exp(3 + 0.5 * x[:, 1] + 0.3 * rng.normal(size=30_000))
    predicted = HurdleRegressor().fit(x, y).predict(x)
    assert predicted.mean() == pytest.approx(y.mean(), rel=0.05)
    for column in (0, 1):
        top = x[:, column] > 1
        assert predicted[top].mean() == pytest.approx(y[top].mean(), rel=0.12)


def test_defaults_fit_the_kind_of_outcome():
    assert "logistic" in str(default_response(np.array([0.0, 1.0]))).lower()
    assert isinstance(default_response(np.array([0.0, 0.0, 5.0])), HurdleRegressor)
    assert "ridge" in str(default_response(np.array([1.0, 2.0, -3.0]))).lower()
    assert isinstance(boosted_response(), HistGradientBoostingClassifier)


def test_arm_in_which_nothing_happened_gets_a_constant():
    model = fit_response(None, np.ones((5, 2)), np.zeros(5))
    assert model.predict(np.ones((3, 2))).tolist() == [0.0, 0.0, 0.0]


def test_one_fold_is_refused():
    with pytest.raises(ConfigError, match="two folds"):
        cross_fit_responses(coupon_world(100)[0], outcome="visit", folds=1)


def test_own_outcome_never_enters_the_own_expectation():
    trial, _ = coupon_world(400)
    before = cross_fit_responses(trial, outcome="visit")
    visit = trial.outcome("visit").copy()
    user = int(np.flatnonzero((visit == 1) & (trial.arms == 1))[0])
    mates = before.folds == before.folds[user]
    # Another amount with the same sign keeps the folds; only models of other folds may see it.
    visit[user] = 7.0
    after = cross_fit_responses(
        Trial(trial.features, trial.arms, trial.arm_names, trial.propensities, {"visit": visit}), outcome="visit",
        model=Ridge(),
    )  # fmt: skip
    ridge = cross_fit_responses(trial, outcome="visit", model=Ridge())
    assert (after.folds == ridge.folds).all()
    assert after.expected[mates] == pytest.approx(ridge.expected[mates])
    assert not np.allclose(after.expected[~mates], ridge.expected[~mates])
