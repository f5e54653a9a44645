"""Saves and loads a trained funnel: weights, the meaning of their rows, feature tables, settings."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec.errors import SourceError
from tfrec.features.feature_tables import FeatureTables
from tfrec.features.shop import Shop
from tfrec.ingest.typed_toml import typed
from tfrec.models.ranking import RankingModel
from tfrec.models.retrieval import RetrievalModel
from tfrec.models.sources.registry import FEATURES
from tfrec.training.config import TrainingConfig, with_present_names
from tfrec.training.funnel import TrainedFunnel
from tfrec.training.tower_training import create_variables
from tfrec.training.weight_transfer import read_weights, row_meanings, with_trained_price_buckets

_WEIGHTS, _MEANINGS, _FEATURE_TABLES, _ABOUT = "weights", "meanings.npz", "knowledge.npz", "training.json"
# `knowledge.npz` holds the `FeatureTables`; the file keeps the name that it has in older models folders.


@dataclasses.dataclass(frozen=True)
class LearnedModels:
    """What a training learned, without the tables of a moment.

    Attributes:
        retrieval: the two towers, of the present vocabularies.
        ranking: the fusing model.
        config: the settings that they were trained with.
        learned_until: they learned from events before this moment, hours since 1970-01-01 UTC.
    """

    retrieval: RetrievalModel
    ranking: RankingModel
    config: TrainingConfig
    learned_until: float


def save_trained(trained: TrainedFunnel, config: TrainingConfig, folder: Path) -> None:
    """Writes weights, tables and config into an existing folder, for `load_trained` and `load_models`."""
    model = trained.retrieval
    towers = tf.train.Checkpoint(  # without the optimiser's slots, which are twice the weights
        item_encoder=model.item_encoder, candidate_tower=model.candidate_tower, query_tower=model.query_tower
    )
    tf.train.Checkpoint(retrieval=towers, ranking=trained.ranking).write(str(folder / _WEIGHTS))
    meanings: dict[str, Any] = dict(row_meanings(model.vocabularies))
    np.savez(folder / _MEANINGS, **meanings)
    np.savez(folder / _FEATURE_TABLES, is_offered=trained.is_offered, **vars(trained.feature_tables))
    about = {
        "config": dataclasses.asdict(config),
        "heads": trained.ranking.heads,
        "features": FEATURES,
        "learned_until": trained.learned_until,
    }
    (folder / _ABOUT).write_text(json.dumps(about, indent=2))


def load_models(shop: Shop, folder: Path) -> LearnedModels:
    """Returns the models that `save_trained` wrote, for this state of the shop: its vocabularies may have grown.

    Args:
        shop: the present shop.
        folder: `MODELS/trained`.

    Raises:
        SourceError: the folder holds no trained models, or of another shape.
    """
    about = _read_about(folder)
    config = typed(TrainingConfig, with_present_names(about["config"]), where=str(folder / _ABOUT))
    with np.load(folder / _MEANINGS) as stored:
        meanings = dict(stored)
    retrieval_model = RetrievalModel(with_trained_price_buckets(shop.vocabularies, meanings), config.retrieval)
    ranking_model = RankingModel(tuple(about["heads"]), config.ranking)
    create_variables(retrieval_model)
    ranking_model(tf.zeros([1, 1, len(FEATURES)]))
    read_weights(folder / _WEIGHTS, meanings, retrieval_model, ranking_model)
    return LearnedModels(retrieval_model, ranking_model, config, float(about["learned_until"]))


def load_trained(shop: Shop, folder: Path) -> tuple[TrainedFunnel, TrainingConfig]:
    """Returns what `save_trained` wrote for the same shop.

    Raises:
        SourceError: the folder holds no trained models.
    """
    models = load_models(shop, folder)
    with np.load(folder / _FEATURE_TABLES) as stored:
        is_offered = stored["is_offered"]
        tables = {name: stored[name] for name in stored.files if name != "is_offered"}
    tables.setdefault("sold", tables["popularity"][:, [1, -1]])  # before variants borrowed numbers, they were the same
    feature_tables = FeatureTables(**{**tables, "as_of": float(tables["as_of"])})
    funnel = TrainedFunnel(models.retrieval, models.ranking, feature_tables, is_offered, models.learned_until)
    return funnel, models.config


def _read_about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / _ABOUT).read_text())
    except OSError as error:
        raise SourceError(
            f"{folder} holds no trained models ({error.strerror}). Train first: tfrec train PREPARED --out MODELS"
        ) from error
    if "learned_until" not in about or not (folder / _MEANINGS).exists():
        raise SourceError(
            f"{folder} was written by an older tfrec, which did not keep what the weights mean. "
            "Train again: tfrec train PREPARED --out MODELS"
        )
    if tuple(about.get("features", ())) != FEATURES:
        raise SourceError(
            f"The ranking model in {folder} reads other features than this tfrec computes. "
            "Train again: tfrec train PREPARED --out MODELS"
        )
    return about
