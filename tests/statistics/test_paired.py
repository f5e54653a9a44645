import numpy as np
import pytest

from tests.statistics.samples import hits
from tfrec.errors import SchemaError
from tfrec.statistics.paired import compare_paired


def test_p_value_is_the_share_of_signs_that_reach_the_sum():
    difference = np.array([2.0, 1.0, 1.0])  # of 8 combinations of signs, all plus and all minus reach |4|
    assert compare_paired(difference, np.zeros(3), np.arange(3), num_resamples=20_000).p_value == pytest.approx(
        2 / 8, abs=0.01
    )


def test_a_real_difference_is_distinguished_from_chance():
    base = hits(0.3, 2000, 0)
    better = np.maximum(base, hits(0.05, 2000, 1))
    outcome = compare_paired(better, base, np.arange(2000))
    assert outcome.difference.low > 0
    assert outcome.p_value < 0.01
    assert str(outcome).startswith(".03")


def test_chance_alone_is_seldom_called_a_difference():
    rejected = sum(
        compare_paired(hits(0.3, 200, seed), hits(0.3, 200, seed + 1000), np.arange(200), num_resamples=200).p_value
        < 0.05
        for seed in range(200)
    )
    assert rejected / 200 < 0.09


def test_equal_methods_have_no_difference():
    values = hits(0.3, 100, 0)
    outcome = compare_paired(values, values, np.arange(100))
    assert outcome.p_value == 1
    assert outcome.difference.value == 0


def test_one_group_alone_has_no_p_value():
    values, groups = np.array([0.4, 0.4]), np.array(["a", "a"])
    found = compare_paired(values, values - 0.1, groups)
    assert np.isnan(found.p_value)
    assert str(found) == ".100"


def test_methods_of_different_queries_are_not_compared():
    with pytest.raises(SchemaError, match="the same queries"):
        compare_paired(np.zeros(3), np.zeros(4), np.arange(3))
