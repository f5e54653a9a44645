"""Gains by budget of several offers with costs, in worlds whose best spending is known."""

import numpy as np
import pytest

from tests.promotions.worlds import two_offer_world
from tfrec.errors import SchemaError
from tfrec.promotions.allocation import allocate
from tfrec.promotions.budget_curves import budget_curve
from tfrec.promotions.curves import uplift_curve
from tfrec.promotions.response import cross_fit_responses
from tfrec.promotions.uplift import cross_fit_uplift


def test_a_curve_by_hand():
    # User 0: the cheap offer first (3 for 1), then the dear one (2 more for 1 more). User 1: the dear one at once (4
    # for 2), for the cheap one (1 for 1) lies below the line to it. User 2 is put off by both.
    scores = np.array([[3.0, 5.0], [1.0, 4.0], [-1.0, -2.0]])
    costs = np.tile([1.0, 2.0], (3, 1))
    effects = np.array([[30.0, 50.0], [10.0, 40.0], [-10.0, -20.0]])
    found = budget_curve(scores, costs, effects, points=5, resamples=20)
    assert found.budgets.tolist() == pytest.approx([0.0, 1 / 3, 2 / 3, 1.0, 4 / 3])
    assert found.gains.tolist() == pytest.approx([0.0, 10.0, 50 / 3, 70 / 3, 30.0])
    # On average the dear offer is the best, 7/3 for 2 against 1 for 1, and earns 70/3 for 2.
    assert found.untargeted.tolist() == pytest.approx([budget * 35 / 3 for budget in found.budgets])
    assert found.qini.value == pytest.approx(np.trapezoid(found.gains - found.untargeted, found.budgets) * 3 / 4)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.8])
def test_each_budget_gains_as_much_as_the_best_allocation(share):
    rng = np.random.default_rng(0)
    costs = rng.uniform(0.5, 1.5, (800, 3)) * np.array([1.0, 2.0, 4.0])
    scores = rng.normal(0.0, 1.0, (800, 3)) + 0.4 * costs
    found = budget_curve(scores, costs, scores, points=201, resamples=2)
    budget = share * found.budgets[-1]
    best = allocate(scores, costs, budget=800 * budget)
    assert np.interp(budget, found.budgets, found.gains) == pytest.approx(best.value / 800, rel=0.01)


@pytest.mark.slow
def test_one_offer_of_equal_cost_has_the_usual_qini():
    trial = two_offer_world().against_control(1)
    scores = cross_fit_uplift(trial, outcome="visit").scores
    scores = scores - scores.min() + 1e-3  # so that both treat everybody in the end
    responses = cross_fit_responses(trial, outcome="visit")
    usual = uplift_curve(scores[:, 0], trial, outcome="visit", responses=responses, points=100)
    found = budget_curve(scores, np.ones_like(scores), responses.effects(), points=101)
    assert found.qini.value == pytest.approx(usual.qini.value, rel=0.03)
    assert found.qini.std_error == pytest.approx(usual.qini.std_error, rel=0.25)


def test_knowing_whom_each_offer_moves_is_worth_more_than_drawing_lots():
    trial = two_offer_world()
    responses = cross_fit_responses(trial, outcome="visit")
    is_man = trial.features[:, 0] == 1
    knowing = np.where(np.stack([is_man, ~is_man], axis=1), 0.25, -0.01)
    found = budget_curve(knowing, np.ones_like(knowing), responses.effects())
    # Everybody gets the right offer in the end: .25 each; drawn at random half of them do.
    assert found.gains[-1] == pytest.approx(0.25, abs=0.04)
    assert found.qini.low < 0.0625 < found.qini.high
    assert found.qini.is_positive
    blind = budget_curve(np.random.default_rng(0).random(knowing.shape), np.ones_like(knowing), responses.effects())
    assert blind.qini.low < 0 < blind.qini.high


def test_bad_shapes_and_costs_are_named():
    with pytest.raises(SchemaError, match=r"\[n, K\]"):
        budget_curve(np.ones((3, 2)), np.ones(2), np.ones((3, 2)))
    with pytest.raises(SchemaError, match="at least 0; got -1"):
        budget_curve(np.ones((3, 1)), -np.ones((3, 1)), np.ones((3, 1)))
