"""Yesterday's models and today's shop → today's models: by a refresh of tables in seconds, or by learning the new days.

A refresh changes no weight: new orders enter by item weights, popularity and profiles, new items by what the catalogue
tells of them. A warm start goes on learning from the stored weights over the days that they have not seen.
"""

import dataclasses
import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np

from tfrec.config import config_from
from tfrec.errors import SourceError
from tfrec.features.shop import Shop, load_shop
from tfrec.publish import check_folder, claiming
from tfrec.workflow import (
    MANIFEST,
    TRAINED,
    TRAINED_FOLDER,
    ModelsManifest,
    Published,
    planned_manifest,
    publish_servables,
    publish_trained,
    read_models_manifest,
    version_of,
    work_folder,
)


@dataclasses.dataclass(frozen=True)
class Renewed:
    """Outcome of a renewal.

    Attributes:
        models: folder of servables.
        version: the newest version there.
        is_reused: the models knew this state of the shop already.
        seconds: from reading the shop to the published version.
        new_items: items that the models did not know.
        new_events: events that the models did not know.
    """

    models: Path
    version: int
    is_reused: bool
    seconds: float
    new_items: int
    new_events: int


def refresh_shop(models: Path, prepared: Path | None = None) -> Renewed:
    """Publishes the trained models with the tables of the shop's present state; no training step is made.

    Args:
        models: folder that `train_shop` wrote.
        prepared: the shop as it is now; None = where it lay when the models were made.

    Raises:
        SourceError: nothing is trained, there is no prepared shop, the code has changed since, or another process
            writes `models`.
    """
    from tfrec.training import refresh

    began = time.perf_counter()
    read_models_manifest(models)  # before a folder is made where there is none
    with claiming(models):
        check_folder(models / TRAINED, TRAINED_FOLDER)
        old = read_models_manifest(models)
        place = prepared or Path(old.prepared)
        wanted = planned_refresh(models, prepared)
        if old.fingerprint == wanted.fingerprint:
            version = version_of(models, old.identity) or publish_servables(models, prepared=place)
            return Renewed(models, version, True, old.seconds, 0, 0)
        shop = load_shop(place)
        news = _count_news(models, shop)
        trained, config = refresh(shop, models / TRAINED)
        manifest = dataclasses.replace(
            wanted, learned_from=old.learned_from, seconds=round(time.perf_counter() - began, 1)
        )
        version = publish_trained(shop, trained, config, models, manifest)
        return Renewed(models, version, False, time.perf_counter() - began, *news)


def planned_refresh(models: Path, prepared: Path | None = None) -> ModelsManifest:
    """Returns the manifest that a refresh would give these models; of the old fingerprint where nothing is new.

    Raises:
        SourceError: as `refresh_shop`.
    """
    old = read_models_manifest(models)
    return _renewed_manifest(prepared or Path(old.prepared), old, how="refresh", config=config_from(old.config))


def warm_start_shop(
    prepared: Path,
    models: Path,
    old_models: Path,
    config: Any = None,
    *,
    force: bool = False,
    show_progress: bool = True,
) -> Published:
    """Goes on training from older models over the days that they have not seen, and publishes a version.

    Interrupted, it leaves the old result, and the next call goes on after the last finished step.

    Args:
        prepared: the shop as it is now.
        models: folder of models to be written; may be `old_models` itself.
        old_models: folder that `train_shop`, this function or `refresh_shop` wrote.
        config: a `TrainingConfig` with the shape of the old models; None = theirs.
        force: learn again even if nothing changed.
        show_progress: progress bars.

    Raises:
        SourceError: nothing is trained, there is no prepared shop, the code has changed since, or another process
            writes `models`.
        ConfigError: the dials give another shape.
        SchemaError: the shop has no event that is new to the models.
    """
    from tfrec.training import warm_start

    config = config or config_from(read_models_manifest(old_models).config)
    wanted = planned_warm_start(prepared, models, old_models, config)
    with claiming(models):
        check_folder(models / TRAINED, TRAINED_FOLDER)
        known = read_models_manifest(models) if (models / TRAINED / MANIFEST).exists() else None
        if known is not None and known.identity == wanted.identity and not force:
            version = version_of(models, known.identity) or publish_servables(models, prepared=prepared)
            return Published(models, version, True, known.seconds)
        work = work_folder(models, wanted)
        shop = load_shop(prepared)
        began = time.perf_counter()
        trained = warm_start(shop, old_models / TRAINED, config, work=work, show_progress=show_progress)
        manifest = dataclasses.replace(wanted, seconds=round(time.perf_counter() - began, 1))
        return Published(models, publish_trained(shop, trained, config, models, manifest), False, manifest.seconds)


def planned_warm_start(prepared: Path, models: Path, old_models: Path, config: Any = None) -> ModelsManifest:
    """Returns the manifest that a warm start would give; that of the models where they have learned these days already.

    Raises:
        SourceError: as `warm_start_shop`.
    """
    old = read_models_manifest(old_models)
    wanted = _renewed_manifest(prepared, old, how="warm start", config=config or config_from(old.config))
    known = read_models_manifest(models) if (models / TRAINED / MANIFEST).exists() else None
    is_learned = (old.learned_from, old.config) == (wanted.fingerprint, wanted.config)
    return known if known is not None and known == old and is_learned else wanted


def _renewed_manifest(prepared: Path, old: ModelsManifest, *, how: str, config: Any) -> ModelsManifest:
    """The manifest of models renewed from those of `old`."""
    wanted = planned_manifest(prepared, config)
    if wanted.code != old.code:
        raise SourceError(
            f"The models were trained with other code (tfrec {old.tfrec_version}), so weights may mean other things. "
            "Train again: tfrec train PREPARED --out MODELS"
        )
    identity = hashlib.sha256(f"{how} of {old.identity} for {wanted.identity}".encode()).hexdigest()
    return dataclasses.replace(wanted, identity=identity, origin=old.identity)


def _count_news(models: Path, shop: Shop) -> tuple[int, int]:
    """Items and events of the shop that the stored tables do not know."""
    with (
        np.load(models / TRAINED / "meanings.npz") as meanings,
        np.load(models / TRAINED / "knowledge.npz") as feature_tables,
    ):
        is_new = ~np.isin(shop.vocabularies.items.tokens.astype(str), meanings["items"])
        return int(is_new.sum()), int((shop.train.hour >= feature_tables["as_of"]).sum())
