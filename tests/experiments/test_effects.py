import numpy as np
import pytest

from tfrec.errors import ConfigError, SchemaError
from tfrec.experiments.effects import (
    compare_heavy_tails,
    compare_means,
    compare_ratios,
    normal_estimate,
)
from tfrec.schema.json_values import to_json


def test_interval_covers_the_true_difference_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        control, treatment = rng.gamma(2.0, 1.0, 300), rng.gamma(2.0, 1.1, 300)
        difference = compare_means(control, treatment).difference
        hits += difference.low <= 0.2 <= difference.high
    assert 0.92 <= hits / 400 <= 0.98


def test_cuped_narrows_the_interval_by_the_share_that_the_past_explains():
    rng = np.random.default_rng(1)
    before = rng.normal(size=(2, 20_000))
    outcome = 0.8 * before + 0.6 * rng.normal(size=(2, 20_000))  # corr 0.8: a variance of 0.36 is left
    plain = compare_means(outcome[0], outcome[1])
    adjusted = compare_means(
        outcome[0], outcome[1], control_covariate=before[0], treatment_covariate=before[1]
    ).difference
    assert adjusted.std_error / plain.difference.std_error == pytest.approx(0.6, abs=0.01)


def test_cuped_repairs_a_split_that_chance_made_unequal():
    before_c, before_t = np.linspace(0, 1, 1000), np.linspace(0.2, 1.2, 1000)
    result = compare_means(3 * before_c, 3 * before_t + 0.5, control_covariate=before_c, treatment_covariate=before_t)
    assert result.difference.value == pytest.approx(0.5)


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


def test_errors_name_the_cause():
    with pytest.raises(SchemaError, match="missing or infinite"):
        compare_means(np.array([1.0, np.nan]), np.ones(3))
    with pytest.raises(SchemaError, match="both arms"):
        compare_means(np.ones(3), np.ones(3), control_covariate=np.ones(3))
    with pytest.raises(SchemaError, match="positive one"):
        compare_ratios(np.ones(2), np.zeros(2), np.ones(2), np.ones(2))
    with pytest.raises(ConfigError, match="cap_quantile"):
        compare_heavy_tails(np.ones(3), np.ones(3), cap_quantile=0)
    with pytest.raises(ConfigError, match="level"):
        normal_estimate(1, 1, 10, level=95)


def test_json_has_plain_numbers_and_no_nan():
    plain = to_json(compare_means(np.array([0.0, 0.0]), np.array([1.0, 2.0])))
    assert plain["relative"]["low"] is None
    assert type(plain["difference"]["value"]) is float
