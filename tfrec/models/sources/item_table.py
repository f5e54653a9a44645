"""`ItemTable`: each item's strongest neighbours in the graph, and the contributions of a cart's items."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfrec.features.feature_tables import FeatureTables
from tfrec.features.neighbours import smallest_integers
from tfrec.models.graph_tables import table
from tfrec.models.size_of import size_of
from tfrec.models.sources.shortlist import Shortlist

_CELLS = 1 << 22  # neighbours that are sorted at a time


@dataclasses.dataclass(frozen=True)
class ItemTable:
    """Item-to-item weights of some channels as tables that are gathered by item index. `c` channels, `W` neighbours.

    Weights are stored in half precision, and computed with in single precision once they are gathered.

    Attributes:
        neighbours: `[N + 1, ≥ W]` int32 item indices, strongest first; 0 = none.
        weights: `[N + 1, ≥ W, ≥ c]` float16.
        pair_counts: `[N + 1, ≥ W]` uint16 or int32 orders that hold both; None where no one asks for them.
        width: `W`, how many neighbours of each item are read.
        channels: which channels of `weights` are read, `c` of them.
        is_empty: no item has any neighbour.
    """

    neighbours: tf.Variable
    weights: tf.Variable
    pair_counts: tf.Variable | None
    width: int
    channels: slice
    is_empty: bool

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        counts = [] if self.pair_counts is None else [self.pair_counts]
        return [self.neighbours, self.weights, *counts]

    def narrowed(self, *, channels: slice, width: int) -> "ItemTable":
        """Returns the same tables, of which fewer channels and at most `width` neighbours are read."""
        return dataclasses.replace(self, channels=channels, width=min(width, self.width))

    def neighbours_of(self, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, n·W]` int32 neighbours of `items [B, n]`; 0 = none."""
        size, number = tf.unstack(tf.shape(items))
        neighbours = tf.gather(self.neighbours, items)
        if self.width < neighbours.shape[-1]:
            neighbours = neighbours[..., : self.width]
        return tf.reshape(neighbours, [size, number * self.width])

    def contributions(self, items: tf.Tensor, columns: tf.Tensor, shortlist: Shortlist) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns contributions of `items [B, n]`: sums `[B, L, c]`, and the strongest weight, coded, `[B, L]` int64.

        The strongest is that of one item, summed over the channels; `decode_best` reads it. `columns [B, n·W]` are
        those of the items' neighbours.
        """
        weights, cells = self._weights_of(items), shortlist.cells(columns)
        size, number = size_of(items), size_of(items, 1) * self.width
        total = _summed(weights, cells, size, shortlist)
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
        weights = tf.gather(self._weights_of(items), channels, axis=-1) * factors[None, :, None, :]
        return _summed(weights, shortlist.cells(columns), size_of(items), shortlist)

    def decode_best(self, best: tf.Tensor, entries: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns strength, contributing item and pair count of coded evidence.

        Args:
            best: `[B, k]` codes.
            entries: `[B, n]` items that contribute.

        Returns:
            `[B, k]` float32 strengths, int32 items (0 where the strength is 0), int32 counts of orders with both.
        """
        assert self.pair_counts is not None
        strength = best_strength(best)
        place = tf.cast(tf.bitwise.bitwise_and(best, tf.constant(0xFFFFFFFF, tf.int64)), tf.int32)
        padded = tf.concat([entries, tf.zeros([size_of(entries), 1], tf.int32)], axis=1)
        item = tf.where(strength > 0, tf.gather(padded, place // self.width, batch_dims=1), 0)
        count = tf.gather_nd(self.pair_counts, tf.stack([item, place % self.width], axis=-1))
        return strength, item, tf.cast(count, tf.int32)

    def _weights_of(self, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, n, W, c]` float32 of `items [B, n]`: what was gathered is converted, never the table."""
        weights = tf.gather(self.weights, items)
        _, width, channels = self.weights.shape
        if self.width < width or len(range(*self.channels.indices(channels))) < channels:
            weights = weights[..., : self.width, self.channels]
        return tf.cast(weights, tf.float32)


def item_table(
    feature_tables: FeatureTables, *, channels: slice, width: int, name: str, counts: bool = True
) -> ItemTable:
    """Returns the table of the strongest neighbours of each item by absolute weight in any of some channels.

    Args:
        feature_tables: gives neighbours, weights and pair counts.
        channels: which of `features.feature_tables.CHANNELS`.
        width: strongest neighbours kept of each item.
        name: name of the variables.
        counts: keep the pair counts.
    """
    tables, rows = feature_tables, len(feature_tables.neighbours)
    width = min(width, tables.neighbours.shape[1])
    neighbours = np.zeros((rows, width), np.int32)
    pairs = np.zeros((rows, width), tables.pair_counts.dtype) if counts else None
    weights = np.zeros((rows, width, tables.weights[:1, :, channels].shape[2]), np.float16)
    longest, step = 0, max(1, _CELLS // max(tables.neighbours.shape[1], 1))
    for start in range(0, rows, step):
        block = slice(start, start + step)
        own = tables.weights[block, :, channels].astype(np.float16, copy=False)
        strength = np.abs(own.astype(np.float32)).max(axis=-1)
        strongest = np.argsort(-strength, axis=1, kind="stable")[:, :width]
        is_neighbour = np.take_along_axis(strength, strongest, axis=1) > 0
        longest = max(longest, int(is_neighbour.sum(axis=1).max(initial=0)))
        neighbours[block] = np.take_along_axis(tables.neighbours[block], strongest, axis=1) * is_neighbour
        weights[block] = np.take_along_axis(own, strongest[..., None], axis=1)  # 0 where there is no neighbour
        if pairs is not None:
            pairs[block] = np.take_along_axis(tables.pair_counts[block], strongest, axis=1) * is_neighbour
    kept = max(longest, 1)
    return ItemTable(
        neighbours=table(neighbours[:, :kept], f"{name}_neighbours"),
        weights=table(weights[:, :kept], f"{name}_weights"),
        pair_counts=None if pairs is None else table(smallest_integers(pairs[:, :kept]), f"{name}_pair_counts"),
        width=kept,
        channels=slice(None),
        is_empty=longest == 0,
    )


def best_strength(best: tf.Tensor) -> tf.Tensor:
    """Returns float32 strengths of coded evidence `[...]`, of the same shape."""
    return tf.bitcast(tf.cast(tf.bitwise.right_shift(best, tf.constant(32, tf.int64)), tf.int32), tf.float32)


def _summed(weights: tf.Tensor, cells: tf.Tensor, size: tf.Tensor, shortlist: Shortlist) -> tf.Tensor:
    """Returns `[B, L, c]`: the weights `[B, n, W, c]` summed by the cells `[B·n·W]` that they belong to."""
    channels = weights.shape[-1]
    total = tf.math.unsorted_segment_sum(tf.reshape(weights, [-1, channels]), cells, size * shortlist.size)
    return tf.reshape(total, [size, shortlist.size, channels])
