import numpy as np
import pytest

from tfrec.errors import ConfigError
from tfrec.statistics.heavy_tails import compare_heavy_tails


def test_bootstrap_follows_the_long_tail_to_the_right():
    rng = np.random.default_rng(4)
    spend = np.zeros((2, 3000))
    spend[:, :60] = rng.lognormal(3, 1.5, size=(2, 60))
    spend[1, :120] = rng.lognormal(3, 1.5, size=120)
    difference = compare_heavy_tails(spend[0], spend[1], seed=1).difference
    assert difference.low < difference.value < difference.high
    assert difference.high - difference.value > difference.value - difference.low


def test_cap_removes_what_one_whale_does():
    control, treatment = np.ones(1000), np.ones(1000)
    treatment[0] = 1e6
    assert compare_heavy_tails(control, treatment).difference.value == pytest.approx(999.999)
    assert compare_heavy_tails(control, treatment, cap_quantile=0.99).difference.value == 0


def test_cap_outside_its_range_is_refused():
    with pytest.raises(ConfigError, match="cap_quantile"):
        compare_heavy_tails(np.ones(3), np.ones(3), cap_quantile=0)
