import json

import numpy as np
import pandas as pd
import pytest

from tfrec.errors import ConfigError, SchemaError
from tfrec.experiments.read_out import Guardrail, HeavyTailMetric, MeanMetric, RatioMetric, holm, read_out
from tfrec.report.terminal.experiments import read_out_text
from tfrec.report.words import language
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


@pytest.mark.parametrize("bought", ["control", "treatment"])
def test_all_users_against_none_is_clear(bought):
    users = pd.DataFrame({"arm": np.repeat(["control", "treatment"], 200)})
    users["conversion"] = (users["arm"] == bought).astype(float)
    result = read_out(users, arm="arm", control="control", primary=[MeanMetric("conversion")])
    finding = result.findings[0]
    assert finding.p_value < 1e-12
    assert result.verdict == ("ship" if bought == "treatment" else "do not ship")
    # Newcombe's interval: 1 less the root of both Wilson intervals' squared lengths, 3.8415/(200 + 3.8415) each.
    assert sorted(map(abs, (finding.comparison.difference.low, finding.comparison.difference.high))) == pytest.approx(
        [1 - np.sqrt(2) * 0.018846, 1.0], abs=1e-5
    )


def test_constants_that_differ_are_clear_and_equal_ones_are_not():
    users = pd.DataFrame({"arm": np.repeat(["control", "treatment"], 50), "same": 2.0})
    users["other"] = np.where(users["arm"] == "treatment", 5.0, 3.0)
    result = read_out(users, arm="arm", control="control", primary=[MeanMetric("other"), MeanMetric("same")])
    assert [finding.verdict for finding in result.findings] == ["better", "undecided"]


def test_a_few_users_get_a_word_on_size_and_no_verdict():
    users = pd.DataFrame({"arm": ["control"] * 2 + ["treatment"] * 2, "conversion": [0.0, 0.0, 1.0, 1.0]})
    result = read_out(
        users, arm="arm", control="control",
        primary=[MeanMetric("conversion")], guardrails=[Guardrail(MeanMetric("conversion"))],
    )  # fmt: skip
    assert result.verdict == "too small"
    assert {finding.verdict for finding in result.findings} == {"undecided", "not shown safe"}
    with pytest.raises(SchemaError, match="'treatment' has one user"):
        read_out(users.head(3), arm="arm", control="control", primary=[MeanMetric("conversion")])


def test_a_small_arm_does_not_silence_a_large_one():
    users = _users(0.1)
    users.loc[users.index[users["arm"] == "treatment"][:20], "arm"] = "small"
    result = read_out(
        users, arm="arm", control="control", primary=[MeanMetric("visits")],
        shares={"control": 0.5, "small": 0.0025, "treatment": 0.4975},
    )  # fmt: skip
    assert result.verdicts == {"small": "too small", "treatment": "ship"}
    assert result.verdict == "ship"


def test_errors_name_the_cause():
    with pytest.raises(SchemaError, match="Did you mean 'visits'"):
        read_out(_users(), arm="arm", control="control", primary=[MeanMetric("visit")])
    with pytest.raises(SchemaError, match="it holds control, treatment"):
        read_out(_users(), arm="arm", control="none", primary=[MeanMetric("visits")])
    with pytest.raises(ConfigError, match="primary"):
        read_out(_users(), arm="arm", control="control", primary=[])


def test_holm_multiplies_the_smallest_p_value_most():
    assert holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])


def test_a_segment_of_few_users_is_not_compared_and_is_named():
    rng = np.random.default_rng(0)
    users = pd.DataFrame({"arm": np.tile(["control", "new"], 500), "kind": np.repeat(["many", "few"], [960, 40])})
    users["visits"] = rng.normal(size=1_000)
    found = read_out(users, arm="arm", control="control", primary=[MeanMetric("visits")], segments=["kind"])
    assert [finding.segment for finding in found.of("segment")] == ["kind = many"]
    assert found.small_segments == (("new", "kind = few"),)
    text = read_out_text(found, language("en"), paths={}, unread={}, capped=[], cap="99%")
    assert "each arm needs 30 users of a segment: new, kind = few" in text


def test_a_level_is_the_arm_s_own_and_no_amount_below_zero():
    rng = np.random.default_rng(1)
    users = pd.DataFrame({"arm": np.tile(["control", "new"], 2_000), "spend_before": rng.gamma(0.05, 200.0, 4_000)})
    is_new = users["arm"] == "new"
    users["spend"] = np.where(is_new, users["spend_before"] * rng.uniform(0.5, 1.5, 4_000), 0.0)
    users.loc[~is_new, "spend_before"] += 5.0
    metric = HeavyTailMetric("spend", "spend_before", resamples=200)
    comparison = metric.compare(users[~is_new], users[is_new], level=0.95)
    assert comparison.control.value == 0.0
    assert comparison.treatment.value == pytest.approx(users.loc[is_new, "spend"].mean())
