"""Streams stored ranking examples as tf.data batches for the ranking model."""

import tensorflow as tf

from tfrec.errors import ConfigError, SchemaError
from tfrec.pipelines.stored_examples import StoredExamples, parse_list

_AT_ONCE = 8  # shards that are read side by side
_SEEDS = 1_000_003  # a prime, so that epochs of neighbouring seeds have different orders


def ranking(
    examples: StoredExamples,
    *,
    batch_size: int = 64,
    seed: int = 0,
    buffer_size: int = 1024,
    epoch: int | None = None,
    worker: int = 0,
    num_workers: int = 1,
) -> tf.data.Dataset:
    """Returns shuffled batches of candidate lists for `RankingModel.fit`, read from their files as they are needed.

    Args:
        examples: lists with features and labels.
        batch_size: lists a batch.
        seed: random seed of shuffling; each epoch differs, each run repeats.
        buffer_size: lists that are shuffled in memory (some 80 KB each); they should be stored in random order.
        epoch: number of the one epoch whose order is wanted, the same whenever it is read; None = each pass differs.
        worker: number of this worker; it reads every `num_workers`-th shard.
        num_workers: number of workers.

    Returns:
        Dictionaries of float32 `features [b, C, F]`, `labels [b, C, H]`, `gains [b, C]` and bool `is_candidate [b, C]`,
        `C` being the longest list of the batch.

    Raises:
        ConfigError: a size is not positive, or there are more workers than shards.
        SchemaError: there are no examples.
    """
    if batch_size < 1 or buffer_size < 1:
        raise ConfigError(f"`batch_size` and `buffer_size` must be at least 1; got {batch_size} and {buffer_size}.")
    if not 0 <= worker < num_workers <= len(examples.shards):
        raise ConfigError(
            f"`worker` must lie below `num_workers`, which is at most the number of shards, {len(examples.shards)}; "
            f"got {worker} and {num_workers}."
        )
    if not len(examples):
        raise SchemaError("There are no ranking examples. The training period needs orders with two items or visits.")
    shards = [str(shard) for shard in examples.shards[worker::num_workers]]
    num_lists = sum(examples.sizes[worker::num_workers])
    order = {"seed": seed if epoch is None else seed + (epoch + 1) * _SEEDS, "reshuffle_each_iteration": epoch is None}
    files = tf.data.Dataset.from_tensor_slices(shards).shuffle(len(shards), **order)
    records = files.interleave(tf.data.TFRecordDataset, cycle_length=_AT_ONCE)
    records = records.shuffle(min(buffer_size, num_lists), **order)
    num_heads, num_features = len(examples.heads), examples.num_features

    def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
        values = parse_list(record, num_features=num_features, num_heads=num_heads)
        return {**values, "is_candidate": tf.ones_like(values["gains"], tf.bool)}

    def as_float32(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {name: value if name == "is_candidate" else tf.cast(value, tf.float32) for name, value in batch.items()}

    lists = records.map(parse, num_parallel_calls=2, deterministic=True)
    batches = lists.padded_batch(batch_size).map(as_float32)
    return batches.apply(tf.data.experimental.assert_cardinality(-(-num_lists // batch_size))).prefetch(4)
