"""What a hold-out can show, in worlds whose profit is known."""

import dataclasses

import numpy as np
import pytest

from tfrec.promotions.holdout import HoldoutPower, measure_deviations
from tfrec.promotions.trial import Trial
from tfrec.statistics.two_samples import compare_means


def power(treated=900, held_out=100, *, wanted=2.0, is_bound=False):
    return HoldoutPower(treated, held_out, treated, 12.0, 8.0, wanted, is_bound)


def shown_share(found, effect, *, campaigns=3_000, seed=0):
    """Share of campaigns whose read-out shows the effect."""
    rng = np.random.default_rng(seed)
    held = rng.normal(5.0, 8.0, (campaigns, found.held_out))
    treated = rng.normal(5.0 + effect, 12.0, (campaigns, found.treated))
    return np.mean([compare_means(*sides).difference.is_positive for sides in zip(held, treated, strict=True)])


def test_the_stated_profit_is_shown_in_four_of_five_campaigns():
    found = power()
    assert shown_share(found, found.per_user) == pytest.approx(0.8, abs=0.03)
    assert found.total == pytest.approx(900 * found.per_user)


def test_the_share_that_is_said_to_be_enough_is_and_a_smaller_one_is_not():
    found = power(wanted=1.9)
    assert not found.shows_wanted
    share = found.share_needed
    sized = power(round(1_000 * (1 - share)), round(1_000 * share), wanted=1.9)
    assert sized.shows_wanted
    assert shown_share(sized, 1.9) >= 0.78
    smaller = power(round(1_000 * (1.02 - share)), round(1_000 * (share - 0.02)), wanted=1.9)
    assert not smaller.shows_wanted


def test_a_spent_budget_needs_a_smaller_share_for_others_are_held_out():
    assert power(wanted=1.9, is_bound=True).share_needed < power(wanted=1.9).share_needed


def test_users_and_repetitions_that_are_said_to_be_enough_are():
    found = power(90, 10, wanted=1.5)
    assert np.isnan(found.per_user) and not found.shows_wanted and found.campaigns_needed == 0
    share = 8.0 / 20.0  # deviations of 8 and 12: the split that needs fewest users
    more = power(round(found.users_needed * (1 - share)), round(found.users_needed * share), wanted=1.5)
    assert more.per_user == pytest.approx(1.5, rel=0.01)
    assert shown_share(more, 1.5) == pytest.approx(0.8, abs=0.03)
    small = power(wanted=1.0)
    times = small.campaigns_needed
    repeated = dataclasses.replace(
        small, treated_deviation=12.0 * times**0.5, held_out_deviation=8.0 * times**0.5, wanted=times * 1.0
    )
    assert repeated.shows_wanted


def test_no_profit_cannot_be_shown_by_any_size():
    found = power(wanted=-3.0)
    assert not found.shows_wanted
    assert np.isnan(found.share_needed)
    assert (found.users_needed, found.campaigns_needed) == (0, 0)


def test_a_verdict_needs_thirty_held_out_users():
    assert not power(900, 29).is_large_enough
    assert power(900, 30).is_large_enough
    few = power(90, 10)
    assert 100 * few.least_share >= 30
    assert np.isnan(power(30, 5).least_share)


def test_deviations_are_those_of_the_users_whom_the_rule_chooses():
    rng = np.random.default_rng(0)
    n = 6_000
    is_keen = rng.random(n) < 0.5
    arms = rng.integers(3, size=n)
    profit = rng.normal(0.0, np.where(is_keen, np.array([2.0, 5.0, 9.0])[arms], 50.0))
    trial = Trial(np.zeros((n, 1)), arms, ("none", "a", "b"), np.full((n, 3), 1 / 3), {"profit": profit})
    treated, held_out = measure_deviations(trial, profit, np.where(is_keen, 1, -1))
    assert (treated, held_out) == (pytest.approx(9.0, rel=0.1), pytest.approx(2.0, rel=0.1))
