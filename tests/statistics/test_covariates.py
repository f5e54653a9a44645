import numpy as np
import pytest

from tfrec.errors import SchemaError
from tfrec.statistics.two_samples import compare_means


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


def test_covariates_of_one_arm_alone_are_refused():
    with pytest.raises(SchemaError, match="both arms"):
        compare_means(np.ones(3), np.ones(3), control_covariate=np.ones(3))
