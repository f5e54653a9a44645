import numpy as np
import pytest

from tfrec.statistics.power import detectable_difference
from tfrec.statistics.two_samples import compare_means


def test_a_detectable_difference_is_found_in_four_of_five_tests():
    rng = np.random.default_rng(0)
    effect = detectable_difference(300, 1.0, 100, 4.0)
    found = [
        compare_means(rng.normal(0.0, 1.0, 300), rng.normal(effect, 2.0, 100)).difference.is_positive
        for _ in range(3_000)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


def test_many_comparisons_need_a_larger_difference():
    assert detectable_difference(100, 1.0, 100, 1.0, comparisons=5) > detectable_difference(100, 1.0, 100, 1.0)
