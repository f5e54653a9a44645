"""The population stability index on counts whose answer is known, and what chance gives."""

import numpy as np
import pytest

from tfrec.statistics import population_stability_index, stability_by_chance


def test_equal_shares_have_no_index_and_an_empty_bin_a_finite_one():
    assert population_stability_index(np.array([10, 30]), np.array([100, 300])) == pytest.approx(0, abs=1e-3)
    assert 1 < population_stability_index(np.array([500, 500, 0]), np.array([500, 0, 500])) < 20


def test_chance_exceeds_its_bound_in_one_of_twenty_samples():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(8, 5.0))
    pairs = zip(rng.multinomial(3_000, shares, 2_000), rng.multinomial(500, shares, 2_000), strict=True)
    bound = stability_by_chance(8, 3_000, 500)
    assert np.mean([population_stability_index(*pair) > bound for pair in pairs]) == pytest.approx(0.05, abs=0.02)


def test_nothing_to_compare_is_never_beyond_chance():
    assert stability_by_chance(5, 100, 0) == float("inf")
    assert stability_by_chance(1, 100, 100) == 0.0
