"""Keeps the weights of the towers at the start of each block of time, so that trials of a study share them."""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfrec.features.queries import ExampleQueries, heads_of
from tfrec.features.shop import Shop
from tfrec.models.retrieval import RetrievalModel
from tfrec.models.sources import CandidateSources
from tfrec.models.sources.registry import FEATURES
from tfrec.pipelines.stored_examples import StoredExamples, store_examples
from tfrec.publish import replacing
from tfrec.training.config import TrainingConfig
from tfrec.training.examples import (
    as_query,
    block_queries,
    candidate_lister,
    make_examples,
    sources_at,
    start_of,
)
from tfrec.training.fit import pretrain_images
from tfrec.training.progress import progress_bar
from tfrec.training.time_blocks import end_of_training, training_stages
from tfrec.training.tower_training import TowerTraining, create_variables

_BATCH = 128


@dataclasses.dataclass(frozen=True)
class AskedQueries:
    """Candidate lists of queries whose answer is known, for `Q` queries and `C` candidates.

    Attributes:
        features: `[Q, C, F]` float16.
        is_candidate: `[Q, C]` bool.
        is_truth: `[Q, C]` bool; a row without any: no source retrieved the true item.
    """

    features: np.ndarray
    is_candidate: np.ndarray
    is_truth: np.ndarray


class TuningSnapshots:
    """Trains the towers as `train` does, once, and keeps their weights at each block's start and at the end.

    Args:
        shop: shop to learn from; the queries of `ask` follow its training period.
        config: training settings.
        work: folder for checkpoints and for the kept weights: an interrupted training is resumed, a finished one is not
            repeated.
        show_progress: whether progress bars are shown.
    """

    def __init__(self, shop: Shop, config: TrainingConfig, *, work: Path, show_progress: bool = True) -> None:
        tf.keras.utils.set_random_seed(config.seed)
        self.shop, self._show = shop, show_progress
        self._stages = training_stages(shop.train, config)
        self._model = RetrievalModel(shop.vocabularies, config.retrieval)
        paths = [work / f"weights-{stage.number}.npz" for stage in self._stages]
        work.mkdir(parents=True, exist_ok=True)
        towers = TowerTraining(self._model, config, work)
        if not paths[0].exists():
            pretrain_images(self._model, self._stages[0].past(shop.train), config)
        if not all(path.exists() for path in paths):
            for stage in towers.learn_stages(shop.train, self._stages, show=show_progress):
                if not paths[stage.number].exists():
                    _save(paths[stage.number], self._model.get_weights())
        else:
            create_variables(self._model)
        self._weights = []
        for path in paths:
            with np.load(path) as stored:
                self._weights.append([stored[name] for name in stored.files])

    def examples(self, config: TrainingConfig, folder: Path) -> StoredExamples:
        """Returns ranking examples of all blocks, with feature tables and candidates by the settings of `config`.

        Args:
            config: training settings.
            folder: where the examples are written.
        """
        parts, heads = [], heads_of(self.shop.train)
        for stage in self._stages:
            if stage.block:
                queries = block_queries(stage, self.shop, config)
                sources = self._sources(stage.number, start_of(stage), config)
                title = f"ranking examples, block {stage.number + 1}"
                with progress_bar(title, len(queries), self._show, unit="query") as bar:
                    lists = make_examples(sources, queries, heads, bar=bar)
                    place = folder / str(stage.number)
                    parts.append(store_examples(place, lists, heads=heads, num_features=len(FEATURES)))
        return StoredExamples.joined(parts)

    def ask(self, queries: ExampleQueries, config: TrainingConfig) -> AskedQueries:
        """Returns candidate lists of queries after the training period, whose first label is the true item."""
        sources = self._sources(len(self._stages) - 1, end_of_training(self.shop), config)
        list_up, parts = candidate_lister(sources), []
        for start in range(0, len(queries), _BATCH):
            batch = queries.take(np.arange(start, min(start + _BATCH, len(queries))))
            candidates, features = (tensor.numpy() for tensor in list_up(as_query(batch)))
            is_truth = (candidates == batch.label_item[:, :1]) & (candidates > 0)
            parts.append((features.astype(np.float16), candidates > 0, is_truth))
        width = max(part[1].shape[1] for part in parts)
        columns = zip(*parts, strict=True)
        return AskedQueries(*(np.concatenate([_widen(part, width) for part in column]) for column in columns))

    def _sources(self, number: int, moment: float, config: TrainingConfig) -> CandidateSources:
        self._model.set_weights(self._weights[number])
        return sources_at(self.shop, self._model, moment, config)


def _widen(array: np.ndarray, width: int) -> np.ndarray:
    """Returns `[Q, width, ...]`: lists `[Q, C, ...]` with zeros behind their ends."""
    return np.pad(array, [(0, 0), (0, width - array.shape[1])] + [(0, 0)] * (array.ndim - 2))


def _save(path: Path, weights: list[np.ndarray]) -> None:
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, *weights)
