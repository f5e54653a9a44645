"""A version that is worse than what is served, or than the baseline, gets no label."""

import dataclasses
import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tests.release.small_models import change_weight
from tfrec.cli import main
from tfrec.evaluation.metrics import Ranking
from tfrec.ingest.prepare import prepare_shop
from tfrec.release import gate
from tfrec.release.comparison import COMPARISON, compare_answers
from tfrec.release.gate import VERDICTS, GateConfig, _calibrated
from tfrec.serving.models_config import CONFIG, FALLBACK, read_serving_config
from tfrec.tracking.labels import label_versions

NUM_ORDERS = 276
_THIN = """
name = "thin"
[events]
files = ["orders.csv"]
type = "purchase"
[events.columns]
order_id = "order"
user_id = "user"
item_id = "item"
timestamp = "time"
[split]
test_days = 20
validation_days = 10
"""


class _Asked:
    """As much of `Cases` as a comparison reads: each query is an order of its own."""

    def __init__(self, size):
        self.groups = np.arange(size)


def ranking(is_hit, probability=0.0):
    ranks = np.where(is_hit, 1.0, np.inf)[:, None]
    return Ranking(ranks, np.zeros((len(is_hit), 10), np.int32), np.full((len(is_hit), 10), probability))


def compared(first, second):
    return compare_answers("complete_cart", [ranking(first)], [ranking(second)], [_Asked(len(first))])


def test_a_loss_beyond_the_margin_counts():
    many = np.arange(400) % 10
    one = compared(many < 1, many < 3)
    assert (one.first, one.second) == (pytest.approx(0.1), pytest.approx(0.3))
    assert one.is_worse(margin=0.1)
    assert not one.is_worse(margin=0.25)
    assert not compared(many < 3, many < 1).is_worse()


def test_a_loss_that_chance_explains_does_not_count():
    rng = np.random.default_rng(0)
    assert not compared(rng.random(60) < 0.3, rng.random(60) < 0.35).is_worse(margin=0.02)


def test_few_queries_decide_nothing():
    assert not compared(np.zeros(10, bool), np.ones(10, bool)).is_worse()


@pytest.mark.parametrize(("probability", "passed"), [(0.03, True), (0.3, False), (0.003, False)])
def test_chances_must_announce_about_as_many_hits_as_come(probability, passed):
    """Three of ten carts hit; ten items of 3 % each announce as many."""
    assert _calibrated([ranking(np.arange(400) % 10 < 3, probability)], GateConfig()).passed is passed


def test_too_few_hits_judge_no_chances():
    assert _calibrated([ranking(np.zeros(50, bool), 0.5)], GateConfig()).passed is None


def test_a_verdict_holds_for_the_files_and_bounds_that_were_judged(models):
    shop = SimpleNamespace(manifest=SimpleNamespace(fingerprint="f"))

    def basis(**changed):
        return gate._basis(**{**asked, **changed})

    asked = {"models": models, "versions": [1], "shop": shop, "method": "ease", "config": GateConfig()}
    first = basis()
    assert basis() == first
    assert len({first, basis(config=GateConfig(margin=0.01)), basis(method="popularity")}) == 3
    change_weight(models / "shop" / "1")
    assert basis() != first


def thin_shop(folder):
    """276 orders: pairs that belong together, each bought a few times, and now and then one of many single items."""
    rng = np.random.default_rng(5)
    rows = []
    for order in range(NUM_ORDERS):
        pair = rng.integers(40)
        items = [f"a{pair}", f"b{pair}", *(f"single{rng.integers(60)}" for _ in range(rng.integers(2)))]
        moment = pd.Timestamp("2025-01-01") + pd.Timedelta(hours=8 * order)
        rows += [{"order": order, "user": f"u{order % 90}", "item": item, "time": moment} for item in items]
    folder.mkdir()
    pd.DataFrame(rows).to_csv(folder / "orders.csv", index=False)
    (folder / "thin.toml").write_text(_THIN)
    return prepare_shop(str(folder / "thin.toml"), folder / "prepared", data_home=folder).path


@pytest.mark.slow
def test_in_a_thin_shop_training_warns_and_the_gate_keeps_the_fallback(tmp_path, caplog, capsys):
    """The ranking model learns far too fast from few orders; what belongs to a cart the baseline knows at once."""
    from tfrec.models import RetrievalConfig
    from tfrec.training import TrainingConfig
    from tfrec.workflow import train_shop

    config = TrainingConfig(
        retrieval=RetrievalConfig(embedding_dim=8),
        retrieval_epochs=1,
        ranking_epochs=1,
        num_blocks=2,
        ranking_queries=40,
        ranking_rate=1.0,
    )
    prepared, models = thin_shop(tmp_path / "shop"), tmp_path / "models"
    train_shop(prepared, models, config, show_progress=False)
    assert "the fall-back answers better" in caplog.text
    assert "tfrec gate" in caplog.text
    kept = json.loads((models / "shop" / "1" / COMPARISON).read_text())
    carts = next(one for one in kept["signatures"] if one["signature"] == "complete_cart")
    assert carts["is_worse"]
    assert carts["second"] > 2 * carts["first"]

    assert main(["gate", str(models), "--label", "stable"]) == 1
    shown = capsys.readouterr()
    assert "Version 1 is refused" in shown.out
    assert "fall-back stays in service" in shown.err
    assert list(read_serving_config(models / CONFIG)) == [FALLBACK]
    assert (models / FALLBACK / "1" / "saved_model.pb").is_file()
    assert not json.loads((models / VERDICTS / "1.json").read_text())["passed"]


@pytest.mark.slow
def test_a_version_made_worse_on_purpose_gets_no_label(tiny_trained, tmp_path, capsys):
    """Its ranking model prefers what it should not: the version in service stays."""
    from tfrec.models_folder import read_models_manifest
    from tfrec.release.certify import Certifier
    from tfrec.training import load_trained
    from tfrec.training.export import build_served_funnel, export_servables

    models = tmp_path / "models"
    shutil.copytree(tiny_trained.models, models)
    label_versions(models, {"stable": 1})
    before = (models / CONFIG).read_text()
    shop = tiny_trained.shop
    trained, config = load_trained(shop, models / "trained")
    for weight in trained.ranking.trainable_variables:
        weight.assign(-weight)
    served = build_served_funnel(shop, trained, config)
    about = dataclasses.asdict(read_models_manifest(models))
    assert export_servables(served, models, about=about, finish=Certifier(shop, served.answer)) == 2

    assert main(["gate", str(models), "--label", "stable", "--max-queries", "300"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"FAILED +\w+ against version 1 ", out), out
    assert "Version 2 is refused: " in out
    assert main(["gate", str(models), "--label", "stable", "--max-queries", "300"]) == 1
    again = capsys.readouterr()
    assert (again.out, "Nothing changed since the last verdict" in again.err) == (out, True)
    assert (models / CONFIG).read_text() == before
    assert label_versions(models, {"stable": 1}) == {"stable": 1}
    assert "versions: 2" not in (models / CONFIG).read_text()
