import numpy as np
import pytest
from sklearn.linear_model import Ridge

from tfrec.errors import SchemaError
from tfrec.experiments.off_policy import (
    DecisionLog,
    SlateLog,
    clip_probabilities,
    cross_fit_rewards,
    direct_method,
    doubly_robust,
    evaluate_policy,
    inverse_propensity,
    self_normalised,
    slate_cascade,
    slate_independent,
    slate_inverse_propensity,
    slate_pseudo_inverse,
)


def _world(n: int, seed: int):
    """Two arms: arm 1 pays for positive contexts; the log prefers arm 0. The matching policy is worth 0.7."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 1))
    chance_1 = np.where(x[:, 0] > 0, 0.3, 0.2)
    actions = (rng.random(n) < chance_1).astype(int)
    pays = np.where((actions == 1) == (x[:, 0] > 0), 0.7, 0.2)
    log = DecisionLog(actions, np.where(actions == 1, chance_1, 1 - chance_1), (rng.random(n) < pays).astype(float))
    target = np.eye(2)[(x[:, 0] > 0).astype(int)]
    return x, log, target


def test_estimates_find_the_value_of_a_policy_that_never_ran():
    x, log, target = _world(40_000, 0)
    predicted = cross_fit_rewards(x, log, Ridge(), num_actions=2)
    for value in evaluate_policy(log, target, predicted=predicted):
        if value.estimator != "DM":  # the straight line cannot hold the step
            assert value.value.value == pytest.approx(0.7, abs=0.02), value.estimator
            assert value.is_trustworthy
            assert value.gain.is_positive


@pytest.mark.parametrize("estimate", [inverse_propensity, self_normalised], ids=["ips", "snips"])
def test_intervals_cover_as_often_as_they_say(estimate):
    hits = []
    for seed in range(300):
        _, log, target = _world(1500, seed)
        value = estimate(log, target).value
        hits.append(value.low <= 0.7 <= value.high)
    assert 0.92 <= np.mean(hits) <= 0.98


def test_good_reward_model_narrows_the_interval_and_a_bad_one_does_no_harm():
    x, log, target = _world(20_000, 3)
    truth = np.where((np.arange(2)[None, :] == 1) == (x > 0), 0.7, 0.2)
    good, bad = doubly_robust(log, target, truth), doubly_robust(log, target, 1 - truth)
    assert good.value.std_error < inverse_propensity(log, target).value.std_error
    assert abs(bad.value.value - 0.7) < 4 * bad.value.std_error
    assert direct_method(log, target, 1 - truth).value.value == pytest.approx(0.3)


def test_repeated_decisions_of_one_user_do_not_narrow_the_interval():
    _, log, target = _world(1000, 5)
    copies = DecisionLog(
        np.tile(log.actions, 9), np.tile(log.propensities, 9), np.tile(log.rewards, 9), np.tile(np.arange(1000), 9)
    )
    once, tiled = inverse_propensity(log, target), inverse_propensity(copies, np.tile(target, (9, 1)))
    assert tiled.value.std_error == pytest.approx(once.value.std_error, rel=0.01)


def test_policy_without_overlap_is_called_untrustworthy():
    rng = np.random.default_rng(0)
    actions = (rng.random(2000) < 0.005).astype(int)
    log = DecisionLog(actions, np.where(actions == 1, 0.005, 0.995), rng.random(2000))
    value = inverse_propensity(log, np.tile([0.0, 1.0], (2000, 1)))
    assert not value.is_trustworthy
    assert not value.is_trustworthy


def test_wrong_propensities_show_in_the_mean_weight():
    _, log, target = _world(20_000, 1)
    wrong = DecisionLog(log.actions, np.clip(log.propensities * 1.3, 0, 1), log.rewards)
    assert not inverse_propensity(wrong, target).is_trustworthy


def _slates(n: int, seed: int, cascade: float = 0.0):
    """Three slots, two actions each, logged at 0.5; action 1 pays 0.3 more. The all-ones policy earns 3 × 0.5."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(2, size=(n, 3))
    mean = 0.2 + 0.3 * actions
    mean[:, 1:] += cascade * actions[:, :-1]
    slot_rewards = (rng.random((n, 3)) < mean).astype(float)
    return actions, SlateLog(np.full((n, 3), 0.5), slot_rewards.sum(axis=1), slot_rewards)


def test_slate_estimators_agree_where_slots_add_up_and_the_weaker_assumption_is_noisier():
    actions, log = _slates(60_000, 0)
    target = (actions == 1).astype(float)
    errors = []
    for estimate in (slate_inverse_propensity, slate_cascade, slate_pseudo_inverse, slate_independent):
        value = estimate(log, target).value
        assert abs(value.value - 1.5) < 4 * value.std_error
        errors.append(value.std_error)
    assert errors[0] > errors[1] > errors[3]
    assert errors[0] > errors[2] > errors[3]


def test_slot_above_that_helps_is_missed_by_independent_ips_alone():
    actions, log = _slates(60_000, 1, cascade=0.2)
    target = (actions == 1).astype(float)
    assert slate_cascade(log, target).value.value == pytest.approx(1.9, abs=0.05)
    assert slate_pseudo_inverse(log, target).value.value == pytest.approx(1.9, abs=0.05)
    assert slate_independent(log, target).value.value < 1.8


def test_slate_without_slot_rewards_points_to_the_pseudo_inverse():
    log = SlateLog(np.full((4, 2), 0.5), np.ones(4))
    with pytest.raises(SchemaError, match="slate_pseudo_inverse"):
        slate_independent(log, np.ones((4, 2)))


def test_errors_name_the_cause():
    with pytest.raises(SchemaError, match="propensity"):
        DecisionLog(np.array([0]), np.array([0.0]), np.array([1.0]))
    _, log, target = _world(10, 0)
    with pytest.raises(SchemaError, match="distribution"):
        inverse_propensity(log, target * 2)
    assert clip_probabilities(target, floor=0.1).min() == pytest.approx(0.1)
