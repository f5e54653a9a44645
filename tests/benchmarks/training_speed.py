"""Labels a second of our training against two others: `python -m tests.benchmarks.training_speed`.

One run, the same events of Online Retail, the same machine, one after the other, twice in turn; the better of each:
(a) the LSTM of the query tower on all positions of a window, against one window a label;
(b) the whole retrieval model against the TFRS tutorial's own way: string look-ups in the graph, an id embedding a
tower, `FactorizedTopK` in each step, batches of 8,192, Adagrad .1; again with metrics off, ids only, batches of 1,024.
Nothing is counted before the first steps, which trace.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from tests.benchmarks.results import Cost, add_save, save_results
from tests.benchmarks.whole_shop import data_home
from tfrec.features.shop import Shop, encode_shop
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import read_prepared
from tfrec.models import RetrievalConfig, RetrievalModel
from tfrec.models.behaviour_tower import BehaviourTower
from tfrec.models.retrieval_losses import sampled_softmax
from tfrec.pipelines import retrieval
from tfrec.training import TrainingConfig
from tfrec.training.optimizer import LazyAdam

DIM, LENGTH = 64, 32
_TRACING_STEPS = 3

Step = Callable[[dict[str, tf.Tensor]], tf.Tensor]
Spec = dict[str, tf.TensorSpec]
Epochs = Callable[[int], tf.data.Dataset]


def labels_a_second(step: Step, batches: Iterator[tuple[dict[str, tf.Tensor], int]], seconds: float) -> float:
    """Returns labels a second of steps over batches, the pipeline's time included, after the first steps."""
    for _ in range(_TRACING_STEPS):
        float(step(next(batches)[0]))
    began, labels = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        batch, count = next(batches)
        float(step(batch))
        labels += count
    return labels / (time.perf_counter() - began)


def counted(dataset: Epochs, label: str) -> Iterator[tuple[dict[str, tf.Tensor], int]]:
    """Yields batches epoch after epoch, each with the number of its labels, which is known before it is asked for."""
    epoch = 0
    while True:
        for batch in dataset(epoch):
            values = batch[label]
            yield batch, int(tf.size(values)) if values.dtype == tf.string else int(tf.math.count_nonzero(values))
        epoch += 1


def lstm_step(spec: Spec, *, all_positions: bool) -> Step:
    """Returns a training step of an LSTM over item embeddings, with the same loss for both ways."""
    table = tf.Variable(tf.random.normal([20_000, DIM], stddev=0.05))
    tower = BehaviourTower(DIM)
    tower(tf.zeros([1, LENGTH, DIM]), mask=tf.ones([1, LENGTH], tf.bool))
    optimizer = tf.keras.optimizers.Adagrad(0.1)

    @tf.function(input_signature=[spec])
    def step(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        with tf.GradientTape() as tape:
            mask = None if all_positions else batch["item"] > 0
            state = tower(tf.gather(table, batch["item"]), mask=mask, training=True)
            state = tf.reshape(state, [-1, DIM]) if all_positions else state[:, -1]
            label = tf.reshape(batch["label"], [-1])
            has_label = label > 0
            state, label = tf.boolean_mask(state, has_label), tf.boolean_mask(label, has_label)
            share = tf.fill(tf.shape(label), 1e-3)
            columns = (state, tf.gather(table, label), label, tf.range(tf.size(label)), share)
            loss = tf.reduce_mean(sampled_softmax(*columns, parts=RetrievalConfig().softmax_parts))
        weights = [table, *tower.trainable_variables]
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    return step


def single_windows(shop: Shop) -> Epochs:
    """Returns epochs of batches of 1,024 windows, `item [1024, 32]` before one `label` each."""
    train = shop.train
    first = train.splits[:-1][train.sequence]
    rows = np.flatnonzero(np.arange(len(train)) > first)

    def gather(at: tf.Tensor) -> dict[str, tf.Tensor]:
        def windows(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            before = at[:, None] + np.arange(-LENGTH, 0)
            return np.where(before >= first[at][:, None], train.item[before], 0), train.item[at]

        item, label = tf.numpy_function(windows, [at], [tf.int32, tf.int32])
        item.set_shape([None, LENGTH])
        label.set_shape([None])
        return {"item": item, "label": label}

    def epoch(number: int) -> tf.data.Dataset:
        order = np.random.default_rng(number).permutation(rows)
        dataset = tf.data.Dataset.from_tensor_slices(order).batch(1024, drop_remainder=True)
        return dataset.map(gather, num_parallel_calls=2).prefetch(4)

    return epoch


class TutorialModel(tfrs.Model):
    """The two towers of the TFRS quick start: ids as text, an embedding each, metrics over all candidates."""

    def __init__(self, users: np.ndarray, items: np.ndarray, *, with_metrics: bool) -> None:
        super().__init__()
        self.user_model = tf.keras.Sequential(
            [tf.keras.layers.StringLookup(vocabulary=users), tf.keras.layers.Embedding(len(users) + 1, DIM)]
        )
        self.item_model = tf.keras.Sequential(
            [tf.keras.layers.StringLookup(vocabulary=items), tf.keras.layers.Embedding(len(items) + 1, DIM)]
        )
        candidates = tf.data.Dataset.from_tensor_slices(items).batch(128).map(self.item_model)
        metrics = tfrs.metrics.FactorizedTopK(candidates=candidates) if with_metrics else None
        self.task = tfrs.tasks.Retrieval(metrics=metrics)

    def compute_loss(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns the in-batch softmax loss of the tutorial."""
        return self.task(self.user_model(features["user_id"]), self.item_model(features["item_id"]))


class IdModel(tfrs.Model):
    """The same without text and without metrics."""

    def __init__(self, num_users: int, num_items: int) -> None:
        super().__init__()
        self.user_model = tf.keras.layers.Embedding(num_users, DIM)
        self.item_model = tf.keras.layers.Embedding(num_items, DIM)
        self.task = tfrs.tasks.Retrieval()

    def compute_loss(self, features: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Returns the in-batch softmax loss."""
        users, items = self.user_model(features["user_id"]), self.item_model(features["item_id"])
        return self.task(users, items, compute_metrics=False)


def train_step(spec: Spec, model: tfrs.Model, optimizer: tf.keras.optimizers.Optimizer) -> Step:
    """Returns a Keras model's own training step, compiled for batches of any size as `fit` does it."""
    model.compile(optimizer=optimizer)
    return tf.function(lambda batch: model.train_step(batch)["loss"], input_signature=[spec])


def main() -> None:
    """Prints the speeds and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--prepared", type=Path, help="a prepared shop (default: Online Retail, prepared for this run)")
    add_save(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.prepared is None:
            prepared = prepare_shop("online_retail", Path(folder) / "shop", data_home=data_home())
        else:
            prepared = read_prepared(options.prepared)
        shop = encode_shop(prepared)
    events = prepared.train.events
    ids = {"user_id": events["user_id"].to_numpy(object), "item_id": events["item_id"].to_numpy(object)}
    codes = {"user_id": shop.users.encode(ids["user_id"]), "item_id": shop.vocabularies.items.encode(ids["item_id"])}
    config = TrainingConfig()

    def pairs(columns: dict[str, np.ndarray], batch_size: int) -> Epochs:
        data = tf.data.Dataset.from_tensor_slices({n: tf.constant(v.tolist()) for n, v in columns.items()})
        return lambda epoch: data.shuffle(100_000, seed=epoch).batch(batch_size).prefetch(4)

    def ours(epoch: int) -> tf.data.Dataset:
        return retrieval(
            shop.train, batch_size=config.retrieval_batch, sequence_length=config.sequence_length, first_epoch=epoch
        )

    users, items = np.unique(ids["user_id"].astype(str)), shop.vocabularies.items.tokens.astype(str)
    adagrad = tf.keras.optimizers.Adagrad
    alone = single_windows(shop)
    ways: dict[str, tuple[Epochs, str, Callable[[Spec], Step]]] = {
        "LSTM, all positions": (ours, "label", lambda spec: lstm_step(spec, all_positions=True)),
        "LSTM, one window a label": (alone, "label", lambda spec: lstm_step(spec, all_positions=False)),
        "whole retrieval model": (
            ours,
            "label",
            lambda spec: train_step(
                spec, RetrievalModel(shop.vocabularies, config.retrieval), LazyAdam(config.retrieval_rate)
            ),
        ),
        "TFRS tutorial": (
            pairs(ids, 8192),
            "item_id",
            lambda spec: train_step(spec, TutorialModel(users, items, with_metrics=True), adagrad(0.1)),
        ),
        "TFRS, ids, no metrics": (
            pairs(codes, 1024),
            "item_id",
            lambda spec: train_step(spec, IdModel(shop.users.size, shop.vocabularies.items.size), adagrad(0.1)),
        ),
    }
    speed = dict.fromkeys(ways, 0.0)
    for _ in range(options.rounds):
        for name, (epochs, label, step) in ways.items():
            found = labels_a_second(step(epochs(0).element_spec), counted(epochs, label), options.seconds)
            speed[name] = max(speed[name], found)
    for name, value in speed.items():
        print(f"{name:<26}{value:>12,.0f} labels/s")
    windows = speed["LSTM, all positions"] / speed["LSTM, one window a label"]
    print(f"(a) all positions / one window a label: {windows:.1f}")
    whole = speed["whole retrieval model"]
    print(f"(b) whole model / tutorial: {whole / speed['TFRS tutorial']:.1f}")
    print(f"    whole model / ids without metrics: {whole / speed['TFRS, ids, no metrics']:.2f}")
    if options.save:
        pairs_of_ways = (tuple(ways)[:2], tuple(ways)[2:])
        costs = [
            Cost(f"{' / '.join(names)}, labels a second", " / ".join(f"{speed[name]:,.0f}" for name in names))
            for names in pairs_of_ways
        ]
        save_results("training_speed", "make bench-training_speed", costs=costs)


if __name__ == "__main__":
    main()
