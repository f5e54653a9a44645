import json

import numpy as np
import pytest

from tests.promotions.worlds import coupon_world, two_offer_world
from tfrec.errors import SchemaError
from tfrec.promotions.curves import (
    calibrate_by_bins,
    choose_arms,
    compare_curves,
    score_against_truth,
    uplift_curve,
    worth_of_choice,
)
from tfrec.promotions.learners import TLearner
from tfrec.promotions.response import Responses, cross_fit_responses
from tfrec.promotions.uplift import cross_fit_uplift
from tfrec.schema.json_values import to_json


def test_curve_of_the_true_uplift_gains_what_the_world_says():
    trial, truth = coupon_world(40_000)
    curve = uplift_curve(truth, trial, outcome="visit", resamples=200)
    half = curve.gain_over_random(0.5)  # the helped half: 0.3 against an average of 0.1
    assert half.value == pytest.approx(3.0, abs=0.4)
    assert half.low < 3.0 < half.high
    assert curve.gains.max() == pytest.approx(0.15, abs=0.015)
    assert curve.average_effect.value == pytest.approx(0.1, abs=0.015)
    # Triangle over the diagonal: peak 0.15 − 0.05 at one half.
    assert curve.qini.value == pytest.approx(0.05, abs=0.006)
    assert curve.auuc.value == pytest.approx(0.1, abs=0.012)


def test_doubly_robust_curve_agrees_and_is_narrower():
    trial, truth = coupon_world(20_000)
    plain = uplift_curve(truth, trial, outcome="visit", resamples=200)
    responses = cross_fit_responses(trial, outcome="visit")
    robust = uplift_curve(truth, trial, outcome="visit", responses=responses, resamples=200)
    assert robust.qini.value == pytest.approx(plain.qini.value, abs=0.006)
    assert robust.average_effect.std_error < plain.average_effect.std_error


def test_random_scores_gain_nothing_and_wrong_ones_lose():
    trial, truth = coupon_world(20_000)
    noise = np.random.default_rng(0).random(len(trial))
    random = uplift_curve(noise, trial, outcome="visit", resamples=200)
    assert random.qini.low < 0 < random.qini.high
    assert uplift_curve(-truth, trial, outcome="visit", resamples=200).qini.is_negative


def test_qini_interval_covers_as_often_as_it_says():
    hits = []
    for seed in range(120):
        trial, truth = coupon_world(3000, seed)
        qini = uplift_curve(truth, trial, outcome="visit", resamples=200, points=50).qini
        hits.append(qini.low <= 0.05 <= qini.high)
    assert np.mean(hits) >= 0.9


def test_users_of_one_fold_are_ranked_among_themselves():
    trial, truth = coupon_world(10_000)
    folds = np.arange(len(trial)) % 2
    shifted = truth + 10.0 * folds  # models of different folds on different levels
    apart = uplift_curve(shifted, trial, outcome="visit", folds=folds, resamples=50)
    mixed = uplift_curve(shifted, trial, outcome="visit", resamples=50)
    assert apart.qini.value > 1.5 * mixed.qini.value


def test_paired_comparison_sees_a_difference_that_two_intervals_hide():
    trial, truth = coupon_world(6000)
    noise = np.random.default_rng(1).normal(size=len(trial)) * 0.25
    good = uplift_curve(truth + 0.2 * noise, trial, outcome="visit")
    fair = uplift_curve(truth + noise, trial, outcome="visit")
    assert compare_curves(good, fair).is_positive
    assert fair.qini.high > good.qini.low


def test_calibration_separates_right_from_exaggerated():
    trial, truth = coupon_world(30_000)
    responses = cross_fit_responses(trial, outcome="visit")
    right = calibrate_by_bins(truth, trial, responses=responses)
    loud = calibrate_by_bins(0.1 + 3 * (truth - 0.1), trial, responses=responses)
    assert right.slope.low < 1 < right.slope.high
    assert loud.slope.value == pytest.approx(1 / 3, abs=0.05)
    assert loud.error > 3 * right.error
    assert len(right.table) == 10
    assert right.table["n"].sum() == 30_000


def test_choice_of_arms_beats_the_best_single_arm_where_tastes_differ():
    trial = two_offer_world(9000)
    scores = cross_fit_uplift(trial, outcome="visit", learner=TLearner())
    responses = cross_fit_responses(trial, outcome="visit")
    worth = worth_of_choice(choose_arms(scores.scores), trial, responses=responses)
    assert worth.value.value == pytest.approx(0.45, abs=0.03)
    assert worth.best_arm_value.value == pytest.approx(0.325, abs=0.03)
    assert worth.gain.is_positive
    json.dumps(to_json(worth), allow_nan=False)


def test_two_offers_are_compared_without_control():
    trial = two_offer_world(9000)
    pair = trial.between(1, 2)
    assert pair.arm_names == ("m", "w")
    found = cross_fit_uplift(pair, outcome="visit", learner=TLearner()).scores[:, 0]
    is_man = pair.features[:, 0] == 1
    assert found[is_man].mean() == pytest.approx(-0.25, abs=0.04)
    assert found[~is_man].mean() == pytest.approx(0.25, abs=0.04)


def test_a_choice_is_compared_with_the_best_arm_and_with_nothing():
    trial = two_offer_world(600)
    scores = np.tile([0.1, 0.2, 0.5], (600, 1))
    responses = Responses("visit", scores, scores, np.zeros(600, dtype=np.int64))
    worth = worth_of_choice(np.ones(600, dtype=np.int64), trial, responses=responses)
    assert worth.best_arm == "w"
    assert worth.gain.value == pytest.approx(-0.3)
    assert worth.gain_over_nothing.value == pytest.approx(0.1)


def test_choices_of_several_foldings_are_judged_by_their_mean():
    trial = two_offer_world(9000)
    responses = cross_fit_responses(trial, outcome="visit")
    right = np.where(trial.features[:, 0] == 1, 1, 2)
    wrong, both = 3 - right, np.stack([right, 3 - right])
    worths = [worth_of_choice(choice, trial, responses=responses) for choice in (right, wrong, both)]
    assert worths[2].value.value == pytest.approx(0.325, abs=0.03)  # one half of users right, on average
    assert worths[2].gain.value == pytest.approx((worths[0].gain.value + worths[1].gain.value) / 2)
    assert worths[2].gain.std_error < min(worth.gain.std_error for worth in worths[:2])
    assert worths[2].shares.tolist() == pytest.approx([0, 0.5, 0.5], abs=0.02)
    with pytest.raises(SchemaError, match="one arm code"):
        worth_of_choice(both.T, trial, responses=responses)


def test_sleeping_dogs_and_offers_that_cost_more_than_they_bring_get_nothing():
    scores = np.array([[-0.1, -0.2], [0.5, 0.2], [0.5, 0.9]])
    assert choose_arms(scores).tolist() == [0, 1, 2]
    assert choose_arms(scores, costs=np.array([0.1, 1.0])).tolist() == [0, 1, 1]


def test_truth_score_is_zero_for_the_truth():
    truth = np.array([0.1, 0.2, 0.4])
    assert score_against_truth(truth, truth).pehe == 0
    assert score_against_truth(-truth, truth).rank_correlation == -1
    assert score_against_truth(np.ones(3), truth).rank_correlation == 0


def test_errors_name_the_cause():
    trial = two_offer_world(300)
    with pytest.raises(SchemaError, match="two-armed"):
        uplift_curve(np.zeros(300), trial, outcome="visit")
