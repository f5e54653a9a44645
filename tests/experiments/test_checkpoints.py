"""Checkpoints of many experiments → verdicts."""

import json

import numpy as np
import pandas as pd
import pytest

from tfrec.errors import SchemaError
from tfrec.experiments.checkpoints import is_checkpoint_log, judge_checkpoints
from tfrec.schema.json_values import to_json


def checkpoints(experiment: str, *, effect: float, looks: int = 8, ratio: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """A rate of 10 % in control, `effect` more in treatment, 4,000 more users an arm at each look."""
    rng = np.random.default_rng(seed)
    rows = []
    c, t, nc, nt = 0, 0, 0, 0
    for look in range(looks):
        more = int(4_000 * ratio)
        c, t = c + rng.binomial(4_000, 0.1), t + rng.binomial(more, 0.1 + effect)
        nc, nt = nc + 4_000, nt + more
        rows.append(
            {
                "experiment_id": experiment, "variant_id": 1, "metric_id": 1, "time_since_start": look + 1.0,
                "count_c": nc, "count_t": nt, "mean_c": c / nc, "mean_t": t / nt,
                "variance_c": c / nc * (1 - c / nc), "variance_t": t / nt * (1 - t / nt),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def test_each_experiment_gets_its_verdict():
    log = pd.concat(
        [
            checkpoints("better", effect=0.02),
            checkpoints("worse", effect=-0.02),
            checkpoints("same", effect=0.0),
            checkpoints("lost users", effect=0.02, ratio=0.9),
        ]
    )
    assert is_checkpoint_log(log)
    found = judge_checkpoints(log)
    table = found.experiments.set_index("experiment_id")
    assert table["fixed"].to_dict() == {
        "better": "better", "worse": "worse", "same": "undecided", "lost users": "invalid"
    }  # fmt: skip
    assert table["sequential"].to_dict() == table["fixed"].to_dict()
    assert table.loc["better", "low"] > 0
    assert np.isnan(table.loc["same", "decided_at"])
    assert json.dumps(to_json(found), allow_nan=False)
    assert found.experiments["is_alarm"].sum() == 1


def test_less_can_be_better():
    found = judge_checkpoints(checkpoints("returns", effect=-0.02), down=("1",))
    assert found.experiments["fixed"].tolist() == ["better"]


def test_looking_often_does_not_call_differences_that_are_none():
    log = pd.concat([checkpoints(f"e{seed}", effect=0.0, looks=30, seed=seed) for seed in range(60)])
    found = judge_checkpoints(log).experiments
    assert found["fixed_ever"].mean() > 0.1  # peeking would
    assert (found["sequential"] != "undecided").mean() <= 0.05


def test_an_effect_that_fades_is_said_to_fade():
    start, rest = checkpoints("novel", effect=0.03), checkpoints("novel", effect=-0.0155, looks=16, seed=1)
    for side in "ct":
        count, mean = start[f"count_{side}"].iloc[-1], start[f"mean_{side}"].iloc[-1]
        total = rest[f"count_{side}"] * rest[f"mean_{side}"] + count * mean
        rest[f"count_{side}"] += count
        rest[f"mean_{side}"] = total / rest[f"count_{side}"]
    rest["time_since_start"] += 8
    found = judge_checkpoints(pd.concat([start, rest]))
    assert found.experiments["sequential"].tolist() == ["better"]
    assert found.experiments["has_faded"].tolist() == [True]


def test_unreadable_checkpoints_are_set_aside_and_counted():
    log = checkpoints("e", effect=0.0)
    log.loc[2, "variance_t"] = np.nan
    log.loc[5, "count_c"] = 10
    assert judge_checkpoints(log).skipped == 2
    with pytest.raises(SchemaError, match="missing: mean_c"):
        judge_checkpoints(log.drop(columns="mean_c"))
    with pytest.raises(SchemaError, match="No metric is called"):
        judge_checkpoints(log, metrics=("7",))


def test_real_experiments_are_all_read(data_set):
    path = data_set("asos_experiments") / "asos_digital_experiments_dataset.csv.gz"
    found = judge_checkpoints(pd.read_csv(path))
    assert len(found.experiments) == 78
    assert len(found.comparisons) == 381
    assert found.experiments["fixed"].isin(["better", "worse", "mixed", "undecided", "invalid"]).all()
    alarms = found.experiments.loc[found.experiments["is_alarm"], "sequential"]
    assert (alarms == "invalid").all()
