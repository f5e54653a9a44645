"""Batches a second that the input brings, against those that training takes: `python -m tests.benchmarks.input_speed`.

One run: (a) the retrieval model on the sequences of a generated shop; (b) the ranking model on generated candidate
lists of the usual size, stored and streamed. Each once alone (batches are taken and dropped) and once with `fit`'s own
step. The first steps, which trace, are not counted. What streaming takes of memory is the growth of the process while
lists are written and read.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.demo_shops import prepare_demo_shop
from tfrec.features.shop import load_shop
from tfrec.models import RankingModel, RetrievalModel
from tfrec.models.sources.registry import FEATURES
from tfrec.pipelines import RankingExamples, ranking, retrieval, store_examples
from tfrec.training import LazyAdam, TrainingConfig

_CANDIDATES = 600
_TRACING_STEPS = 3


def made_up_lists(size: int) -> Iterator[RankingExamples]:
    """Yields so many lists of the usual size, 128 at a time; one candidate of each is bought."""
    rng = np.random.default_rng(0)
    for _ in range(0, size, 128):
        features = rng.random((128, _CANDIDATES, len(FEATURES)), np.float32).astype(np.float16)
        gains = (np.arange(_CANDIDATES) == rng.integers(_CANDIDATES, size=128)[:, None]).astype(np.float16)
        yield RankingExamples(features, np.ones(gains.shape, bool), gains[..., None], gains, ("purchase",))


def batches_a_second(dataset: tf.data.Dataset, model: tf.keras.Model | None, seconds: float) -> float:
    """Returns batches a second, epoch after epoch; with a model, each is a training step."""
    step = None
    if model is not None:
        step = tf.function(lambda batch: model.train_step(batch)["loss"], input_signature=[dataset.element_spec])
    began, count = time.perf_counter(), -_TRACING_STEPS
    while count <= 0 or time.perf_counter() - began < seconds:
        for batch in dataset:
            if step is not None:
                float(step(batch))
            count += 1
            if count == 0:
                began = time.perf_counter()
            if count > 0 and time.perf_counter() - began >= seconds:
                break
    return count / (time.perf_counter() - began)


def peak_memory() -> float:
    """Returns the largest memory that this process had, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    """Prints both speeds of both models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--lists", type=int, default=12_800, help="candidate lists, 80 KB each")
    options = parser.parse_args()
    config = TrainingConfig()
    with tempfile.TemporaryDirectory() as folder:
        prepare_demo_shop(Path(folder), num_items=2_000, num_users=2_000, num_events=60_000)
        shop = load_shop(Path(folder) / "prepared")
        windows = retrieval(shop.train, batch_size=config.retrieval_batch, sequence_length=config.sequence_length)
        towers = RetrievalModel(shop.vocabularies, config.retrieval)
        towers.compile(optimizer=LazyAdam(config.retrieval_rate))
        before = peak_memory()
        stored = store_examples(
            Path(folder) / "lists", made_up_lists(options.lists), heads=("purchase",), num_features=len(FEATURES)
        )
        lists = ranking(stored, batch_size=config.ranking_batch)
        alone = batches_a_second(lists, None, options.seconds)
        grown, size = peak_memory() - before, sum(shard.stat().st_size for shard in stored.shards) / 1e9
        ranker = RankingModel(stored.heads, config.ranking)
        ranker.adapt(stored.moments.mean, stored.moments.variance)
        ranker.compile(optimizer=tf.keras.optimizers.Adam(config.ranking_rate))
        rows = {
            "retrieval model": (
                batches_a_second(windows, None, options.seconds),
                batches_a_second(windows, towers, options.seconds),
            ),
            "ranking model": (alone, batches_a_second(lists, ranker, options.seconds)),
        }
    for name, (of_input, of_training) in rows.items():
        ratio = of_input / of_training
        print(f"{name}: {of_input:,.1f} batches/s of input alone, {of_training:,.1f} in training: {ratio:.1f} times")
    print(f"{size:.2f} GB of lists were written and read while the process grew by {grown:.2f} GB")


if __name__ == "__main__":
    main()
