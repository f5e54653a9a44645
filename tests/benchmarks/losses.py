"""The losses of the retrieval model in the same time on the same data: `python -m tests.benchmarks.losses`.

The towers alone are trained on the time before the validation period and asked for what is missing in its carts, the
whole catalogue ranked. A temperature that suits one loss starves another: each loss first chooses its own among
`TEMPERATURES`, in shorter trainings, by one half of the queries; the figures are of the other half. Each loss and each
seed gets the same seconds for its steps (tracing and asking are not counted); intervals are over queries, of the mean
over the seeds, and each loss is paired with the default.
"""

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.benchmarks.tower_parts import K, hits
from tests.benchmarks.whole_shop import data_home
from tfrec.features.feature_tables import FeatureConfig, compute_feature_tables
from tfrec.features.shop import Shop, encode_shop
from tfrec.ingest.prepare import prepare_shop
from tfrec.jobs.tuning import validation_queries, validation_shop
from tfrec.models import RetrievalModel
from tfrec.models.retrieval import LOSSES
from tfrec.pipelines import retrieval
from tfrec.statistics.cluster_bootstrap import bootstrap_means
from tfrec.training import TrainingConfig
from tfrec.training.optimizer import LazyAdam
from tfrec.training.time_blocks import end_of_training

TEMPERATURES = (0.035, 0.07, 0.15, 0.3, 0.6, 1.2)


def train_for(
    shop: Shop, loss: str, temperature: float, seconds: float, seed: int
) -> tuple[RetrievalModel, float, float]:
    """Returns the model after so many seconds of steps, its epochs, and labels a second."""
    config = TrainingConfig()
    tf.keras.utils.set_random_seed(seed)
    chosen = dataclasses.replace(config.retrieval, loss=loss, temperature=temperature)
    model = RetrievalModel(shop.vocabularies, chosen)
    model.compile(optimizer=LazyAdam(config.retrieval_rate))
    settings = {"batch_size": config.retrieval_batch, "sequence_length": config.sequence_length, "seed": seed}
    dataset = retrieval(shop.train, **settings)
    step = tf.function(lambda batch: model.train_step(batch)["loss"], input_signature=[dataset.element_spec])
    for batch in dataset.take(1):
        step(batch)
    spent, labels, epochs, steps = 0.0, 0, 0, 0
    num_batches = int(dataset.cardinality())
    while spent < seconds:
        for batch in retrieval(shop.train, **settings, first_epoch=epochs):
            began = time.perf_counter()
            float(step(batch))
            spent += time.perf_counter() - began
            labels += int((batch["label"].numpy() > 0).sum())
            steps += 1
            if spent >= seconds:
                break
        epochs += 1
    return model, steps / num_batches, labels / spent


def main() -> None:
    """Prints HR@20 of the towers alone for each loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="online_retail")
    parser.add_argument("--seconds", type=float, default=60.0, help="of steps, for each loss and seed")
    parser.add_argument("--tuning-seconds", type=float, default=20.0, help="of steps, for each loss and temperature")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--queries", type=int, default=3000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare_shop(options.recipe, Path(folder) / "shop", data_home=data_home())
        shop = encode_shop(validation_shop(prepared))
    queries = validation_queries(shop, options.queries)
    feature_tables = compute_feature_tables(
        shop.train, as_of=end_of_training(shop), config=FeatureConfig(neighbours=10)
    )
    print(f"{options.recipe}: {len(queries):,} queries, {shop.vocabularies.num_items:,} items, {options.seconds:.0f} s")
    tuning, queries = queries.take(np.arange(0, len(queries), 2)), queries.take(np.arange(1, len(queries), 2))
    everything = np.arange(shop.vocabularies.items.size) > 0
    found = {}
    for loss in LOSSES:
        rates = {}
        for temperature in TEMPERATURES:
            model, _, _ = train_for(shop, loss, temperature, options.tuning_seconds, options.seeds)
            rates[temperature] = hits(shop, model, feature_tables, tuning, everything).mean()
        best = max(TEMPERATURES, key=rates.__getitem__)
        print(f"{loss:<16} HR@{K} by temperature: " + ", ".join(f"{t:g} {rate:.3f}" for t, rate in rates.items()))
        runs = [train_for(shop, loss, best, options.seconds, seed) for seed in range(options.seeds)]
        found[loss] = np.mean([hits(shop, model, feature_tables, queries, everything) for model, _, _ in runs], axis=0)
        epochs, speed = np.mean([run[1] for run in runs]), np.mean([run[2] for run in runs])
        both = np.stack([found[loss], found[loss] - found[LOSSES[0]]], axis=1)
        value, less_default = bootstrap_means(both, np.arange(len(queries)))
        print(
            f"{loss:<16} HR@{K} {value}   less {LOSSES[0]}: {less_default}"
            f"   {epochs:4.1f} epochs, {speed:,.0f} labels/s",
            flush=True,
        )


if __name__ == "__main__":
    main()
