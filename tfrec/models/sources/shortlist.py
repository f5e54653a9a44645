"""`Shortlist`: the items that a batch of queries is about, each once, as the columns of all evidence."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from tfrec.models.graph_tables import products_with_all, rows_of_table
from tfrec.models.rows import in_ascending_order, places_in
from tfrec.models.shared_graphs import GraphValue
from tfrec.models.size_of import size_of

_BEHIND = tf.int32.max  # sorts behind every item


@dataclasses.dataclass(frozen=True)
class Shortlist(GraphValue):
    """Items of each query in ascending order; evidence `[B, L]` has a column for each.

    A small catalogue is one list for all queries, whose columns are the items themselves. Column 0 is padding.

    Attributes:
        item: `[B, L]` int32 items, 0 behind a row's end; `[1, N + 1]` where every row is the whole catalogue.
        ascending: `[B, L]` the same with a large number behind the end, to search in; None = the whole catalogue.
    """

    item: tf.Tensor
    ascending: tf.Tensor | None = None

    @property
    def is_catalogue(self) -> bool:
        """Whether every row is the whole catalogue."""
        return self.ascending is None

    @property
    def size(self) -> tf.Tensor | int:
        """Number of columns `L`; a plain number where it is known, which needs no operations."""
        return size_of(self.item, 1)

    def columns(self, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, m]` int32 column of each of `items [B, m]`; 0 where the list does not hold it."""
        if self.ascending is None:
            return items
        at = tf.minimum(places_in(self.ascending, items), self.size - 1)
        return tf.where(tf.equal(tf.gather(self.ascending, at, batch_dims=1), items), at, 0)

    def items(self, columns: tf.Tensor) -> tf.Tensor:
        """Returns `[B, m]` items at `columns [B, m]`."""
        return columns if self.ascending is None else tf.gather(self.item, columns, batch_dims=1)

    def columns_of(self, lists: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Returns what `columns` does for each of `lists`, `[B, m]` of any widths, by one search."""
        if self.ascending is None:
            return list(lists)
        return tf.split(self.columns(tf.concat(lists, axis=1)), [size_of(one, 1) for one in lists], axis=1)

    def cells(self, columns: tf.Tensor) -> tf.Tensor:
        """Returns `[B·m]` places of `columns [B, m]` in evidence `[B, L]` that is laid out flat."""
        return tf.reshape(columns + tf.range(size_of(columns))[:, None] * self.size, [-1])

    def sums_at(self, columns: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """Returns `[B, L, ...]`: the sums of `values [B, m, ...]` at `columns [B, m]`."""
        size, inner = size_of(columns), values.shape[2:]
        flat = tf.reshape(values, [tf.size(columns), *inner])
        total = tf.math.unsorted_segment_sum(flat, self.cells(columns), size * self.size)
        return tf.reshape(total, [size, self.size, *inner])

    def marks(self, items: tf.Tensor) -> tf.Tensor:
        """Returns `[B, L]` bool, True at the columns of `items [B, m]`, and at padding."""
        padded = tf.pad(items, [[0, 0], [0, 1]])
        return (self.sums_at(self.columns(padded), tf.ones_like(padded)) > 0) | tf.equal(self.item, 0)

    def only(self, stays: tf.Tensor) -> "Shortlist":
        """Returns the list of the items where `stays [B, L]`; padding stays.

        Examples:
            >>> two = shortlist_of([tf.constant([[7, 4], [3, 5]])])
            >>> two.only(tf.constant([[False, False, True], [False, True, True]])).item.numpy()
            array([[0, 7, 0],
                   [0, 3, 5]], dtype=int32)
        """
        stays = tf.concat([tf.ones_like(stays[:, :1]), stays[:, 1:]], axis=1)
        at = tf.cast(tf.where(stays), tf.int32)  # row by row, in the order of the columns
        number = tf.reduce_sum(tf.cast(stays, tf.int32), axis=1)
        place = tf.range(size_of(at)) - tf.gather(tf.cumsum(number, exclusive=True), at[:, 0])
        shape = [size_of(stays), tf.reduce_max(tf.concat([number, [1]], axis=0))]
        item = tf.gather_nd(tf.broadcast_to(self.item, tf.shape(stays)), at)
        item = tf.scatter_nd(tf.stack([at[:, 0], place], axis=1), item, shape)
        is_behind = tf.equal(item, 0) & (tf.range(shape[1]) > 0)
        return Shortlist(item, tf.where(is_behind, _BEHIND, item))

    def products(self, vectors: tf.Tensor, table: tf.Tensor, *, has_all: bool = False) -> tf.Tensor:
        """Returns `[B, L]` inner products of `vectors [B, d]` with the rows of `table [N + 1, d]` of the items.

        Args:
            vectors: of the queries.
            table: of the items.
            has_all: the graph has the products with all rows anyway, as of a search without an index; an equal
                operation is done once.
        """
        if self.is_catalogue:
            return products_with_all(vectors, table)
        if has_all:
            return tf.gather(products_with_all(vectors, table), self.item, batch_dims=1)
        return tf.cond(
            tf.less(self.size, size_of(table)),
            lambda: tf.linalg.matvec(rows_of_table(table, self.item), vectors),
            lambda: tf.gather(products_with_all(vectors, table), self.item, batch_dims=1),
        )


def whole_catalogue(num_rows: int) -> Shortlist:
    """Returns the list of all items, `num_rows` with padding.

    Examples:
        >>> whole_catalogue(4).marks(tf.constant([[2, 0], [1, 3]])).numpy()
        array([[ True, False,  True, False],
               [ True,  True, False,  True]])
    """
    return Shortlist(tf.range(num_rows)[None, :])


def shortlist_of(lists: Sequence[tf.Tensor]) -> Shortlist:
    """Returns the list of all items of `lists`, each `[B, m]` int32 and of its own width.

    Examples:
        >>> two = shortlist_of([tf.constant([[7, 0], [3, 5]]), tf.constant([[7, 2], [0, 0]])])
        >>> two.item.numpy()
        array([[0, 2, 7],
               [0, 3, 5]], dtype=int32)
        >>> two.columns(tf.constant([[2, 9], [9, 5]])).numpy()
        array([[1, 0],
               [0, 2]], dtype=int32)
    """
    merged = in_ascending_order(tf.pad(tf.concat(lists, axis=1), [[0, 0], [1, 0]]))
    is_first = tf.concat([tf.ones_like(merged[:, :1], tf.bool), merged[:, 1:] > merged[:, :-1]], axis=1)
    place = tf.cumsum(tf.cast(is_first, tf.int32), axis=1) - 1
    size = size_of(merged)
    width = tf.reduce_max(tf.concat([tf.reshape(place, [-1]), [0]], axis=0)) + 1
    segment = tf.reshape(place + tf.range(size)[:, None] * width, [-1])
    item = tf.math.unsorted_segment_max(tf.reshape(merged, [-1]), segment, size * width)  # nothing: the least number
    item = tf.reshape(item, [size, width])
    is_item = item >= 0
    return Shortlist(tf.where(is_item, item, 0), tf.where(is_item, item, _BEHIND))
