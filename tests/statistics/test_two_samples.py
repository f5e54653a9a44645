import numpy as np
import pytest
from scipy import stats

from tfrec.errors import SchemaError
from tfrec.statistics.two_samples import compare_means, compare_ratios


def test_interval_covers_the_true_difference_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        control, treatment = rng.gamma(2.0, 1.0, 300), rng.gamma(2.0, 1.1, 300)
        difference = compare_means(control, treatment).difference
        hits += difference.low <= 0.2 <= difference.high
    assert 0.92 <= hits / 400 <= 0.98


def test_ratio_of_clustered_impressions_gets_a_wider_interval_than_independent_ones():
    rng = np.random.default_rng(2)
    views = rng.integers(1, 60, size=(2, 4000))
    taste = rng.beta(1, 4, size=(2, 4000))  # a user clicks often or seldom
    clicks = rng.binomial(views, taste)
    result = compare_ratios(clicks[0], views[0], clicks[1], views[1]).difference
    rate = clicks.sum() / views.sum()
    naive = np.sqrt(rate * (1 - rate) * (1 / views[0].sum() + 1 / views[1].sum()))
    assert result.std_error > 2 * naive


def test_ratio_interval_covers_when_users_differ():
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(300):
        views = rng.integers(1, 20, size=(2, 500))
        clicks = rng.binomial(views, rng.beta(2, 6, size=(2, 500)))
        difference = compare_ratios(clicks[0], views[0], clicks[1], views[1]).difference
        hits += difference.low <= 0 <= difference.high
    assert 0.92 <= hits / 300 <= 0.98


def test_means_are_compared_as_by_welch():
    rng = np.random.default_rng(0)
    control, treatment = rng.normal(0.0, 1.0, 4000), rng.normal(0.05, 2.0, 5000)
    difference = compare_means(control, treatment).difference
    assert difference.value / difference.std_error == pytest.approx(
        stats.ttest_ind(treatment, control, equal_var=False).statistic
    )


def test_levels_are_those_of_the_arms_while_the_difference_is_adjusted():
    rng = np.random.default_rng(1)
    before = rng.gamma(1.0, 5.0, (2, 400))
    control, treatment = np.zeros(400), 0.1 * before[1] + rng.gamma(1.0, 0.1, 400)
    found = compare_means(
        control, treatment, control_covariate=before[0] + 3.0, treatment_covariate=before[1], level=0.95
    )
    assert found.control.value == 0
    assert found.treatment.value == pytest.approx(treatment.mean())
    assert found.difference.value != pytest.approx(treatment.mean())


def test_errors_name_the_cause():
    with pytest.raises(SchemaError, match="missing or infinite"):
        compare_means(np.array([1.0, np.nan]), np.ones(3))
    with pytest.raises(SchemaError, match="positive one"):
        compare_ratios(np.ones(2), np.zeros(2), np.ones(2), np.ones(2))
