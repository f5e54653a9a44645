"""Sentences on values that are set by hand: each verdict is said as what it is."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tfrec.analysis.audiences import Audience, compare_audiences
from tfrec.analysis.lookalikes import Lookalikes
from tfrec.experiments.assignment import check_sample_ratio
from tfrec.experiments.checkpoints import judge_checkpoints
from tfrec.experiments.design import Duration, plan_sample_size
from tfrec.experiments.read_out import MeanMetric, read_out
from tfrec.experiments.sequential import read_sequentially
from tfrec.report.terminal.customers import audience_text, lookalikes_text, overlaps_text, segment_name
from tfrec.report.terminal.experiments import (
    checkpoints_text,
    duration_text,
    read_out_text,
    sample_ratio_text,
    sequential_text,
    size_text,
)
from tfrec.report.words import language

ENGLISH = language("en")


def test_sizes_of_arms_are_an_alarm_or_none():
    fair = check_sample_ratio({"a": 500, "b": 510}, shares={"a": 0.5, "b": 0.5})
    assert sample_ratio_text(fair, ENGLISH).startswith("No sample ratio mismatch: a 500 (expected 505)")
    lost = check_sample_ratio({"a": 500, "b": 1500}, shares={"a": 0.5, "b": 0.5})
    assert sample_ratio_text(lost, ENGLISH).startswith("Sample-ratio alarm: a 500 (expected 1,000)")


def test_a_size_states_what_cuped_saves_and_what_several_treatments_need():
    size = plan_sample_size(baseline=10.0, variance=100.0, relative_effect=0.05, correlation=0.6)
    text = size_text(size, ENGLISH, treatments=2)
    assert "CUPED saves 36% of the users." in text
    assert f"each needs {size.n_treatment:,} users beside the one control" in text


@pytest.mark.parametrize(
    ("weeks", "sentence"),
    [
        pytest.param(2, "Run 2 whole weeks: about 900 users, enough to find 4.0%", id="found"),
        pytest.param(-1, "A change of 5.0% is too small for this shop: after 2 weeks", id="not found"),
    ],
)
def test_a_duration_is_found_or_too_long(weeks, sentence):
    table = pd.DataFrame({"weeks": [1, 2], "users": [500, 900], "detectable": [0.08, 0.04]})
    duration = Duration(weeks, 0.05, table.assign(detectable_plain=0.1, detectable_daily=0.06))
    assert duration_text(duration, ENGLISH).startswith(sentence)


def test_daily_looks_say_since_when_or_that_nothing_is_decided():
    n = np.array([1_000.0, 2_000.0, 40_000.0])
    same, other = np.full(3, 1.0), np.full(3, 1.2)
    decided = read_sequentially(n, same, same, n, other, same)
    assert f"better since checkpoint {decided.decided_at + 1} of 3" in sequential_text(decided, ENGLISH)
    open_ = read_sequentially(n, same, same, n, same, same)
    assert sequential_text(open_, ENGLISH).startswith("Undecided after 3 checkpoints")


def test_a_read_out_gives_each_arm_s_verdict_and_where_effects_differ():
    rng = np.random.default_rng(0)
    users = pd.DataFrame({"arm": np.repeat(["control", "new"], 2_000), "kind": rng.choice(["a", "b"], 4_000)})
    helped = (users["arm"] == "new") & (users["kind"] == "a")
    users["visits"] = rng.normal(size=4_000) + 0.5 * helped
    result = read_out(users, arm="arm", control="control", primary=[MeanMetric("visits")], segments=["kind"])
    text = read_out_text(
        result, ENGLISH, paths={}, unread={("new", "visits"): "Too short."}, capped=["value"], cap="99%"
    )
    assert text.startswith("new: ship it.")
    assert "The effect of new differs by kind" in text
    assert "Capped at the 99% quantile of amounts other than zero: value." in text
    assert text.endswith("No daily read-out of new, visits. Too short.")


def test_checkpoints_count_verdicts_and_alarms():
    rows = pd.DataFrame(
        {"experiment_id": name, "count_c": n, "mean_c": 0.1, "variance_c": 0.09, "count_t": n * share, "mean_t": 0.2,
         "variance_t": 0.1, "time_since_start": n}
        for name, share in (("even", 1), ("lost", 2)) for n in (5_000, 10_000)
    )  # fmt: skip
    text = checkpoints_text(judge_checkpoints(rows), ENGLISH)
    assert "2 experiments, 2 comparisons; 1 sample-ratio alarms" in text
    assert "At the end alone: 1 better, 1 invalid." in text
    assert "ALARM" in text


def audience(name, users, *, min_users=2):
    clauses = pd.DataFrame({"clause": [name], "alone": [len(users)], "remaining": [len(users)]})
    return Audience(name, np.array(users), 10, clauses, 0.5, min_users)


def test_small_numbers_of_an_audience_are_not_said():
    assert audience_text(audience("a", ["u1"]), ENGLISH).startswith("Fewer than 2 of 10 users")
    whole = audience("a", ["u1", "u2"])
    mixed = dataclasses.replace(whole, clauses=pd.DataFrame({"clause": ["b"], "alone": [1], "remaining": [2]}))
    assert audience_text(mixed, ENGLISH).splitlines() == [
        "2 of 10 users (20.0%) with 50.0% of the value",
        "b: true of fewer than 2; leaves 2",
    ]


def test_overlaps_under_the_floor_are_a_dash():
    audiences = {
        "many": audience("many", ["u1", "u2", "u3", "u4"]),
        "half": audience("half", ["u1", "u2"]),
        "one": audience("one", ["u4"]),
    }
    lines = overlaps_text(audiences, compare_audiences(audiences), ENGLISH).splitlines()
    assert [" ".join(line.split()) for line in lines if line.startswith(("many", "half", "one"))] == [
        "many 4 40.0%", "half 2 20.0%", "one – –",
        "many half 2 50.0% 100.0% 0.50", "many one – – – –", "half one – – – –",
    ]  # fmt: skip


@pytest.mark.parametrize(("low", "is_chance"), [(0.45, True), (0.6, False)], ids=["chance", "informative"])
def test_lookalikes_by_chance_are_called_that(low, is_chance):
    found = Lookalikes(np.array(["u1"]), np.array([0.9]), 50, 0.7, low, 0.9)
    assert ("no better than chance" in lookalikes_text(found, ENGLISH)) == is_chance


@pytest.mark.parametrize(
    ("code", "names"),
    [
        pytest.param("en", ["Champions", "Recent, big-order buyers", "Recent, big-order buyers 2"], id="English"),
        pytest.param("zh", ["冠军顾客", "近期、大单买家", "近期、大单买家 2"], id="Chinese"),
    ],
)
def test_segments_are_named_by_code_or_by_their_traits(code, names):
    traits = ["recent", "big-order"]
    rows = pd.DataFrame({"segment": ["Champions", "x", "y"], "traits": [[], traits, traits], "number": [1, 1, 2]})
    assert [segment_name(row, language(code)) for row in rows.itertuples()] == names
