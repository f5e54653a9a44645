import json

import numpy as np
import pandas as pd
import pytest

from tfrec.errors import ConfigError, SchemaError
from tfrec.experiments.read_out import Guardrail, HeavyTailMetric, MeanMetric, RatioMetric, holm, read_out
from tfrec.schema.json_values import to_json


def _users(effect: float = 0.0, n: int = 8000, seed: int = 0, women_only: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    arm = rng.permutation(np.repeat(["control", "treatment"], n // 2))
    segment = rng.choice(["men", "women"], n)
    lift = np.where((arm == "treatment") & ((segment == "women") | (not women_only)), effect, 0.0)
    past = rng.normal(size=n)
    return pd.DataFrame(
        {
            "arm": arm,
            "segment": segment,
            "past": past,
            "visits": (rng.random(n) < 0.3 + lift).astype(float),
            "spend": np.where(rng.random(n) < 0.1, rng.lognormal(3, 1, n), 0.0),
            "clicks": rng.binomial(10, 0.2, n),
            "views": np.full(n, 10),
            "speed": 2.0 + past + 0.1 * rng.normal(size=n),
        }
    )


def test_true_improvement_with_safe_guardrails_ships():
    result = read_out(
        _users(0.08), arm="arm", control="control",
        primary=[MeanMetric("visits")],
        secondary=[HeavyTailMetric("spend", resamples=300), RatioMetric("click rate", "clicks", "views")],
        guardrails=[Guardrail(MeanMetric("speed", covariate="past"), margin=0.01)],
    )  # fmt: skip
    assert result.verdict == "ship"
    assert result.of("guardrail")[0].verdict == "safe"
    assert [f.verdict for f in result.of("secondary")] == ["undecided", "undecided"]
    json.dumps(to_json(result), allow_nan=False)
    assert len(result.to_table()) == 4


def test_broken_guardrail_stops_a_winner():
    users = _users(0.08)
    users["speed"] -= 0.5 * (users["arm"] == "treatment")
    result = read_out(
        users, arm="arm", control="control", primary=[MeanMetric("visits")], guardrails=[Guardrail(MeanMetric("speed"))]
    )
    assert result.verdict == "do not ship"
    assert result.of("guardrail")[0].verdict == "broken"


def test_guardrail_too_noisy_to_clear_does_not_count_as_safe():
    result = read_out(
        _users(0.08, n=2000), arm="arm", control="control",
        primary=[MeanMetric("visits")], guardrails=[Guardrail(MeanMetric("spend"), margin=0.01)],
    )  # fmt: skip
    assert result.of("guardrail")[0].verdict == "not shown safe"
    assert result.verdict == "undecided"


def test_metric_where_less_is_better_is_read_the_right_way_round():
    users = _users(0.0)
    users["returns"] = np.where(users["arm"] == "treatment", 0.0, 1.0) + users["past"]
    result = read_out(users, arm="arm", control="control", primary=[MeanMetric("returns", is_good_up=False)])
    assert result.verdict == "ship"


def test_many_null_metrics_seldom_give_a_winner():
    calls = []
    for seed in range(40):
        users = _users(0.0, n=1000, seed=seed)
        rng = np.random.default_rng(seed)
        for i in range(20):
            users[f"m{i}"] = rng.normal(size=len(users))
        metrics = [MeanMetric(f"m{i}") for i in range(20)]
        calls.append(read_out(users, arm="arm", control="control", primary=metrics).verdict)
    assert calls.count("undecided") >= 35  # 20 unadjusted metrics would leave 36 % of 40


def test_effect_in_one_segment_is_seen_as_heterogeneous():
    result = read_out(
        _users(0.15, women_only=True),
        arm="arm",
        control="control",
        primary=[MeanMetric("visits")],
        segments=["segment"],
    )
    verdicts = {f.segment: f.verdict for f in result.of("segment")}
    assert verdicts == {"segment = men": "undecided", "segment = women": "better"}
    assert result.heterogeneity[0].adjusted_p_value < 0.01


def test_lost_users_make_the_experiment_invalid():
    users = _users(0.1)
    lost = users[(users["arm"] == "control") & (users["visits"] == 0)].index[:600]
    result = read_out(users.drop(lost), arm="arm", control="control", primary=[MeanMetric("visits")])
    assert result.verdict == "invalid"
    assert result.sample_ratio.is_alarm


def test_best_of_several_arms_can_ship():
    users = _users(0.1)
    users.loc[users["arm"] == "treatment", "arm"] = np.where(
        np.arange((users["arm"] == "treatment").sum()) % 2, "b", "c"
    )
    result = read_out(
        users, arm="arm", control="control", primary=[MeanMetric("visits")],
        shares={"control": 0.5, "b": 0.25, "c": 0.25},
    )  # fmt: skip
    assert result.verdict == "ship"
    assert {f.arm for f in result.findings} == {"b", "c"}


def test_errors_name_the_cause():
    with pytest.raises(SchemaError, match="Did you mean 'visits'"):
        read_out(_users(), arm="arm", control="control", primary=[MeanMetric("visit")])
    with pytest.raises(SchemaError, match="it holds control, treatment"):
        read_out(_users(), arm="arm", control="none", primary=[MeanMetric("visits")])
    with pytest.raises(ConfigError, match="primary"):
        read_out(_users(), arm="arm", control="control", primary=[])


def test_holm_multiplies_the_smallest_p_value_most():
    assert holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])
