"""`ItemTable`: each item's strongest neighbours in the graph, and the contributions of a cart's items."""

import numpy as np
import tensorflow as tf

from tfrec.features.feature_tables import FeatureTables
from tfrec.models.size_of import size_of
from tfrec.models.sources.shortlist import Shortlist


class ItemTable:
    """Item-to-item weights of some channels as tables that are gathered by item index. `c` channels.

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

    def neighbours_of(self, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, n·W]` int32 neighbours of `items [B, n]`; 0 = none."""
        size, number = tf.unstack(tf.shape(items))
        return tf.reshape(tf.gather(self.neighbours, items), [size, number * size_of(self.neighbours, 1)])

    def contributions(self, items: tf.Tensor, columns: tf.Tensor, shortlist: Shortlist) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns contributions of `items [B, n]`: sums `[B, L, c]`, and the strongest weight, coded, `[B, L]` int64.

        The strongest is that of one item, summed over the channels; `decode_best` reads it. `columns [B, n·W]` are
        those of the items' neighbours.
        """
        weights, cells = tf.gather(self.weights, items), shortlist.cells(columns)
        size, number = size_of(items), size_of(items, 1) * size_of(self.neighbours, 1)
        total = self._summed(weights, cells, size, shortlist)
        place = tf.range(number)[None, :] + tf.zeros([size, 1], tf.int32)
        strength = tf.reshape(tf.reduce_sum(weights, axis=-1), [-1])
        code = tf.bitwise.left_shift(
            tf.cast(tf.bitcast(strength, tf.int32), tf.int64), tf.constant(32, tf.int64)
        ) + tf.cast(tf.reshape(place, [-1]), tf.int64)  # positive floats are ordered as their bits are, negative below
        best = tf.math.unsorted_segment_max(code, cells, size * shortlist.size)
        return total, tf.reshape(tf.maximum(best, 0), [size, shortlist.size])

    def summed(
        self,
        items: tf.Tensor,
        columns: tf.Tensor,
        factors: tf.Tensor,
        shortlist: Shortlist,
        *,
        channels: list[int],
    ) -> tf.Tensor:
        """Returns `[B, L, len(channels)]`: the weights of `items [B, n]` times `factors [n, len(channels)]`, summed.

        `columns [B, n·W]` are those of the items' neighbours; `channels` names the table's channel of each sum, one
        more than once if need be.
        """
        weights = tf.gather(tf.gather(self.weights, items), channels, axis=-1) * factors[None, :, None, :]
        return self._summed(weights, shortlist.cells(columns), size_of(items), shortlist)

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
        width = size_of(self.neighbours, 1)
        padded = tf.concat([entries, tf.zeros([size_of(entries), 1], tf.int32)], axis=1)
        item = tf.where(strength > 0, tf.gather(padded, place // width, batch_dims=1), 0)
        count = tf.gather_nd(self.pair_counts, tf.stack([item, place % width], axis=-1))
        return strength, item, count

    @staticmethod
    def _summed(weights: tf.Tensor, cells: tf.Tensor, size: tf.Tensor, shortlist: Shortlist) -> tf.Tensor:
        """Returns `[B, L, c]`: the weights `[B, n, W, c]` summed by the cells `[B·n·W]` that they belong to."""
        channels = weights.shape[-1]
        total = tf.math.unsorted_segment_sum(tf.reshape(weights, [-1, channels]), cells, size * shortlist.size)
        return tf.reshape(total, [size, shortlist.size, channels])


def best_strength(best: tf.Tensor) -> tf.Tensor:
    """Returns float32 strengths of coded evidence `[...]`, of the same shape."""
    return tf.bitcast(tf.cast(tf.bitwise.right_shift(best, tf.constant(32, tf.int64)), tf.int32), tf.float32)
