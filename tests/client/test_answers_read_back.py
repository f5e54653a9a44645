"""From what a client showed to a verdict: log, clicks, prepared shop, policies and arms, with known answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.client.test_client import free_port
from tests.ingest.small_shop import ROWS, write_small_shop
from tfrec.cli import main
from tfrec.client import AnswerLog, Experiment, Exploration, RecommenderClient
from tfrec.client.best_sellers import BestSeller, BestSellers
from tfrec.experiments.assignment import assign
from tfrec.experiments.logged_slates import read_slates
from tfrec.experiments.off_policy import evaluate_policy
from tfrec.experiments.shown_slates import shown_slates
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared

NUM = 900
RECIPE = """
[impressions]
files = "{files}"

[impressions.columns]
user_id = "user_id"
item_id = "item_id"
timestamp = "timestamp"
slate_id = "slate_id"
position = "position"
propensity = "propensity"
clicked = "click.clicked"
{more}

[[impressions.join]]
files = "clicks.jsonl"
on = {{slate_id = "slate_id", item_id = "item_id"}}
prefix = "click."
"""
MORE = "\n".join(f'{name} = "{name}"' for name in ("signature", "placement", "version", "arm"))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `answers/` of a client and `clicks.jsonl`: A is clicked whenever it comes first, B never.

    A leads with a chance of 2/3: rank 1 of two at temperature 1. There is no server: best sellers are offered.
    """
    folder = tmp_path_factory.mktemp("shown")
    items = (BestSeller("A", "", 2.0, 3), BestSeller("B", "", 3.0, 1))
    (folder / "best_sellers.json").write_text(BestSellers(1, items).to_json())
    with (
        AnswerLog(folder / "answers", placement="home") as log,
        RecommenderClient(
            f"127.0.0.1:{free_port()}",
            best_sellers=folder / "best_sellers.json",
            retries=0,
            experiment=Experiment("new-page"),
            explore=Exploration(1.0),
            log=log,
        ) as client,
    ):
        users = [f"u{number % 300}" for number in range(NUM)]
        slates = client.recommend(user_id=users, k=2).queries()
    clicks = [
        {"slate_id": slate.recommendation_id, "item_id": "A", "clicked": True}
        for slate in slates
        if slate.item_ids[0] == "A"
    ]
    (folder / "clicks.jsonl").write_text("".join(f"{json.dumps(click)}\n" for click in clicks))
    return folder


def check_policies(prepared: Prepared) -> None:
    """A ranking with A first is worth 1 click, with B first none, though A came first in two of three slates."""
    slates = read_slates(shown_slates(prepared))
    assert (len(slates), slates.skipped) == (NUM, 0)
    assert slates.item_ids.tolist() == ["A", "B"]
    log = slates.first_place()
    assert log.rewards.mean() == pytest.approx(2 / 3, abs=0.07)
    for target, value in [((1.0, 0.0), 1.0), ((0.0, 1.0), 0.0), ((0.5, 0.5), 0.5)]:
        ips, snips = evaluate_policy(log, np.tile(target, (NUM, 1)))
        assert ips.value.value == pytest.approx(value, abs=0.1)
        assert snips.value.value == pytest.approx(value, abs=0.1)


def test_the_log_is_prepared_and_policies_are_judged(shown: Path):
    prepared = prepare_shop(
        write_small_shop(shown, rows=ROWS, extra=RECIPE.format(files="answers/*.jsonl", more=MORE)), shown / "prepared"
    )
    check_policies(prepared)
    table = prepared.impressions
    assert set(table["signature"]) == {"recommend"}
    assert set(table["placement"]) == {"home"}
    assert set(table["version"]) == {"best_sellers/1"}
    users = table.drop_duplicates("user_id")
    assert users["arm"].tolist() == assign(users["user_id"].tolist(), salt="new-page").tolist()


@pytest.mark.slow
def test_the_log_is_collected_once_and_policies_are_judged(shown: Path, tmp_path: Path):
    for _ in range(2):
        assert main(["collect", str(shown / "answers"), "--to", str(tmp_path / "collected")]) == 0
    (tmp_path / "clicks.jsonl").write_bytes((shown / "clicks.jsonl").read_bytes())
    extra = RECIPE.format(files="collected/impressions/*.parquet", more="")
    check_policies(prepare_shop(write_small_shop(tmp_path, rows=ROWS, extra=extra), tmp_path / "prepared"))


def test_arms_of_the_log_are_read_as_an_experiment(shown: Path, tmp_path: Path, capsys: Any):
    """Users of the treatment got one more click in every second slate: an effect of 0.5 that the read-out finds."""
    lines = [json.loads(line) for path in (shown / "answers").iterdir() for line in path.read_text().splitlines()]
    users = pd.DataFrame(lines).drop_duplicates("user_id")[["user_id", "arm"]].reset_index(drop=True)
    users["clicks"] = (users["arm"] == "treatment") * 0.5 + np.resize([0.0, 1.0], len(users))
    users.to_csv(tmp_path / "users.csv", index=False)
    assert main(["experiment", "read", str(tmp_path / "users.csv"), "--primary", "clicks", "--json"]) == 0
    text = capsys.readouterr().out
    assert json.loads(text)["sample_ratio"]["is_alarm"] is False
    assert "treatment" in text
