"""An A/B test from design to verdict: `python examples/ab_test.py PREPARED`.

PREPARED is any shop. Nothing was shown to its users, so the first read-out is an A/A test and must find nothing; in the
second a fifth of the users without an order in the treatment arm is made to order, an effect that must be found.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec.experiments.assignment import assign
from tfrec.experiments.design import plan_sample_size
from tfrec.experiments.metrics import choose_metrics
from tfrec.experiments.read_out import Guardrail, ReadOut, read_out
from tfrec.experiments.shop_metrics import user_metrics
from tfrec.ingest.prepared import read_prepared
from tfrec.report import whole_log
from tfrec.report.terminal.experiments import size_text
from tfrec.report.words import language

WEEKS = 4


def judge(users: pd.DataFrame) -> ReadOut:
    """Reads the arms out: conversion decides, the number of orders must not fall by more than a tenth."""
    metrics = choose_metrics(users, ["conversion", "orders"])
    return read_out(
        users, arm="arm", control="control",
        primary=[metrics["conversion"]], guardrails=[Guardrail(metrics["orders"], 0.1)],
    )  # fmt: skip


def main(folder: Path) -> None:
    """Plans a test, gives users their arms, and reads it out without and with an effect."""
    tables = whole_log(read_prepared(folder))
    end = tables.events["timestamp"].max()
    start = end - pd.Timedelta(weeks=WEEKS)

    # 1. Arms, before it starts: a hash of the test's name and the user, so that the same user always gets the same arm.
    ids = tables.users["user_id"]
    assigned = pd.DataFrame({"user_id": ids, "arm": assign(ids.to_numpy(), salt="new-page")})

    # 2. Metrics of everybody who was assigned, whether they came or not; the weeks before are covariates.
    users = user_metrics(assigned, tables, start=start, end=end, pre_days=28)
    rate = float(users["conversion"].mean())
    design = plan_sample_size(baseline=rate, relative_effect=0.1)
    print(f"{len(users):,} users, {rate:.1%} order in {WEEKS} weeks. {size_text(design, language('en'))}")

    # 3. Nothing was shown: the read-out must say so.
    print("A/A:", judge(users).verdicts)

    # 4. The same with an effect that we know.
    helped = users.copy()
    draw = np.random.default_rng(3).random(len(helped))
    moved = (helped["arm"] == "treatment") & (helped["conversion"] == 0) & (draw < 0.2)
    helped.loc[moved, ["conversion", "orders"]] = 1.0
    found = judge(helped)
    print("A/B:", found.verdicts)
    print(found.to_table()[["role", "metric", "difference", "low", "high", "verdict"]].to_string(index=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
