import numpy as np
import pytest

from tfrec.errors import ConfigError
from tfrec.statistics.heavy_tails import compare_heavy_tails

MEAN = float(np.exp(3 + 1.2**2 / 2))  # of what a buyer below spends


def spend_of(rng, *, num_users, buyers):
    return np.where(rng.random(num_users) < buyers, rng.lognormal(3, 1.2, num_users), 0.0)


def test_without_an_effect_one_interval_in_twenty_leaves_out_zero():
    rng, calls = np.random.default_rng(7), 0
    for seed in range(1000):
        control, treatment = (spend_of(rng, num_users=2000, buyers=0.02) for _ in range(2))
        difference = compare_heavy_tails(control, treatment, resamples=400, seed=seed).difference
        calls += difference.is_positive or difference.is_negative
    assert 35 <= calls <= 65  # 50 ± 2.2 standard errors; a bootstrap calls 80 of the same


@pytest.mark.parametrize(("sizes", "buyers"), [((3000, 3000), (0.03, 0.06)), ((5000, 600), (0.05, 0.08))])
def test_an_effect_lies_in_its_interval(sizes, buyers):
    rng, missed = np.random.default_rng(8), 0
    for seed in range(400):
        arms = [spend_of(rng, num_users=n, buyers=share) for n, share in zip(sizes, buyers, strict=True)]
        difference = compare_heavy_tails(*arms, resamples=400, seed=seed).difference
        missed += not difference.low < MEAN * (buyers[1] - buyers[0]) < difference.high
    assert missed <= 0.08 * 400


def test_the_small_arm_has_the_longer_side_where_the_tail_is_its_own():
    rng = np.random.default_rng(4)
    control, treatment = spend_of(rng, num_users=6000, buyers=0.05), spend_of(rng, num_users=600, buyers=0.05)
    difference = compare_heavy_tails(control, treatment, seed=1).difference
    assert difference.high - difference.value > 1.15 * (difference.value - difference.low)


def test_many_equal_amounts_of_any_size_make_no_difference():
    values = np.full(1000, 1e6)
    values[::2] += 1
    difference = compare_heavy_tails(values, values + 0.01).difference
    assert difference.low < 0 < difference.high
    assert difference.high - difference.low == pytest.approx(2 * 1.96 * difference.std_error, rel=0.1)


def test_cap_removes_what_one_whale_does():
    control, treatment = np.ones(1000), np.ones(1000)
    treatment[0] = 1e6
    assert compare_heavy_tails(control, treatment).difference.value == pytest.approx(999.999)
    assert compare_heavy_tails(control, treatment, cap_quantile=0.99).difference.value == 0


def test_cap_outside_its_range_is_refused():
    with pytest.raises(ConfigError, match="cap_quantile"):
        compare_heavy_tails(np.ones(3), np.ones(3), cap_quantile=0)
