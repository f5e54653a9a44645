"""Gives each worker its rows of every batch, so that all workers together see the batches that one alone would."""

import tensorflow as tf


def worker_rows(dataset: tf.data.Dataset, *, worker: int, num_workers: int) -> tf.data.Dataset:
    """Returns batches `[ceil(b / num_workers), ...]` of consecutive rows; rows of zeros fill the last worker's.

    Zeros are padding in the batches of `tfrec.pipelines.retrieval` and `ranking`. Each worker reads all files: what a
    step computes costs far more than its input.

    Args:
        dataset: batches, dictionaries of tensors `[b, ...]`.
        worker: number of the worker, from 0.
        num_workers: number of workers.
    """

    def own(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        size = tf.shape(next(iter(batch.values())))[0]
        each = -(-size // num_workers)

        def cut(column: tf.Tensor) -> tf.Tensor:
            fill = [[0, each * num_workers - size], *[[0, 0]] * (column.shape.rank - 1)]
            return tf.pad(column, fill)[worker * each : (worker + 1) * each]

        return {name: cut(column) for name, column in batch.items()}

    return dataset.map(own)
