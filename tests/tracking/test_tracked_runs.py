"""MLflow runs of trainings and evaluations, against a real store in SQLite: what is logged, what a failure costs."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from tfrec.cli import main
from tfrec.errors import EnvironmentSetupError, install_hint
from tfrec.evaluation.report import EvaluationReport, write_report
from tfrec.evaluation.sections import Column, Duel, Row, Section
from tfrec.models_folder import read_models_manifest
from tfrec.statistics.estimates import Estimate
from tfrec.statistics.paired import PairedComparison
from tfrec.tracking.tracked_runs import (
    RECORD,
    figures_of,
    read_record,
    track_evaluation,
    train_tracked,
    warm_start_tracked,
)
from tfrec.workflow import SERVED_NAME, Published

mlflow = pytest.importorskip("mlflow", reason=f"no MLflow. {install_hint('tracking')}.")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder, whose `mlflow.db` is the store, as for one who set nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def models(tiny_trained, here):
    """A copy of the trained shop that a test may change."""
    shutil.copytree(tiny_trained.models, here / "models")
    return here / "models"


def forget_days(models, days):
    """Makes the models those of some days before, as far as a warm start asks: its run is what is looked at."""
    about = models / "trained" / "training.json"
    stored = json.loads(about.read_text())
    about.write_text(json.dumps({**stored, "learned_until": stored["learned_until"] - 24 * days}))
    manifest = models / "trained" / "manifest.json"
    old = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**old, "fingerprint": "of an earlier day", "learned_from": "of an earlier day"}))


def client():
    return mlflow.MlflowClient(tracking_uri=f"sqlite:///{Path.cwd()}/mlflow.db")


def runs():
    experiments = [experiment.experiment_id for experiment in client().search_experiments()]
    return client().search_runs(experiments)


def the_run():
    (run,) = runs()
    return run


def report_of(value):
    whole = Estimate(value, value - 0.1, value + 0.1, float("nan"), 50)
    none = Estimate(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    columns = tuple(Column(name, name) for name in ("all HR@10", "new HR@10", "repeat HR@10"))
    cells = {"all HR@10": whole, "new HR@10": whole, "repeat HR@10": none}
    rows = (Row("popularity", True, cells, 0.1), Row(SERVED_NAME, False, cells, 0.1))
    gap = PairedComparison(Estimate(0.02, 0.01, 0.03, float("nan"), 50), 0.001)
    duels = (Duel(SERVED_NAME, "popularity", "all HR@10", gap),)
    return EvaluationReport(
        "demo", "2024-01-01", (0,), (Section("complete_cart", "Carts", "50", columns, rows, duels),)
    )


def test_a_run_holds_settings_hashes_data_and_models(models, tiny_prepared, tiny_trained):
    assert train_tracked(tiny_prepared, models, tiny_trained.config).is_reused
    run, manifest = the_run(), read_models_manifest(models)
    assert run.info.status == "FINISHED"
    assert run.data.params["retrieval.embedding_dim"] == "16"
    assert run.data.params["num_blocks"] == "1"
    assert run.data.metrics["training_seconds"] == manifest.seconds
    assert run.data.tags["tfrec.data"] == manifest.fingerprint
    assert run.data.tags["tfrec.code"] == manifest.code
    (data,) = run.inputs.dataset_inputs
    assert manifest.fingerprint.startswith(data.dataset.digest)
    copied = {entry.path for entry in client().list_artifacts(run.info.run_id, "models/shop/1")}
    assert "models/shop/1/saved_model.pb" in copied
    (version,) = client().search_model_versions()
    assert (version.name, version.run_id, version.tags["tfrec.version"]) == ("tfrec.demo_shop", run.info.run_id, "1")
    assert Path(version.source) == models / "shop" / "1"


def test_models_that_have_a_run_keep_it(models, tiny_prepared, tiny_trained):
    train_tracked(tiny_prepared, models, tiny_trained.config)
    first = the_run()
    train_tracked(tiny_prepared, models, tiny_trained.config)
    assert the_run().info.end_time == first.info.end_time
    assert len(client().search_model_versions()) == 1


def test_big_models_are_named_by_their_place(models, tiny_prepared, tiny_trained, monkeypatch):
    monkeypatch.setattr("tfrec.tracking.tracked_runs.MAX_UPLOAD", 10)
    train_tracked(tiny_prepared, models, tiny_trained.config)
    run = the_run()
    assert client().list_artifacts(run.info.run_id, "models/shop") == []
    assert run.data.tags["tfrec.models"] == str(models)


def test_an_evaluation_goes_into_the_run_of_its_models(models, tiny_prepared, tiny_trained):
    train_tracked(tiny_prepared, models, tiny_trained.config)
    page = write_report(report_of(0.4), models / "report")
    assert track_evaluation(models, report_of(0.4), page) == the_run().info.run_id
    figures = the_run().data.metrics
    assert figures["complete_cart/all_HR_at_10"] == pytest.approx(0.4)
    assert figures["complete_cart/all_HR_at_10/low"] == pytest.approx(0.3)
    assert figures["complete_cart/all_HR_at_10/less_best/high"] == pytest.approx(0.03)
    assert {"report/report.html", "report/report.json"} <= {
        entry.path for entry in client().list_artifacts(the_run().info.run_id, "report")
    }


@pytest.mark.slow
def test_a_refresh_is_a_run_below_its_training_and_can_be_labelled(models, tiny_prepared, tiny_trained, capsys):
    train_tracked(tiny_prepared, models, tiny_trained.config)
    training = the_run()
    manifest = models / "trained" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "fingerprint": "of an earlier day"}))
    assert main(["refresh", "models", "--track"]) == 0
    (refresh,) = (run for run in runs() if run.info.run_id != training.info.run_id)
    assert refresh.info.status == "FINISHED"
    assert refresh.data.tags["mlflow.parentRunId"] == training.info.run_id
    assert refresh.data.tags["mlflow.source.name"] == "tfrec refresh"
    assert refresh.data.metrics["refresh_seconds"] > 0 and "new_items" in refresh.data.metrics
    versions = {found.tags["tfrec.version"]: found.run_id for found in client().search_model_versions()}
    assert versions == {"1": training.info.run_id, "2": refresh.info.run_id}
    assert main(["label", "models", "stable=1", "canary=2"]) == 0
    assert read_record(models).identity == read_models_manifest(models).identity  # the next evaluation goes there
    assert main(["refresh", "models", "--track"]) == 0
    assert "Nothing changed" in capsys.readouterr().out
    assert len(runs()) == 2


@pytest.mark.slow
def test_a_warm_start_is_a_run_below_its_training_with_losses_of_its_own(models, tiny_prepared, tiny_trained, capsys):
    train_tracked(tiny_prepared, models, tiny_trained.config)
    training = the_run()
    forget_days(models, 10)
    command = ["train", str(tiny_prepared), "--out", "models", "--warm-start", "models", "--track"]
    assert main(command) == 0
    (warm,) = (run for run in runs() if run.info.run_id != training.info.run_id)
    assert warm.info.status == "FINISHED"
    assert warm.data.tags["mlflow.parentRunId"] == training.info.run_id
    assert warm.data.tags["mlflow.source.name"] == "tfrec train --warm-start"
    assert warm.data.metrics["training_seconds"] > 0
    assert any(name.startswith("loss/retrieval") for name in warm.data.metrics)
    versions = {found.tags["tfrec.version"]: found.run_id for found in client().search_model_versions()}
    assert versions == {"1": training.info.run_id, "2": warm.info.run_id}
    assert main(["label", "models", "stable=1", "canary=2"]) == 0
    assert main(command) == 0
    assert "Nothing changed" in capsys.readouterr().out
    assert len(runs()) == 2


def test_a_warm_start_that_ends_early_goes_on_in_the_same_run(models, tiny_prepared, tiny_trained, monkeypatch):
    train_tracked(tiny_prepared, models, tiny_trained.config)
    training = the_run().info.run_id
    forget_days(models, 10)

    def breaks(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("tfrec.tracking.tracked_runs.warm_start_shop", breaks)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            warm_start_tracked(tiny_prepared, models, models)
        (warm,) = (run for run in runs() if run.info.run_id != training)
        assert warm.info.status == "KILLED"
        assert warm.data.tags["mlflow.parentRunId"] == training


def test_an_evaluation_of_other_models_goes_nowhere(models, tiny_prepared, tiny_trained):
    page = write_report(report_of(0.4), models / "report")
    assert track_evaluation(models, report_of(0.4), page) is None
    train_tracked(tiny_prepared, models, tiny_trained.config)
    manifest = json.loads((models / "trained" / "manifest.json").read_text())
    (models / "trained" / "manifest.json").write_text(json.dumps({**manifest, "identity": "another"}))
    assert track_evaluation(models, report_of(0.4), page) is None
    assert "complete_cart/all_HR_at_10" not in the_run().data.metrics


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        pytest.param(KeyboardInterrupt(), "KILLED", id="Ctrl-C"),
        pytest.param(signal.SIGTERM, "KILLED", id="SIGTERM"),
        pytest.param(RuntimeError("out of memory"), "FAILED", id="an error"),
    ],
)
def test_a_training_that_ends_early_says_so_and_goes_on_in_the_same_run(
    models, tiny_prepared, tiny_trained, monkeypatch, trouble, status
):
    def breaks(*arguments, **settings):
        assert the_run().info.status == "RUNNING"
        if isinstance(trouble, signal.Signals):
            os.kill(os.getpid(), trouble)
            time.sleep(5)
        raise trouble

    with monkeypatch.context() as patch:
        patch.setattr("tfrec.tracking.tracked_runs.train_shop", breaks)
        with pytest.raises((KeyboardInterrupt, SystemExit, RuntimeError)):
            train_tracked(tiny_prepared, models, tiny_trained.config, force=True)
    assert the_run().info.status == status
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    train_tracked(tiny_prepared, models, tiny_trained.config)
    assert the_run().info.status == "FINISHED"


def test_a_run_that_was_killed_without_a_word_is_closed_by_the_next(models, tiny_prepared, tiny_trained):
    train_tracked(tiny_prepared, models, tiny_trained.config)
    old = the_run().info.run_id
    client().update_run(old, status="RUNNING")
    record = json.loads((models / RECORD).read_text())
    (models / RECORD).write_text(json.dumps({**record, "identity": "of other settings"}))
    train_tracked(tiny_prepared, models, tiny_trained.config)
    assert client().get_run(old).info.status == "KILLED"
    assert len(runs()) == 2


@pytest.mark.parametrize(
    "address", [pytest.param("http://127.0.0.1:9", id="no answer"), pytest.param("gopher://x", id="no such store")]
)
def test_a_failing_tracking_server_costs_no_training(models, tiny_prepared, tiny_trained, monkeypatch, caplog, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert train_tracked(tiny_prepared, models, tiny_trained.config).version == 1
    assert [
        record.message.split(":")[0] for record in caplog.records if record.name == "tfrec.tracking.mlflow_run"
    ] == ["Tracking has stopped, the work continues"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    train_tracked(tiny_prepared, models, tiny_trained.config)  # once it answers, what was missed is logged
    assert the_run().info.status == "FINISHED"


def test_a_server_that_fails_half_way_costs_no_training(models, tiny_prepared, tiny_trained, monkeypatch, caplog):
    def loses_the_store(*arguments, **settings):
        shutil.rmtree(models.parent / "mlruns", ignore_errors=True)
        (models.parent / "mlflow.db").write_bytes(b"no database" * 1000)
        return Published(models, 1, False, 1.0)

    monkeypatch.setattr("tfrec.tracking.tracked_runs.train_shop", loses_the_store)
    assert train_tracked(tiny_prepared, models, tiny_trained.config, force=True).version == 1
    assert "Nothing is lost" in caplog.text


def test_passwords_stay_in_the_environment(models, tiny_prepared, tiny_trained, monkeypatch):
    monkeypatch.setattr("tfrec.tracking.tracked_runs._client", lambda uri: client())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example/x")
    train_tracked(tiny_prepared, models, tiny_trained.config)
    assert "secret" not in (models / RECORD).read_text()
    assert read_record(models).tracking_uri == "https://mlflow.example/x"
    assert "secret" in read_record(models).uri


def test_without_mlflow_the_error_names_the_extra(tiny_prepared, tiny_trained, here, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(EnvironmentSetupError, match=re.escape(install_hint("tracking"))):
        train_tracked(tiny_prepared, here / "models", tiny_trained.config)
    assert main(["train", str(tiny_prepared), "--out", str(here / "models"), "--track"]) == 2
    assert install_hint("tracking") in capsys.readouterr().err
    assert not (here / "models").exists()


def test_figures_are_those_of_the_served_models_alone():
    figures = figures_of(report_of(0.4))
    assert set(figures) == {
        f"complete_cart/{column}{end}"
        for column in ("all HR@10", "new HR@10", "all HR@10/less_best")
        for end in ("", "/low", "/high")
    }


@pytest.mark.slow
def test_a_tracked_training_has_its_losses_and_then_its_evaluation(tiny_prepared, tiny_trained, here, capsys):
    values = ["retrieval.embedding_dim=16", "retrieval_epochs=1", "ranking_epochs=2", "image_epochs=1", "num_blocks=1"]
    settings = [word for value in (*values, "ranking_queries=200") for word in ("--set", value)]
    models = str(here / "models")
    assert main(["train", str(tiny_prepared), "--out", models, "--track", *settings]) == 0
    run = the_run()
    losses = [point.value for point in client().get_metric_history(run.info.run_id, "loss/ranking")]
    assert len(losses) == 2
    assert min(losses) > 0
    assert any(name.startswith("loss/retrieval") for name in run.data.metrics)
    assert main(["evaluate", models, "--no-baselines", "--draws", "1", "--max-queries", "50"]) == 0
    assert f"MLflow run {run.info.run_id}" in capsys.readouterr().out
    assert 0 <= the_run().data.metrics["complete_cart/all_HR_at_10"] <= 1
