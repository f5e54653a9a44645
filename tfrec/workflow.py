"""Trains, exports and evaluates a prepared shop; each step reuses finished results and publishes by rename.

models/
    trained/            weights, feature tables and manifest.json of the newest training
    shop/N  retrieval/N  ranking/N      SavedModels, N counts up
    report/             report.json, report.html
"""

import dataclasses
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import tfrec
from tfrec.baselines import BASKET_BASELINES, CART_BASELINES, SESSION_BASELINES, Baseline
from tfrec.errors import SourceError
from tfrec.evaluation.evaluate import SEEDS, evaluate
from tfrec.evaluation.report import EvaluationReport
from tfrec.features.shop import Shop, load_shop
from tfrec.ingest.prepared import Prepared, read_manifest, read_prepared
from tfrec.publish import FolderKind, check_claim, check_folder, claiming, publishing
from tfrec.release.certify import Certifier
from tfrec.release.comparison import COMPARISON
from tfrec.release.fallback_check import FallbackCheck, check_against_fallback
from tfrec.release.place import read_about
from tfrec.release.served_ranker import served_ranker
from tfrec.serving.recommend import newest_version
from tfrec.serving.servable import Servable

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
SERVED_NAME = "tfrec (served)"
TRAINED = "trained"
_WORK, _REPORT = ".training", "report"
LEARNING = (
    "errors.py",
    "publish",
    "schema",
    "ingest/notes.py",
    "ingest/prepared.py",
    "ingest/typed_toml.py",
    "features",
    "baselines",
    "serving/models_config.py",
    "pipelines",
    "models",
    "strategy",
    "training",
)
"""Files and folders that training can reach by imports; another text of any of them is another training."""
TRAINED_FOLDER = FolderKind(
    "trained models",
    mark=MANIFEST,
    keys=frozenset({"identity", "fingerprint", "code", "config"}),
    files=(MANIFEST, "weights.*", "meanings.npz", "knowledge.npz", "training.json"),
    is_edited=False,
)


@dataclasses.dataclass(frozen=True)
class ModelsManifest:
    """Origin of a folder of models.

    Attributes:
        prepared: folder of the shop that was trained on.
        fingerprint: fingerprint of that shop.
        code: digest of the code that learns.
        config: training settings.
        identity: digest of the three above.
        seconds: seconds that training took, less what an earlier, interrupted run had done.
        tfrec_version: version of the package.
        learned_from: fingerprint of the shop that the weights learned from; a refresh knows a newer one.
        origin: identity of the models that these were updated from; empty when trained from scratch.
    """

    prepared: str
    fingerprint: str
    code: str
    config: dict[str, Any]
    identity: str
    seconds: float
    tfrec_version: str
    learned_from: str = ""
    origin: str = ""


@dataclasses.dataclass(frozen=True)
class Published:
    """Outcome of `train_shop`.

    Attributes:
        models: folder of servables.
        version: the newest version there.
        is_reused: nothing had to be trained.
        seconds: seconds that the training took, now or when it was made.
    """

    models: Path
    version: int
    is_reused: bool
    seconds: float


def train_shop(
    prepared: Path, models: Path, config: Any = None, *, force: bool = False, show_progress: bool = True
) -> Published:
    """Trains the funnel on a prepared shop, keeps its weights and publishes a version of the three servables.

    If interrupted, it leaves the old result in place, and the next call resumes after the last finished step. Weights
    of the same shop, settings and code are reused.

    Args:
        prepared: folder that `prepare_shop` wrote.
        models: folder of models.
        config: a `TrainingConfig`; None = the defaults.
        force: train again even if nothing changed.
        show_progress: progress bars.

    Raises:
        SourceError: there is no prepared shop, or another process writes `models`.
    """
    from tfrec.training import TrainingConfig, train

    config = config or TrainingConfig()
    wanted = planned_manifest(prepared, config)
    with claiming(models):
        check_folder(models / TRAINED, TRAINED_FOLDER, inputs=[prepared])
        present = _read_manifest(models)
        version = version_of(models, wanted.identity)
        if present is not None and present.identity == wanted.identity and not force:
            if version is None:  # interrupted between saving and publishing
                version = publish_servables(models, prepared=prepared)
            shutil.rmtree(models / _WORK, ignore_errors=True)
            return Published(models, version, True, present.seconds)
        work = work_folder(models, wanted)
        shop = load_shop(prepared)
        began = time.perf_counter()
        checks: list[FallbackCheck] = []
        trained = train(shop, config, work=work, show_progress=show_progress, examine=_examiner(shop, config, checks))
        manifest = dataclasses.replace(wanted, seconds=round(time.perf_counter() - began, 1))
        comparison = checks[0].to_json() if checks else ""
        version = publish_trained(shop, trained, config, models, manifest, comparison=comparison)
        return Published(models, version, False, manifest.seconds)


def _examiner(shop: Shop, config: Any, checks: list[FallbackCheck]) -> Callable[[Any, float], None]:
    """Returns what `train` calls with the funnel before its last block: it adds the outcome to `checks`."""

    def examine(past: Any, start: float) -> None:
        from tfrec.training.export import build_served_funnel

        served = build_served_funnel(shop, past, config.sources)
        since = pd.Timestamp(start * 3600, unit="s").as_unit("us")
        check = check_against_fallback(shop.prepared, served.answer, since=since)
        if check is not None:
            checks.append(check)

    return examine


def publish_trained(
    shop: Shop, trained: Any, config: Any, models: Path, manifest: ModelsManifest, *, comparison: str = ""
) -> int:
    """Keeps a trained funnel in a folder of models, publishes its servables and returns their version.

    Args:
        shop: shop that the funnel was trained on.
        trained: a `TrainedFunnel`.
        config: its `TrainingConfig`.
        models: folder of models.
        manifest: origin of the models.
        comparison: text of its comparison with the fall-back; "" = none.
    """
    from tfrec.training import save_trained
    from tfrec.training.export import build_served_funnel

    with publishing(models / TRAINED, TRAINED_FOLDER) as folder:
        save_trained(trained, config, folder)
        (folder / MANIFEST).write_text(json.dumps(dataclasses.asdict(manifest), indent=2) + "\n", encoding="utf-8")
        if comparison:
            (folder / COMPARISON.name).write_text(comparison, encoding="utf-8")
    served = build_served_funnel(shop, trained, config.sources)
    version = _export(shop, served, models, manifest, comparison=comparison)
    shutil.rmtree(models / _WORK, ignore_errors=True)
    return version


def publish_servables(models: Path, *, out: Path | None = None, prepared: Path | None = None) -> int:
    """Exports the trained models of a folder once more and returns the new version's number.

    Args:
        models: folder that `train_shop` wrote.
        out: folder of servables; None = `models` itself.
        prepared: the shop trained on; None = where it lay then.

    Raises:
        SourceError: nothing is trained, or the shop is gone or another one.
    """
    from tfrec.training import load_trained
    from tfrec.training.export import build_served_funnel

    manifest = read_models_manifest(models)
    shop = _load_same_shop(manifest, prepared)
    check_claim(out or models)
    trained, config = load_trained(shop, models / TRAINED)
    kept = models / TRAINED / COMPARISON.name
    comparison = kept.read_text(encoding="utf-8") if kept.is_file() else ""
    served = build_served_funnel(shop, trained, config.sources)
    return _export(shop, served, out or models, manifest, comparison=comparison)


def evaluate_models(
    models: Path,
    *,
    prepared: Path | None = None,
    baselines: Mapping[str, Baseline] = CART_BASELINES,
    session_baselines: Mapping[str, Baseline] = SESSION_BASELINES,
    basket_baselines: Mapping[str, Baseline] = BASKET_BASELINES,
    category_level: int = 0,
    with_baskets: bool = False,
    max_queries: int = 20_000,
    seeds: Sequence[int] = SEEDS,
    servable: str = "shop",
    show_progress: bool = True,
) -> EvaluationReport:
    """Returns the report of the served shop beside the baselines, asked through its exported SavedModel.

    A demo shop's report also says how much of the known truth was found.

    Args:
        models: folder that `train_shop` wrote.
        prepared: the shop; None = where it lay when the models were trained.
        baselines: name → baseline for carts; may be empty.
        session_baselines: the same for the next item of a session.
        basket_baselines: the same for whole next baskets.
        category_level: level of the category path (0 = top) of the cross-category column.
        with_baskets: whether the next basket of each known user is asked for too.
        max_queries: see `evaluate`.
        seeds: draws of the hidden items.
        servable: which of the folder's servables answers: `shop`, or the `fallback` of `tfrec baseline`.
        show_progress: progress bars.

    Raises:
        SourceError: the models or the shop are not there.
        ServingError: no version is exported.
    """
    from tfrec.release.known_truth import measure_truth

    folder = newest_version(models, servable)
    shop = read_prepared(prepared or (prepared_of(models) if servable == "shop" else _prepared_of_version(folder)))
    with Servable.load(folder, is_graph_rewritten=False) as loaded:
        report = evaluate(
            shop,
            {_name_of(folder, servable): served_ranker(loaded, show_progress=show_progress)},
            baselines=baselines,
            session_baselines=session_baselines,
            basket_baselines=basket_baselines,
            category_level=category_level,
            with_baskets=with_baskets,
            seeds=seeds,
            max_queries=max_queries,
        )
        truth = measure_truth(shop, loaded)
    return report if truth is None else dataclasses.replace(report, findings=truth.sentences())


def report_folder(models: Path, *, servable: str = "shop") -> Path:
    """Returns where the report of a folder of models lies unless another place is named."""
    return models / (_REPORT if servable == "shop" else f"{_REPORT}_{servable}")


def read_models_manifest(models: Path) -> ModelsManifest:
    """Returns the origin of a folder of models.

    Raises:
        SourceError: it holds no trained models.
    """
    manifest = _read_manifest(models)
    if manifest is None:
        raise SourceError(
            f"{models} holds no trained models: there is no {models / TRAINED / MANIFEST}. "
            f"Train first: tfrec train PREPARED --out {models}"
        )
    return manifest


def planned_manifest(prepared: Path, config: Any) -> ModelsManifest:
    """Returns the manifest that a training of this shop with these settings (a `TrainingConfig`) will have.

    Raises:
        SourceError: there is no prepared shop.
    """
    fingerprint = read_manifest(prepared).fingerprint
    settings = json.loads(json.dumps(dataclasses.asdict(config)))
    code = _digest_of_code()
    identity = hashlib.sha256(json.dumps([fingerprint, code, settings], sort_keys=True).encode()).hexdigest()
    return ModelsManifest(
        prepared=str(prepared.absolute()),
        fingerprint=fingerprint,
        code=code,
        config=settings,
        identity=identity,
        seconds=0.0,
        tfrec_version=tfrec.__version__,
        learned_from=fingerprint,
    )


def work_folder(models: Path, manifest: ModelsManifest) -> Path:
    """Returns where a training keeps what it has finished; the work of other shops, settings or code there goes."""
    work = models / _WORK / manifest.identity[:16]
    if work.parent.is_dir():
        for other in work.parent.iterdir():
            if other != work:
                shutil.rmtree(other, ignore_errors=True)
    return work


def version_of(models: Path, identity: str) -> int | None:
    """Returns the newest version of `shop`, if it comes from the training `identity`."""
    base = models / "shop"
    versions = [entry for entry in base.iterdir() if entry.name.isdigit()] if base.is_dir() else []
    if not versions:
        return None
    newest = max(versions, key=lambda entry: int(entry.name))
    return int(newest.name) if read_about(newest).get("identity") == identity else None


def _export(shop: Shop, served: Any, out: Path, manifest: ModelsManifest, *, comparison: str) -> int:
    from tfrec.training.export import export_servables

    return export_servables(
        served, out, about=dataclasses.asdict(manifest), finish=Certifier(shop, served.answer, comparison=comparison)
    )


def _digest_of_code() -> str:
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for name in LEARNING:
        place = package / name
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _read_manifest(models: Path) -> ModelsManifest | None:
    try:
        return ModelsManifest(**json.loads((models / TRAINED / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def prepared_of(models: Path) -> Path:
    prepared = Path(read_models_manifest(models).prepared)
    if not prepared.is_dir():
        raise SourceError(f"{models} was trained on {prepared}, which is gone. Name the shop with --prepared DIR.")
    return prepared


def _prepared_of_version(folder: Path) -> Path:
    prepared = read_about(folder).get("prepared", "")
    if not prepared or not Path(prepared).is_dir():
        raise SourceError(
            f"{folder} was made from {prepared or 'a shop'}, which is gone. Name the shop with --prepared DIR."
        )
    return Path(prepared)


def _name_of(folder: Path, servable: str) -> str:
    """Returns what a report calls the served model."""
    return SERVED_NAME if servable == "shop" else f"{read_about(folder).get('method', servable)} (served)"


def _load_same_shop(manifest: ModelsManifest, prepared: Path | None) -> Shop:
    place = prepared or Path(manifest.prepared)
    if not place.is_dir():
        raise SourceError(f"The models were trained on {place}, which is gone. Name the shop with --prepared DIR.")
    if read_manifest(place).fingerprint != manifest.fingerprint:
        raise SourceError(
            f"The models were trained on another state of the shop than {place} holds now. "
            "Train again: tfrec train PREPARED --out MODELS, or name that shop with --prepared DIR."
        )
    return load_shop(place)


__all__ = [
    "ModelsManifest",
    "Prepared",
    "Published",
    "evaluate_models",
    "planned_manifest",
    "publish_servables",
    "publish_trained",
    "read_models_manifest",
    "report_folder",
    "train_shop",
    "version_of",
    "work_folder",
]
