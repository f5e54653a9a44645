import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.insight import METRICS, design_ratios
from tests.mailed_shops import mailed_shop
from tfrec.errors import ConfigError, SchemaError
from tfrec.experiments.design import detectable_effect, plan_duration, plan_sample_size
from tfrec.statistics.two_samples import compare_means


def test_planned_size_finds_the_effect_as_often_as_promised():
    design = plan_sample_size(baseline=0.10, relative_effect=0.3, power=0.8)
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(400):
        control = rng.random(design.n_control) < 0.10
        treatment = rng.random(design.n_treatment) < 0.13
        found += compare_means(control, treatment).difference.p_value < 0.05
    assert 0.75 <= found / 400 <= 0.87


def test_unequal_shares_keep_the_power():
    design = plan_sample_size(baseline=5.0, variance=25.0, relative_effect=0.1, treatment_share=0.8)
    assert design.n_treatment == pytest.approx(4 * design.n_control, rel=0.01)
    n = design.n_control + design.n_treatment
    assert detectable_effect(n, variance=25.0, treatment_share=0.8) == pytest.approx(0.5, rel=0.01)


def test_cuped_and_more_comparisons_move_the_size_the_right_way():
    plain = plan_sample_size(baseline=5.0, variance=25.0, relative_effect=0.05)
    cuped = plan_sample_size(baseline=5.0, variance=25.0, relative_effect=0.05, correlation=0.6)
    many = plan_sample_size(baseline=5.0, variance=25.0, relative_effect=0.05, comparisons=5)
    assert cuped.n_control == pytest.approx(0.64 * plain.n_control, rel=0.001)
    assert many.n_control > 1.4 * plain.n_control
    assert cuped.variance_kept == pytest.approx(0.64)


def _activity(days: int, users: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    habit = rng.gamma(2.0, 10.0, users)  # what a user spends at a visit, always about the same
    n = days * users // 10
    who = rng.integers(users, size=n)
    return pd.DataFrame(
        {
            "user_id": [f"u{i}" for i in who],
            "timestamp": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.random(n) * days, unit="D"),
            "value": habit[who] * (rng.random(n) < 0.5),
        }
    )


def test_duration_counts_everybody_and_uses_their_past():
    plan = plan_duration(_activity(70, 3000), relative_effect=0.12, max_weeks=6)
    table = plan.table
    assert (table["users"] == _activity(70, 3000)["user_id"].nunique()).all()
    assert (table["detectable"] < table["detectable_plain"]).all()
    assert plan.weeks == table.loc[table["detectable"] <= 0.12, "weeks"].iloc[0]


def test_looking_daily_costs_what_the_always_valid_interval_is_wider():
    table = plan_duration(_activity(70, 3000), relative_effect=0.12, max_weeks=2).table
    # Where it is narrowest, the interval at 95 % is 3.04 standard errors; the power of 80 % adds .84 to both.
    price = (3.04 + 0.84) / (1.96 + 0.84)
    assert (table["detectable_daily"] / table["detectable"]).tolist() == pytest.approx([price, price], rel=0.01)


@pytest.mark.parametrize("metric", METRICS)
def test_the_design_promises_what_the_read_out_finds(metric):
    _, tables = mailed_shop(0, num_users=4_000)
    ratios = design_ratios(tables, metric, splits=5)
    assert np.abs(ratios - 1).max() < 0.1


def test_hopeless_effect_is_said_to_be_hopeless():
    plan = plan_duration(_activity(70, 300), relative_effect=0.001)
    assert plan.weeks == -1


def test_errors_name_the_cause():
    with pytest.raises(ConfigError, match="no rate"):
        plan_sample_size(baseline=3.0, relative_effect=0.1)
    with pytest.raises(ConfigError, match="power"):
        plan_sample_size(baseline=0.1, relative_effect=0.1, power=80)
    with pytest.raises(SchemaError, match="pre-period"):
        plan_duration(_activity(10, 100), relative_effect=0.1)
    with pytest.raises(ConfigError, match="no rate"):
        plan_sample_size(baseline=0.6, relative_effect=0.9)
    activity = _activity(70, 100)
    with pytest.raises(SchemaError, match="of guests"):
        plan_duration(activity.head(0), relative_effect=0.1)
    for setting, value in (("traffic_share", 0.0), ("traffic_share", 3.0), ("max_weeks", 0), ("pre_weeks", -1)):
        with pytest.raises(ConfigError, match=setting):
            plan_duration(activity, relative_effect=0.1, **{setting: value})
    with pytest.raises(ConfigError, match="relative_effect"):
        plan_duration(activity, relative_effect=-0.1)
