"""Trains, exports and evaluates a prepared shop: the commands of the README as functions.

Each reuses finished results and publishes by rename.
"""

import dataclasses
import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tfrec.baselines import BASKET_BASELINES, CART_BASELINES, SESSION_BASELINES, Baseline
from tfrec.evaluation.evaluate import SEEDS, evaluate
from tfrec.evaluation.report import EvaluationReport
from tfrec.features.rule_tables import RuleTables
from tfrec.features.shop import Shop, load_shop
from tfrec.ingest.prepared import read_prepared
from tfrec.models_folder import (
    MANIFEST,
    SERVED_SETTINGS,
    TRAINED,
    TRAINED_FOLDER,
    WORK,
    ModelsManifest,
    as_plain,
    find_models_manifest,
    kept_comparison,
    kept_rules,
    load_same_shop,
    planned_manifest,
    prepared_of,
    prepared_of_version,
    read_models_manifest,
    version_of,
    work_folder,
    work_path,
)
from tfrec.publish import check_claim, check_folder, claiming, publishing
from tfrec.release.certify import Certifier
from tfrec.release.comparison import COMPARISON
from tfrec.release.fallback_check import FallbackCheck, check_against_fallback
from tfrec.release.place import read_about
from tfrec.release.served_ranker import served_ranker
from tfrec.release.user_pasts import with_unstored_pasts
from tfrec.serving.recommend import newest_version
from tfrec.serving.servable import Servable

logger = logging.getLogger(__name__)

SERVED_NAME = "tfrec (served)"


@dataclasses.dataclass(frozen=True)
class Published:
    """Outcome of `train_shop`.

    Attributes:
        models: folder of servables.
        version: the newest version there.
        is_reused: nothing had to be trained.
        seconds: seconds that the training took, now or when it was made.
        has_new_settings: the reused models were published again, with other strategies or other stored users.
    """

    models: Path
    version: int
    is_reused: bool
    seconds: float
    has_new_settings: bool = False


def train_shop(
    prepared: Path,
    models: Path,
    config: Any = None,
    *,
    force: bool = False,
    show_progress: bool = True,
    workers: Any = None,
) -> Published:
    """Trains the funnel on a prepared shop, keeps its weights and publishes a version of the three servables.

    If interrupted, it leaves the old result in place, and the next call resumes after the last finished step. Weights
    of the same shop, settings and code are reused; `SERVED_SETTINGS` are published without a training.

    Args:
        prepared: folder that `prepare_shop` wrote.
        models: folder of models.
        config: a `TrainingConfig`; None = the defaults.
        force: train again even if nothing changed.
        show_progress: progress bars.
        workers: `Workers` that compute the steps, of which this is the first; None = this process alone.

    Raises:
        SourceError: there is no prepared shop, or another process writes `models`.
        EnvironmentSetupError: another worker is gone.
    """
    from tfrec.training import TrainingConfig, train
    from tfrec.training.workers import ALONE

    config = config or TrainingConfig()
    wanted = planned_manifest(prepared, config)
    with claiming(models):
        check_folder(models / TRAINED, TRAINED_FOLDER, inputs=[prepared])
        present = find_models_manifest(models)
        if present is not None and present.identity == wanted.identity and not force:
            return reuse_models(models, prepared, config)
        work = work_folder(models, wanted)
        shop = load_shop(prepared)
        began = time.perf_counter()
        checks: list[FallbackCheck] = []
        trained = train(
            shop,
            config,
            work=work,
            show_progress=show_progress,
            examine=_examiner(shop, config, checks),
            workers=workers or ALONE,
        )
        manifest = dataclasses.replace(wanted, seconds=round(time.perf_counter() - began, 1))
        comparison = checks[0].to_json() if checks else ""
        version = publish_trained(shop, trained, config, models, manifest, comparison=comparison)
        return Published(models, version, False, manifest.seconds)


def follow_training(prepared: Path, models: Path, config: Any, workers: Any, *, force: bool = False) -> bool:
    """Computes this worker's share of `train_shop`, which the first worker runs on the same folders and settings.

    Args:
        prepared: the same shop.
        models: the first worker's folder of models, on a volume that both see.
        config: the same `TrainingConfig`.
        workers: `Workers` of this process.
        force: as at the first worker.

    Returns:
        Whether there was something to train.

    Raises:
        SourceError: there is no prepared shop.
        EnvironmentSetupError: another worker is gone.
    """
    from tfrec.training.follow import follow

    wanted = planned_manifest(prepared, config)
    present = find_models_manifest(models)
    if present is not None and present.identity == wanted.identity and not force:
        return False
    follow(load_shop(prepared), config, work=work_path(models, wanted), workers=workers)
    return True


def _examiner(shop: Shop, config: Any, checks: list[FallbackCheck]) -> Callable[[Any, float], None]:
    """Returns what `train` calls with the funnel before its last block: it adds the outcome to `checks`."""

    def examine(past: Any, start: float) -> None:
        from tfrec.training.export import build_served_funnel

        served = build_served_funnel(shop, past, dataclasses.replace(config, users="all"))
        since = pd.Timestamp(start * 3600, unit="s").as_unit("us")
        check = check_against_fallback(shop.prepared, served.answer, since=since)
        if check is not None:
            checks.append(check)

    return examine


def reuse_models(models: Path, prepared: Path, config: Any) -> Published:
    """Returns the published version of trained models, published now where it is missing or serves otherwise.

    Args:
        models: folder of models, trained with the other settings of `config`.
        prepared: shop that they were trained on.
        config: a `TrainingConfig`.
    """
    from tfrec.training import load_trained

    manifest = read_models_manifest(models)
    asked = {name: as_plain(config)[name] for name in SERVED_SETTINGS}
    defaults = as_plain(type(config)())
    has_new_settings = any(manifest.config.get(name, defaults[name]) != value for name, value in asked.items())
    version = version_of(models, manifest.identity)
    if has_new_settings:
        shop = load_same_shop(manifest, prepared)
        trained, stored = load_trained(shop, models / TRAINED)
        settings = dataclasses.replace(stored, **{name: getattr(config, name) for name in SERVED_SETTINGS})
        manifest = dataclasses.replace(manifest, config={**manifest.config, **asked})
        version = publish_trained(shop, trained, settings, models, manifest, comparison=kept_comparison(models))
    elif version is None:  # interrupted between saving and publishing
        version = publish_servables(models, prepared=prepared)
    shutil.rmtree(models / WORK, ignore_errors=True)
    return Published(models, version, True, manifest.seconds, has_new_settings)


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
    rules = kept_rules(models, shop.prepared.train)
    served = build_served_funnel(shop, trained, config, rules)
    version = _export(shop, served, models, manifest, comparison=comparison, rules=rules)
    shutil.rmtree(models / WORK, ignore_errors=True)
    return version


def publish_servables(
    models: Path, *, out: Path | None = None, prepared: Path | None = None, users: str | None = None
) -> int:
    """Exports the trained models of a folder once more and returns the new version's number.

    Args:
        models: folder that `train_shop` wrote.
        out: folder of servables; None = `models` itself.
        prepared: the shop trained on; None = where it lay then.
        users: whose tables this version stores, see `TrainingConfig.users`; None = as trained.

    Raises:
        SourceError: nothing is trained, or the shop is gone or another one.
        ConfigError: `users` is no such rule.
    """
    from tfrec.training import load_trained
    from tfrec.training.export import build_served_funnel

    manifest = read_models_manifest(models)
    shop = load_same_shop(manifest, prepared)
    check_claim(out or models)
    trained, config = load_trained(shop, models / TRAINED)
    if users is not None:
        config = dataclasses.replace(config, users=users)
        manifest = dataclasses.replace(manifest, config={**manifest.config, "users": users})
    rules = kept_rules(models, shop.prepared.train)
    served = build_served_funnel(shop, trained, config, rules)
    return _export(shop, served, out or models, manifest, comparison=kept_comparison(models), rules=rules)


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
    shop = read_prepared(prepared or (prepared_of(models) if servable == "shop" else prepared_of_version(folder)))
    with Servable.load(folder, is_graph_rewritten=False) as loaded:
        report = evaluate(
            shop,
            {
                _name_of(folder, servable): served_ranker(
                    with_unstored_pasts(loaded, folder, shop), show_progress=show_progress
                )
            },
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


def _export(
    shop: Shop, served: Any, out: Path, manifest: ModelsManifest, *, comparison: str, rules: RuleTables | None
) -> int:
    from tfrec.training.export import export_servables

    return export_servables(
        served,
        out,
        about=dataclasses.asdict(manifest),
        finish=Certifier(
            shop, served.answer, user_ids=served.vocabularies["users"], comparison=comparison, rules=rules
        ),
    )


def _name_of(folder: Path, servable: str) -> str:
    """Returns what a report calls the served model."""
    return SERVED_NAME if servable == "shop" else f"{read_about(folder).get('method', servable)} (served)"
