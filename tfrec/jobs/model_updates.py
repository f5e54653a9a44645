"""Updates published models to the present state of the shop: by a refresh in seconds, or by a warm start.

A refresh changes no weight: new orders enter through item weights, popularity and profiles, new items through their
columns of the catalogue. A warm start continues training from the stored weights on the days that they have not seen.
"""

import dataclasses
import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np

from tfrec.errors import SourceError
from tfrec.features.shop import Shop, load_shop
from tfrec.models_folder import (
    MANIFEST,
    TRAINED,
    TRAINED_FOLDER,
    ModelsManifest,
    learning_settings,
    planned_manifest,
    read_models_manifest,
    version_of,
    work_folder,
)
from tfrec.publish import check_folder, claiming
from tfrec.training.settings_file import config_from
from tfrec.workflow import Published, publish_servables, publish_trained, reuse_models


@dataclasses.dataclass(frozen=True)
class Updated:
    """Outcome of a refresh.

    Attributes:
        models: folder of servables.
        version: the newest version there.
        is_reused: whether the models already had this state of the shop.
        seconds: time from reading the shop to the published version.
        new_items: number of items that the models did not know.
        new_events: number of events that the models did not know.
    """

    models: Path
    version: int
    is_reused: bool
    seconds: float
    new_items: int
    new_events: int


def refresh_shop(models: Path, prepared: Path | None = None, *, has_new_rules: bool = False) -> Updated:
    """Publishes the trained models with feature tables of the shop's present state, without a training step.

    Args:
        models: folder that `train_shop` wrote.
        prepared: folder of the shop as it is now; None = the folder that the models were made from.
        has_new_rules: publish a version even where the shop is the same, as the rules of `models` are others.

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
            present = None if has_new_rules else version_of(models, old.identity)
            version = present or publish_servables(models, prepared=place)
            return Updated(models, version, True, old.seconds, 0, 0)
        shop = load_shop(place)
        news = _count_news(models, shop)
        trained, config = refresh(shop, models / TRAINED)
        manifest = dataclasses.replace(
            wanted, learned_from=old.learned_from, seconds=round(time.perf_counter() - began, 1)
        )
        version = publish_trained(shop, trained, config, models, manifest)
        return Updated(models, version, False, time.perf_counter() - began, *news)


def planned_refresh(models: Path, prepared: Path | None = None) -> ModelsManifest:
    """Returns the manifest that a refresh would give these models; the fingerprint is the old one if nothing is new.

    Raises:
        SourceError: as `refresh_shop`.
    """
    old = read_models_manifest(models)
    return _updated_manifest(prepared or Path(old.prepared), old, how="refresh", config=config_from(old.config))


def warm_start_shop(
    prepared: Path,
    models: Path,
    old_models: Path,
    config: Any = None,
    *,
    force: bool = False,
    show_progress: bool = True,
) -> Published:
    """Continues training from older models on the days that they have not seen, and publishes a version.

    If interrupted, it leaves the old result in place, and the next call resumes after the last finished step.

    Args:
        prepared: folder of the shop as it is now.
        models: folder of models to be written; may be `old_models` itself.
        old_models: folder that `train_shop`, this function or `refresh_shop` wrote.
        config: a `TrainingConfig` with the shape of the old models; None = theirs.
        force: learn again even if nothing changed.
        show_progress: progress bars.

    Raises:
        SourceError: nothing is trained, there is no prepared shop, the code has changed since, or another process
            writes `models`.
        ConfigError: the settings give models of another shape.
        SchemaError: the shop has no event that is new to the models.
    """
    from tfrec.training import warm_start

    config = config or config_from(read_models_manifest(old_models).config)
    wanted = planned_warm_start(prepared, models, old_models, config)
    with claiming(models):
        check_folder(models / TRAINED, TRAINED_FOLDER)
        present = read_models_manifest(models) if (models / TRAINED / MANIFEST).exists() else None
        if present is not None and present.identity == wanted.identity and not force:
            return reuse_models(models, prepared, config)
        work = work_folder(models, wanted)
        shop = load_shop(prepared)
        began = time.perf_counter()
        trained = warm_start(shop, old_models / TRAINED, config, work=work, show_progress=show_progress)
        manifest = dataclasses.replace(wanted, seconds=round(time.perf_counter() - began, 1))
        return Published(models, publish_trained(shop, trained, config, models, manifest), False, manifest.seconds)


def planned_warm_start(prepared: Path, models: Path, old_models: Path, config: Any = None) -> ModelsManifest:
    """Returns the manifest that a warm start would give; that of the models if they have learned these days already.

    Raises:
        SourceError: as `warm_start_shop`.
    """
    old = read_models_manifest(old_models)
    wanted = _updated_manifest(prepared, old, how="warm start", config=config or config_from(old.config))
    present = read_models_manifest(models) if (models / TRAINED / MANIFEST).exists() else None
    learned, asked = learning_settings(old.config), learning_settings(wanted.config)
    is_learned = (old.learned_from, learned) == (wanted.fingerprint, asked)
    return present if present is not None and present == old and is_learned else wanted


def _updated_manifest(prepared: Path, old: ModelsManifest, *, how: str, config: Any) -> ModelsManifest:
    """Returns the manifest of models that are updated from those of `old`."""
    wanted = planned_manifest(prepared, config)
    if wanted.code != old.code:
        raise SourceError(
            f"The models were trained with other code (tfrec {old.tfrec_version}), "
            "so the rows of the weights may have another meaning. "
            "Train again: tfrec train PREPARED --out MODELS"
        )
    identity = hashlib.sha256(f"{how} of {old.identity} for {wanted.identity}".encode()).hexdigest()
    return dataclasses.replace(wanted, identity=identity, origin=old.identity)


def _count_news(models: Path, shop: Shop) -> tuple[int, int]:
    """Returns the numbers of items and events of the shop that the stored tables do not contain."""
    with (
        np.load(models / TRAINED / "meanings.npz") as meanings,
        np.load(models / TRAINED / "knowledge.npz") as feature_tables,
    ):
        is_new = ~np.isin(shop.vocabularies.items.tokens.astype(str), meanings["items"])
        return int(is_new.sum()), int((shop.train.hour >= feature_tables["as_of"]).sum())
