"""Merges several kinds of item-to-item weights into one table of neighbours with a weight of each kind in every cell.

The strongest positive weights of each row are not enough: negative weights of EASE lower the scores of items that the
cart makes unlikely, and the strongest contributions to a rare item come from common items, in whose rows it ranks low.
So a cell is kept if it is among the strongest of its row, by absolute value, or among the strongest of its column; and
a kept cell has the weights of all kinds, not only of those in which it is strong.
"""

import dataclasses

import numpy as np
import scipy.sparse

from tfrec.features.item_weights import Weights, strongest_both_ways, truncate
from tfrec.features.pooled_variants import PooledVariants


@dataclasses.dataclass(frozen=True)
class Channel:
    """One kind of item-to-item weights.

    Attributes:
        weights: `[M, M]` over the items that have any; row item contributes to column item.
        items: `[M]` their indices.
        by_columns: whether the strongest cells of each column are kept too.
    """

    weights: Weights
    items: np.ndarray
    by_columns: bool = True

    def strongest(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns `[cells]` rows and columns of the `n` strongest cells of rows and columns; some may come twice."""
        if self.by_columns:
            row, column = strongest_both_ways(self.weights, n=n)
        else:
            row, column = truncate(abs(self.weights), n=n).to_sparse().nonzero()
        return self.items[row], self.items[column]

    def at(self, row: np.ndarray, column: np.ndarray, *, num_rows: int) -> np.ndarray:
        """Returns `[cells]` float32 weights of the given cells; 0 where an item has none."""
        place = np.full(num_rows, -1)
        place[self.items] = np.arange(len(self.items))
        row, column = place[row], place[column]
        inside = (row >= 0) & (column >= 0)
        values = np.zeros(len(row), np.float32)
        if inside.any():
            values[inside] = np.asarray(self.weights[row[inside], column[inside]]).ravel()
        return values


def merge_channels(
    channels: list[Channel | None],
    pair_counts: scipy.sparse.csr_matrix,
    *,
    n: int,
    width: int,
    pooled: PooledVariants | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns neighbours `[R, W]` int32, weights `[R, W, len(channels)]` float16 and pair counts `[R, W]`.

    Args:
        channels: kinds of weights; None = zeros.
        pair_counts: `[R, R]` orders that hold both.
        n: cells of a row, and of a column, that a kind is sure to bring before rows are cut.
        width: neighbours of a row at most, those with the largest absolute weight; strongest first.
        pooled: what variants borrow from each other; pair counts stay each item's own. None = nothing.
    """
    size = pair_counts.shape[0]
    cells = [channel.strongest(n) for channel in channels if channel is not None]
    keys = np.unique(np.concatenate([row.astype(np.int64) * size + column for row, column in cells]))
    row, column = keys // size, keys % size
    zeros = np.zeros(len(row), np.float32)
    values = np.stack([zeros if c is None else c.at(row, column, num_rows=size) for c in channels], axis=1)
    if pooled is not None:
        row, column, values = pooled.mixed_weights(row, column, values)
    strength = np.abs(values).max(axis=1)
    kept = np.flatnonzero(strength > 0)
    order = kept[np.lexsort((column[kept], -strength[kept], row[kept]))]
    row, column, values = row[order], column[order], values[order]
    position = np.arange(len(row)) - np.searchsorted(row, np.arange(size))[row]
    inside = position < width
    row, column, values, position = row[inside], column[inside], values[inside], position[inside]
    longest = int(position.max(initial=0)) + 1
    neighbours = np.zeros((size, longest), np.int32)
    weights = np.zeros((size, longest, len(channels)), np.float16)
    counts = np.zeros((size, longest), np.int32)
    neighbours[row, position], weights[row, position] = column, values
    if len(row):
        counts[row, position] = np.asarray(pair_counts[row, column]).ravel()
    return neighbours, weights, smallest_integers(counts)


def smallest_integers(counts: np.ndarray) -> np.ndarray:
    """Returns non-negative integers as uint16, where none is larger than that holds, else as int32."""
    return counts.astype(np.uint16 if counts.max(initial=0) <= np.iinfo(np.uint16).max else np.int32, copy=False)
