"""Tracks a training, warm start or refresh and its evaluation as an MLflow run.

Tracking is requested (`tfrec train --track`, `tfrec refresh --track`), never assumed. MLflow's own rule decides where
runs go: MLFLOW_TRACKING_URI, else `mlflow.db` and `mlruns/` in the current folder. Whatever the tracking server does,
the training continues: the first failed call is reported, and nothing more is sent. `MODELS/tracking.json` names the
run, so that `tfrec evaluate` adds its figures to it.
"""

import contextlib
import dataclasses
import json
import logging
import math
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from tfrec.errors import EnvironmentSetupError, SourceError, install_hint
from tfrec.evaluation.report import EvaluationReport
from tfrec.ingest.prepared import read_manifest
from tfrec.jobs.model_updates import Updated, planned_refresh, planned_warm_start, refresh_shop, warm_start_shop
from tfrec.models_folder import ModelsManifest, planned_manifest, read_models_manifest
from tfrec.publish import claiming, replacing
from tfrec.serving.models_config import SERVABLES
from tfrec.tracking.mlflow_run import Run
from tfrec.tracking.run_facts import hash_tags, user_name, without_password
from tfrec.workflow import SERVED_NAME, Published, train_shop

logger = logging.getLogger(__name__)

RECORD = "tracking.json"
MAX_UPLOAD = 64 * 2**20
"""Bytes up to which the SavedModels are copied into the run; bigger ones are named by their place."""
_SOURCES = {"train": "tfrec train", "warm start": "tfrec train --warm-start", "refresh": "tfrec refresh"}
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # trainings of a shop are confidential
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # MLflow's 7 with backoff hold a training up for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """Where the run of a folder of models is.

    Attributes:
        run_id: MLflow's.
        tracking_uri: without user and password.
        identity: identity of the training, as in `ModelsManifest`.
        registered_model: its name in the registry.
    """

    run_id: str
    tracking_uri: str
    identity: str
    registered_model: str

    @property
    def uri(self) -> str:
        """Where to reach it: the environment's address, which may hold a password, else the remembered one."""
        return os.environ.get("MLFLOW_TRACKING_URI") or self.tracking_uri


def train_tracked(
    prepared: Path, models: Path, config: Any = None, *, force: bool = False, show_progress: bool = True
) -> Published:
    """Trains as `train_shop` does and keeps an MLflow run of it.

    An interruption leaves the run as KILLED, an error as FAILED; the next call with the same shop, settings and code
    resumes the same run. Models that are there already are logged if no run has them yet.

    Args:
        prepared: see `train_shop`.
        models: see `train_shop`.
        config: see `train_shop`.
        force: see `train_shop`.
        show_progress: see `train_shop`.

    Raises:
        EnvironmentSetupError: MLflow is not installed.
        SourceError: there is no prepared shop.
    """
    require_mlflow()
    from tfrec.training import TrainingConfig
    from tfrec.training.progress import losses_to

    config = config or TrainingConfig()
    planned = planned_manifest(prepared, config)
    is_there = not force and _is_trained(models, planned)
    run = _begin(models, planned, shop=read_manifest(prepared).recipe, is_there=is_there)
    with _ended_with(run), losses_to(run.losses):
        published = train_shop(prepared, models, config, force=force, show_progress=show_progress)
        _log_published(run, models, published.version)
    return published


def warm_start_tracked(
    prepared: Path,
    models: Path,
    old_models: Path,
    config: Any = None,
    *,
    force: bool = False,
    show_progress: bool = True,
) -> Published:
    """Continues training as `warm_start_shop` does and tracks it as an MLflow run, below the run of the older models.

    The run holds what that of a whole training holds; if interrupted, the next call resumes the same run. Models that
    have learned these days already stay in the run that they have.

    Args:
        prepared: see `warm_start_shop`.
        models: see `warm_start_shop`.
        old_models: see `warm_start_shop`.
        config: see `warm_start_shop`.
        force: see `warm_start_shop`.
        show_progress: see `warm_start_shop`.

    Raises:
        EnvironmentSetupError: MLflow is not installed.
        SourceError: see `warm_start_shop`.
    """
    require_mlflow()
    from tfrec.training.progress import losses_to

    planned = planned_warm_start(prepared, models, old_models, config)
    is_there = not force and _is_trained(models, planned)
    run = _begin(
        models, planned, shop=read_manifest(prepared).recipe, is_there=is_there, verb="warm start",
        parent=_run_of(old_models),
    )  # fmt: skip
    with _ended_with(run), losses_to(run.losses):
        published = warm_start_shop(prepared, models, old_models, config, force=force, show_progress=show_progress)
        _log_published(run, models, published.version)
    return published


def refresh_tracked(models: Path, prepared: Path | None = None, *, has_new_rules: bool = False) -> Updated:
    """Refreshes as `refresh_shop` does and keeps an MLflow run of it, with the run that it comes from as its parent.

    The new version is registered beside those of trainings, so that labels may name it. Models that know this state of
    the shop already stay in the run that they have.

    Args:
        models: see `refresh_shop`.
        prepared: see `refresh_shop`.
        has_new_rules: see `refresh_shop`.

    Raises:
        EnvironmentSetupError: MLflow is not installed.
        SourceError: see `refresh_shop`.
    """
    require_mlflow()
    old, planned = read_models_manifest(models), planned_refresh(models, prepared)
    if old.fingerprint == planned.fingerprint:
        return refresh_shop(models, prepared, has_new_rules=has_new_rules)
    shop = read_manifest(prepared or Path(old.prepared)).recipe
    run = _begin(models, planned, shop=shop, is_there=False, verb="refresh", parent=_run_of(models))
    with _ended_with(run):
        updated = refresh_shop(models, prepared)
        run.metrics({"new_items": updated.new_items, "new_events": updated.new_events})
        _log_published(run, models, updated.version, verb="refresh")
    return updated


def track_evaluation(models: Path, report: EvaluationReport, page: Path) -> str | None:
    """Adds an evaluation to the run of its models and returns the run's id; None where they have no run.

    Of each task and column: `<task>/<column>` of the served models with `/low` and `/high`, and `/less_best`, the
    paired difference from the strongest baseline, likewise.

    Args:
        models: folder that `train_tracked` wrote.
        report: report of these models.
        page: the report's HTML page; what lies beside it under the same name goes along.
    """
    record = read_record(models)
    if record is None or record.identity != read_models_manifest(models).identity:
        return None
    try:
        client = _client(record.uri)
    except EnvironmentSetupError as error:
        logger.warning("The evaluation is not tracked: %s", error)
        return None
    run = Run(client, record.run_id)
    run.metrics(figures_of(report))
    for file in sorted(page.parent.glob(f"{page.stem}.*")):
        run.files(file, "report")
    return None if run.has_failed else record.run_id


def figures_of(report: EvaluationReport) -> dict[str, float]:
    """Returns a report's figures of the served models, flat: `complete_cart/all_HR_at_10`, `.../low`, `.../high`."""
    figures: dict[str, float] = {}
    for section in report.sections:
        for row in section.rows:
            if row.method != SERVED_NAME:
                continue
            for column, estimate in row.cells.items():
                key = f"{section.task}/{column}"
                if estimate.n:
                    figures |= {key: estimate.value, f"{key}/low": estimate.low, f"{key}/high": estimate.high}
        for duel in section.duels:
            if duel.method == SERVED_NAME:
                key, gap = f"{section.task}/{duel.column}/less_best", duel.comparison.difference
                figures |= {key: gap.value, f"{key}/low": gap.low, f"{key}/high": gap.high}
    return {key: value for key, value in figures.items() if math.isfinite(value)}  # of one order there is no interval


def read_record(models: Path) -> RunRecord | None:
    """Returns where the run of a folder of models is; None where it was not tracked."""
    try:
        return RunRecord(**json.loads((models / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def open_registry(record: RunRecord) -> Any:
    """Returns an `MlflowClient` for the store that a record names.

    Raises:
        EnvironmentSetupError: MLflow is not installed.
    """
    return _client(record.uri)


def require_mlflow() -> ModuleType:
    """Returns MLflow, quiet and patient for seconds, not minutes.

    Raises:
        EnvironmentSetupError: it is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import mlflow
    except ImportError as error:
        raise EnvironmentSetupError(
            f"Tracking needs MLflow, which this environment lacks ({error}). "
            f"{install_hint('tracking')}, or leave --track out."
        ) from error
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


def _run_of(models: Path) -> str | None:
    """Returns the id of the run that has just these models."""
    record = read_record(models)
    return record.run_id if record is not None and record.identity == read_models_manifest(models).identity else None


def _is_trained(models: Path, planned: ModelsManifest) -> bool:
    try:
        return read_models_manifest(models).identity == planned.identity
    except SourceError:
        return False


def _client(uri: str) -> Any:
    require_mlflow()
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _begin(
    models: Path,
    planned: ModelsManifest,
    *,
    shop: str,
    is_there: bool,
    verb: str = "train",
    parent: str | None = None,
) -> Run:
    """Starts a run, or returns the interrupted one of the same training, or the one that has these models."""
    uri = require_mlflow().get_tracking_uri()
    run = Run(None, "")
    try:
        run = Run(_client(uri), "")
    except Exception as error:  # an address that MLflow does not understand

        def fail(_: Any, error: Exception = error) -> None:
            raise error

        run.send(fail)
    old = read_record(models)
    if old is not None:
        status = run.send(lambda client: _status(client, old.run_id))
        if old.identity == planned.identity and status is not None and (status != "FINISHED" or is_there):
            run.run_id = old.run_id
            if status != "FINISHED":
                run.send(lambda client: client.update_run(old.run_id, status="RUNNING"))
            return run
        if status == "RUNNING":  # killed without a chance to say so
            run.send(lambda client: client.set_terminated(old.run_id, "KILLED"))
    with claiming(models):  # no run begins for a folder that is refused, and the record comes into one that is tfrec's
        run.run_id = run.send(lambda client: _create(client, shop, verb, parent)) or ""
        if run.run_id:
            record = RunRecord(run.run_id, without_password(uri), planned.identity, f"tfrec.{shop}")
            _write_record(models, record)
    if run.run_id:
        run.params(planned.config)
        run.tags(hash_tags(planned))
        run.send(lambda client: _log_data(client, run.run_id, shop, planned))
    return run


def _create(client: Any, shop: str, verb: str, parent: str | None) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or f"tfrec {shop}"
    experiment = client.get_experiment_by_name(name)
    experiment_id = experiment.experiment_id if experiment is not None else client.create_experiment(name)
    tags = {"mlflow.user": user_name(), "mlflow.source.name": _SOURCES[verb], "mlflow.source.type": "LOCAL"}
    if parent is not None:
        tags["mlflow.parentRunId"] = parent
    name = shop if verb == "train" else f"{shop} {verb}"
    return client.create_run(experiment_id, run_name=name, tags=tags).info.run_id


def _status(client: Any, run_id: str) -> str | None:
    """Returns the run's status; None where it was deleted or is of another store."""
    from mlflow.exceptions import MlflowException

    try:
        info = client.get_run(run_id).info
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return info.status if info.lifecycle_stage == "active" else None


@contextlib.contextmanager
def _ended_with(run: Run) -> Iterator[None]:
    """Ends the run as the block ends; SIGTERM, which ends Python without a word, becomes an exit."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    is_ours = (
        threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if is_ours:
        signal.signal(signal.SIGTERM, leave)
    status = "FINISHED"
    try:
        yield
    except Exception:
        status = "FAILED"
        raise
    except BaseException:
        status = "KILLED"
        raise
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        run.try_again()
        was = run.send(lambda client: _status(client, run.run_id))
        if was != "FINISHED":  # models that were there keep their run's times
            run.send(lambda client: client.set_terminated(run.run_id, status))


def _log_published(run: Run, models: Path, version: int, *, verb: str = "training") -> None:
    """Logs the place and hashes of the models and, where small, a copy; registers them under the served version."""
    run.try_again()
    manifest = read_models_manifest(models)
    record = read_record(models) if run.run_id else None
    places = {name: models / name / str(version) for name in SERVABLES}
    size = sum(file.stat().st_size for place in places.values() for file in place.rglob("*") if file.is_file())
    run.metrics({f"{verb}_seconds": manifest.seconds, "models_megabytes": size / 1e6})
    run.tags({"tfrec.models": str(models.absolute()), "tfrec.version": str(version)})
    registered = run.send(lambda client: _registered(client, record, version)) if record else None
    if registered:
        return
    run.files(models / "trained" / "manifest.json", "models/trained")
    source = str(places["shop"].absolute())
    if size <= MAX_UPLOAD:
        for name, place in places.items():
            run.files(place, f"models/{name}/{version}")
    if record is not None:
        run.send(lambda client: _register(client, record, version, source))


def _registered(client: Any, record: RunRecord, version: int) -> bool:
    return any(
        version_of_model.tags.get("tfrec.version") == str(version)
        for version_of_model in client.search_model_versions(f"name='{record.registered_model}'")
        if version_of_model.run_id == record.run_id
    )


def _register(client: Any, record: RunRecord, version: int, source: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(record.registered_model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    client.create_model_version(
        record.registered_model, source, record.run_id, tags={"tfrec.version": str(version), "tfrec.models": source}
    )


def _log_data(client: Any, run_id: str, shop: str, planned: ModelsManifest) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"path": planned.prepared})
    data = Dataset(name=shop, digest=planned.fingerprint[:36], source_type="local", source=source)
    client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])


def _write_record(models: Path, record: RunRecord) -> None:
    with replacing(models / RECORD) as work:
        work.write_text(json.dumps(dataclasses.asdict(record), indent=2) + "\n", encoding="utf-8")
