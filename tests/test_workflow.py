"""Train, export, evaluate: what is reused, what an interruption leaves, what the report says."""

import contextlib
import dataclasses
import html
import io
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from tests.trained_versions import is_whole, versions
from tfrec.cli import main
from tfrec.cli.demo import fast_demo_note
from tfrec.client import RecommenderClient
from tfrec.errors import SourceError
from tfrec.evaluation.report import write_report
from tfrec.models_folder import read_models_manifest
from tfrec.release.certificate import read_certificate
from tfrec.serving.servable import Servable
from tfrec.serving.server import EmbeddedServer
from tfrec.strategy.config import StrategyConfig, UpsellConfig
from tfrec.training import load_trained
from tfrec.workflow import SERVED_NAME, evaluate_models, publish_servables, train_shop


def test_training_leaves_the_models_their_manifest_and_no_work_folder(tiny_trained, tiny_prepared):
    folders = sorted(entry.name for entry in tiny_trained.models.iterdir() if entry.is_dir())
    assert folders == ["ranking", "retrieval", "shop", "trained"]
    manifest = read_models_manifest(tiny_trained.models)
    assert Path(manifest.prepared) == tiny_prepared
    assert manifest.fingerprint == tiny_trained.shop.prepared.manifest.fingerprint
    assert manifest.config["retrieval"]["embedding_dim"] == 16
    about = json.loads((tiny_trained.models / "shop" / "1" / "assets.extra" / "tfrec.json").read_text())
    assert about["identity"] == manifest.identity


def test_a_second_training_of_the_same_shop_is_reused(models, tiny_trained, tiny_prepared):
    published = train_shop(tiny_prepared, models, tiny_trained.config)
    assert published.is_reused
    assert published.version == 1
    assert versions(models) == ["1"]


def test_fewer_stored_users_are_published_without_a_training(models, tiny_trained, tiny_prepared):
    config = dataclasses.replace(tiny_trained.config, users="recent=20")
    published = train_shop(tiny_prepared, models, config)
    assert (published.is_reused, published.has_new_settings, published.version) == (True, True, 2)
    folder = models / "shop" / "2"
    assert json.loads((folder / "assets.extra" / "tfrec.json").read_text())["users"] == 20
    assert read_certificate(folder).num_users == 20
    variables = [
        sum(file.stat().st_size for file in (models / "shop" / version / "variables").iterdir()) for version in "12"
    ]
    assert variables[1] < variables[0]
    _, stored = load_trained(tiny_trained.shop, models / "trained")
    assert stored.users == "recent=20"  # kept for a refresh, a warm start and the next export


def test_other_settings_of_the_strategies_are_published_without_a_training(models, tiny_trained, tiny_prepared):
    strategy = StrategyConfig(upsell=UpsellConfig(max_price_ratio=1.5))
    config = dataclasses.replace(tiny_trained.config, strategy=strategy)
    published = train_shop(tiny_prepared, models, config)
    assert (published.is_reused, published.has_new_settings, published.version) == (True, True, 2)
    assert read_models_manifest(models).config["strategy"]["upsell"]["max_price_ratio"] == 1.5
    again = train_shop(tiny_prepared, models, config)
    assert (again.has_new_settings, again.version) == (False, 2)
    _, stored = load_trained(tiny_trained.shop, models / "trained")
    assert stored.strategy == strategy  # kept for a refresh, a warm start and the next export
    assert (models / "trained" / "fallback_comparison.json").exists() == (
        tiny_trained.models / "trained" / "fallback_comparison.json"
    ).exists()


@pytest.mark.slow
def test_what_was_trained_but_not_published_is_published(models, tiny_trained, tiny_prepared):
    for servable in ("shop", "retrieval", "ranking"):
        shutil.rmtree(models / servable)
    assert train_shop(tiny_prepared, models, tiny_trained.config).is_reused
    assert versions(models) == ["2"]  # a number is never given twice, not even one whose folder is gone
    assert is_whole(models)


@pytest.mark.slow
def test_an_export_is_the_next_version_and_answers_alike(models, tmp_path):
    assert publish_servables(models) == 2
    assert publish_servables(models, out=tmp_path / "serving") == 1
    inputs = {"k": np.array([20], np.int32)}
    answers = []
    for version_dir in (models / "shop" / "1", models / "shop" / "2", tmp_path / "serving" / "shop" / "1"):
        with Servable.load(version_dir) as servable:
            answers.append(servable.call("recommend", inputs))
    for other in answers[1:]:
        assert other["item_ids"].tolist() == answers[0]["item_ids"].tolist()
        np.testing.assert_allclose(other["scores"], answers[0]["scores"], rtol=1e-5, atol=1e-5)


def test_an_export_needs_the_shop_that_was_trained_on(models, tiny_prepared, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_prepared, other)
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps({**manifest, "fingerprint": "another"}))
    with pytest.raises(SourceError, match="another state"):
        publish_servables(models, prepared=other)
    with pytest.raises(SourceError, match="--prepared"):
        publish_servables(models, prepared=tmp_path / "absent")
    with pytest.raises(SourceError, match="tfrec train"):
        publish_servables(tmp_path)


@pytest.fixture(scope="module")
def report(tiny_trained):
    return evaluate_models(tiny_trained.models, seeds=(0,), max_queries=200, show_progress=False)


def test_the_report_has_the_served_shop_beside_the_baselines_in_each_task(report):
    assert [section.task for section in report.sections] == ["complete_cart", "next_item", "after_clicks", "upsell"]
    for section in report.sections:
        methods = [row.method for row in section.rows]
        assert methods[-1] == SERVED_NAME
        assert len(methods) > 5 or section.task == "after_clicks"  # held against itself
    assert len(report.sections[0].rows) == 8 + 1


def test_the_served_shop_gives_probabilities_and_finds_what_users_buy_again(report):
    cells = next(row for row in report.sections[0].rows if row.method == SERVED_NAME).cells
    assert 0 <= cells["ECE@10"].value <= 1
    popularity = next(row for row in report.sections[0].rows if row.method == "popularity").cells
    assert cells["repeat HR@10"].value > popularity["repeat HR@10"].value


def test_events_sent_with_the_request_find_more_of_what_comes_next(report):
    section = next(section for section in report.sections if section.task == "after_clicks")
    not_sent, sent = (row.cells for row in section.rows)
    assert sent["after 0 HR@20"] == not_sent["after 0 HR@20"]  # nothing to send yet: the same request
    assert sent["new HR@20"].low > not_sent["new HR@20"].value


def test_a_demo_shops_report_states_how_much_truth_was_found(report):
    assert len(report.findings) == 2
    assert "true complement" in report.findings[0]
    assert "true upgrades" in report.findings[1]


def test_reports_are_written_for_humans_and_machines(report, tmp_path):
    page = write_report(report, tmp_path / "report")
    assert sorted(entry.name for entry in page.parent.iterdir()) == [
        ".tfrec.json",
        "report.html",
        "report.json",
        "report.txt",
    ]
    assert report.findings[0] in html.unescape(page.read_text())
    assert json.loads((page.parent / "report.json").read_text())["findings"] == list(report.findings)


def test_without_baselines_the_carts_table_has_the_model_alone(tiny_trained):
    alone = evaluate_models(tiny_trained.models, baselines={}, seeds=(0,), max_queries=50, show_progress=False)
    assert [row.method for row in alone.sections[0].rows] == [SERVED_NAME]


@pytest.fixture(scope="module")
def run_with_options(tiny_trained, tmp_path_factory):
    """What `tfrec evaluate` prints and writes with every option that adds to the plain report."""
    out = tmp_path_factory.mktemp("report")
    arguments = ["evaluate", str(tiny_trained.models), "--draws", "1", "--max-queries", "50", "--out", str(out)]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main([*arguments, "--all-baselines", "--baskets", "--category-level", "1"]) == 0
    return printed.getvalue(), sections_of((out / "report.json").read_text())


def sections_of(text):
    return {section["task"]: section for section in json.loads(text)["sections"]}


def test_all_baselines_stand_beside_the_eight(report, run_with_options):
    plain, (printed, more) = sections_of(report.to_json()), run_with_options

    def methods(sections):
        return {row["method"] for row in sections["complete_cart"]["rows"]}

    assert len(methods(plain)) == 8 + 1
    assert methods(plain) < methods(more)
    for method in methods(more) - methods(plain):
        assert method in printed
        assert method not in str(report)


def test_baskets_are_evaluated_on_request(report, run_with_options):
    plain, (printed, more) = sections_of(report.to_json()), run_with_options
    assert "next_basket" not in plain and "Next basket" not in str(report)
    assert "Next basket" in printed
    assert more["next_basket"]["rows"][-1]["method"] == SERVED_NAME


def test_deeper_categories_are_crossed_more_often(report, run_with_options):
    """Who leaves the top category leaves the leaf too, never the other way round."""
    plain, (_, more) = sections_of(report.to_json()), run_with_options
    top, leaf = (
        sections["complete_cart"]["rows"][0]["cells"]["cross-category HR@10"]["num_queries"]
        for sections in (plain, more)
    )
    assert 0 < top < leaf


@pytest.mark.slow
def test_pictures_and_the_lstm_are_left_out_in_turn(models, tiny_trained, tiny_prepared, report):
    from tfrec.jobs.ablation import ablate

    whole = ablate(models, report, max_queries=50, show_progress=False)
    titles = [section.title for section in whole.sections[len(report.sections) :]]
    assert any("pictures" in title for title in titles)
    assert any("LSTM" in title for title in titles)
    for section in whole.sections[len(report.sections) :]:
        assert [row.method for row in section.rows][1] == SERVED_NAME
        assert section.duels
    again = time.monotonic()
    ablate(models, report, max_queries=50, show_progress=False)
    assert time.monotonic() - again < 120  # the variants are kept
    assert os.listdir(models / ".ablations")  # noqa: PTH208


@pytest.mark.slow
def test_the_demo_prints_its_steps_and_reuses_its_results(tmp_path, capsys):
    assert main(["demo", "--fast", "--out", str(tmp_path / "demo")]) == 0
    printed = capsys.readouterr()
    for words in (
        "In the cart:",
        "goes with the cart",
        "A better choice than",
        "EASE on orders",
        SERVED_NAME,
        "report.html",
        "These are the figures of `tfrec demo --fast`",
    ):
        assert words in printed.out
    page = html.unescape((tmp_path / "demo/models/report/report.html").read_text(encoding="utf-8"))
    assert fast_demo_note().replace("`", "") in page.replace("<code>", "").replace("</code>", "")  # code, not backticks
    assert "tensorflow" not in printed.err.lower().replace("loading tensorflow", "")
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "demo" / "models").glob("*/*/saved_model.pb")}
    assert main(["demo", "--fast", "--out", str(tmp_path / "demo")]) == 0
    assert capsys.readouterr().out == printed.out
    assert made == {path: path.stat().st_mtime_ns for path in (tmp_path / "demo" / "models").glob("*/*/saved_model.pb")}


def test_a_version_answers_at_once_because_it_was_warmed_up(tiny_trained):
    with EmbeddedServer(tiny_trained.models, port=0) as server, RecommenderClient(f"localhost:{server.port}") as client:
        for signature in ("recommend", "cross_sell", "upsell", "complete_cart", "similar"):
            assert len(client.ask(signature, {"k": 3}, deadline=1.0)["item_ids"]) == 1
