"""Lets a step that several replicas compute, each with its own rows, learn from the batch as one process would."""

import tensorflow as tf


def this_replica() -> tuple[int, int]:
    """Returns the number of this replica and how many there are; `(0, 1)` but for a step that is distributed."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, 1
    return int(tf.get_static_value(context.replica_id_in_sync_group)), context.num_replicas_in_sync


def of_all_replicas(rows: tf.Tensor) -> tf.Tensor:
    """Returns the rows `[n, ...]` of all replicas, one after the other; `n` may differ. Gradients find their way back.

    For a step that is distributed alone.
    """
    # all_gather wants to know the device of what it is given, which arguments of a graph do not have.
    return tf.distribute.get_replica_context().all_gather(tf.identity(rows), axis=0)


def mean_of_all_replicas(losses: tf.Tensor, is_real: tf.Tensor) -> tf.Tensor:
    """Returns this replica's share of the mean of `[b]` losses: the shares of all replicas add up to it.

    Gradients of the shares are summed over the replicas.

    Args:
        losses: `[b]`, 0 for padding.
        is_real: `[b]` bool, False for padding.
    """
    _, num_replicas = this_replica()
    if num_replicas == 1:
        return tf.reduce_mean(losses)
    count = tf.reduce_sum(tf.cast(is_real, losses.dtype))
    total = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, count)
    return tf.reduce_sum(losses) / tf.maximum(total, 1.0)
