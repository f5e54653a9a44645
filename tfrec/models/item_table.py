"""`ItemTable`: each item's strongest neighbours in the graph, and the contributions of a cart's items."""

import numpy as np
import tensorflow as tf

from tfrec.features.feature_tables import FeatureTables


class ItemTable:
    """Item-to-item weights of some channels as tables that are gathered by item index. `R` rows, `c` channels.

    Args:
        feature_tables: gives neighbours, weights and pair counts.
        channels: which of `features.feature_tables.CHANNELS`.
        width: strongest neighbours kept of each item, by absolute weight.
        name: name of the variables.
    """

    def __init__(self, feature_tables: FeatureTables, *, channels: slice, width: int, name: str) -> None:
        weights = feature_tables.weights[..., channels]
        strength = np.abs(weights).max(axis=-1)
        strongest = np.argsort(-strength, axis=1, kind="stable")[:, :width]
        longest = int((strength > 0).sum(axis=1).max(initial=1))
        strongest = strongest[:, : max(longest, 1)]
        is_neighbour = np.take_along_axis(strength, strongest, axis=1) > 0
        neighbours = np.where(is_neighbour, np.take_along_axis(feature_tables.neighbours, strongest, axis=1), 0)
        counts = np.where(is_neighbour, np.take_along_axis(feature_tables.pair_counts, strongest, axis=1), 0)
        kept = np.take_along_axis(weights, strongest[..., None], axis=1) * is_neighbour[..., None]
        self.is_empty = not is_neighbour.any()
        self.num_rows, self.num_channels = len(neighbours), kept.shape[-1]
        self.neighbours = tf.Variable(neighbours.astype(np.int32), trainable=False, name=f"{name}_neighbours")
        self.weights = tf.Variable(kept.astype(np.float32), trainable=False, name=f"{name}_weights")
        self.pair_counts = tf.Variable(counts.astype(np.int32), trainable=False, name=f"{name}_pair_counts")

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        return [self.neighbours, self.weights, self.pair_counts]

    def contributions(self, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns contributions of `items [B, n]`: sums `[B, R, c]`, and the strongest weight, coded, `[B, R]` int64.

        The strongest is that of one item, summed over the channels; `decode_best` reads it.
        """
        neighbours, weights, segment = self._gathered(items)
        total = self._summed(weights, segment, tf.shape(items)[0])
        shape = tf.shape(neighbours)
        place = tf.range(shape[1] * shape[2])[None, :] + tf.zeros([shape[0], 1], tf.int32)
        strength = tf.reshape(tf.reduce_sum(weights, axis=-1), [-1])
        code = tf.bitwise.left_shift(
            tf.cast(tf.bitcast(strength, tf.int32), tf.int64), tf.constant(32, tf.int64)
        ) + tf.cast(tf.reshape(place, [-1]), tf.int64)  # positive floats are ordered as their bits are, negative below
        best = tf.math.unsorted_segment_max(code, segment, shape[0] * self.num_rows)
        return total, tf.reshape(tf.maximum(best, 0), [shape[0], self.num_rows])

    def summed(self, items: tf.Tensor, factors: tf.Tensor, *, channels: list[int]) -> tf.Tensor:
        """Returns `[B, R, len(channels)]`: the weights of `items [B, n]` times `factors [n, len(channels)]`, summed.

        `channels` names the table's channel of each column; one may come more than once.
        """
        _, weights, segment = self._gathered(items)
        chosen = tf.gather(weights, channels, axis=-1) * factors[None, :, None, :]
        return self._summed(chosen, segment, tf.shape(items)[0])

    def decode_best(self, best: tf.Tensor, entries: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns strength, contributing item and pair count of coded evidence.

        Args:
            best: `[B, k]` codes.
            entries: `[B, n]` items that contribute.

        Returns:
            `[B, k]` float32 strengths, int32 items (0 where the strength is 0), int32 counts of orders with both.
        """
        strength = best_strength(best)
        place = tf.cast(tf.bitwise.bitwise_and(best, tf.constant(0xFFFFFFFF, tf.int64)), tf.int32)
        width = tf.shape(self.neighbours)[1]
        padded = tf.concat([entries, tf.zeros([tf.shape(entries)[0], 1], tf.int32)], axis=1)
        item = tf.where(strength > 0, tf.gather(padded, place // width, batch_dims=1), 0)
        count = tf.gather_nd(self.pair_counts, tf.stack([item, place % width], axis=-1))
        return strength, item, count

    def _gathered(self, items: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Neighbours `[B, n, W]`, weights `[B, n, W, c]`, and the cell of `[B, R]` that each neighbour is, flat."""
        neighbours = tf.gather(self.neighbours, items)
        segment = neighbours + tf.range(tf.shape(items)[0])[:, None, None] * self.num_rows
        return neighbours, tf.gather(self.weights, items), tf.reshape(segment, [-1])

    def _summed(self, weights: tf.Tensor, segment: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        """Returns `[B, num_rows, channels]`: weights added up by their segment."""
        columns = weights.shape[-1]
        total = tf.math.unsorted_segment_sum(tf.reshape(weights, [-1, columns]), segment, size * self.num_rows)
        return tf.reshape(total, [size, self.num_rows, columns])


def best_strength(best: tf.Tensor) -> tf.Tensor:
    """Returns float32 strengths of coded evidence `[...]`, of the same shape."""
    return tf.bitcast(tf.cast(tf.bitwise.right_shift(best, tf.constant(32, tf.int64)), tf.int32), tf.float32)
