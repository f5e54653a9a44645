"""Trained funnel ↔ a folder: weights, tables, dials."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfrec.errors import SourceError
from tfrec.features.knowledge import Knowledge
from tfrec.features.shop import Shop
from tfrec.ingest.typed_toml import typed
from tfrec.models.ranking import RankingModel
from tfrec.models.retrieval import RetrievalModel
from tfrec.models.sources import FEATURES
from tfrec.pipelines.retrieval import retrieval
from tfrec.training.config import TrainingConfig
from tfrec.training.funnel import TrainedFunnel


def save_trained(trained: TrainedFunnel, config: TrainingConfig, folder: Path) -> None:
    """Writes weights, tables and config into an existing folder, for `load_trained`."""
    tf.train.Checkpoint(retrieval=trained.retrieval, ranking=trained.ranking).write(str(folder / "weights"))
    np.savez(folder / "knowledge.npz", is_offered=trained.is_offered, **vars(trained.knowledge))
    about = {"config": dataclasses.asdict(config), "heads": trained.ranking.heads}
    (folder / "training.json").write_text(json.dumps(about, indent=2))


def load_trained(shop: Shop, folder: Path) -> tuple[TrainedFunnel, TrainingConfig]:
    """Returns what `save_trained` wrote for the same shop.

    Raises:
        SourceError: the folder holds no trained models.
    """
    try:
        about = json.loads((folder / "training.json").read_text())
    except OSError as error:
        raise SourceError(
            f"{folder} holds no trained models ({error.strerror}). Train first: tfrec train PREPARED --out MODELS"
        ) from error
    config = typed(TrainingConfig, about["config"], where=str(folder / "training.json"))
    retrieval_model = RetrievalModel(shop.vocabularies, config.retrieval)
    ranking_model = RankingModel(tuple(about["heads"]), config.ranking)
    for batch in retrieval(shop.train, batch_size=64).take(1):  # creates the variables that the checkpoint fills
        retrieval_model.compute_loss(batch, training=False)
    ranking_model(tf.zeros([1, 1, len(FEATURES)]))
    checkpoint = tf.train.Checkpoint(retrieval=retrieval_model, ranking=ranking_model)
    checkpoint.read(str(folder / "weights")).expect_partial()
    with np.load(folder / "knowledge.npz") as stored:
        is_offered = stored["is_offered"]
        tables = {name: stored[name] for name in stored.files if name != "is_offered"}
    knowledge = Knowledge(**{**tables, "as_of": float(tables["as_of"])})
    return TrainedFunnel(retrieval_model, ranking_model, knowledge, is_offered), config
