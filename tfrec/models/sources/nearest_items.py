"""`NearestItems`: the items whose vectors have the largest inner products with a query's, by a scan or by an index."""

import functools
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import tensorflow as tf

from tfrec.models.graph_tables import products_with_all, rows_of_table, table
from tfrec.models.index_config import IndexConfig
from tfrec.models.query import Query
from tfrec.models.size_of import size_of
from tfrec.models.sources.item_index import IndexFacts, ItemIndex, build_index
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.source import Ranking, rank, with_spare

_MORE = 8  # times as many lists are read, and items compared, where limits leave too few


class NearestItems:
    """Ranks items by the inner product of their vectors with a query's: all of them, until an index is built.

    Args:
        moment: knows which items may be offered.
        vectors: returns `[N + 1, d]`, float32 until an index is built.
        score: inner products → scores of the same shape, in the same order; what is not positive is no candidate.
        items: `[M]` int32 the items that are searched; None = all that may be offered.
        is_searched: items → whether they are among these, bool of the same shape; None = whether they may be offered.
        name: name of the variables.
    """

    def __init__(
        self,
        moment: Moment,
        vectors: Callable[[], tf.Tensor],
        *,
        score: Callable[[tf.Tensor], tf.Tensor],
        items: np.ndarray | None = None,
        is_searched: Callable[[tf.Tensor], tf.Tensor] | None = None,
        name: str,
    ) -> None:
        self._moment, self._vectors, self._score, self._name = moment, vectors, score, name
        self._items = items
        self._is_searched = is_searched or (lambda items: tf.gather(moment.offered, items))
        self._scanned: tf.Variable | None = None
        self._index: ItemIndex | None = None
        self._facts: IndexFacts | None = None
        if items is not None and moment.is_listed:
            self._scanned = table(vectors().numpy()[items], f"{name}_vectors")

    @property
    def variables(self) -> list[tf.Variable]:
        """Its own tables."""
        scanned = [] if self._scanned is None else [self._scanned]
        return scanned if self._index is None else self._index.variables

    def build(self, queries: np.ndarray, config: IndexConfig) -> IndexFacts | None:
        """Builds the index, and returns what it finds; None = all items are compared as before.

        They are where there are too few, where the index would have to read too much of them, or where no query finds
        anything.

        Args:
            queries: `[Q, d]` float32 vectors of queries.
            config: settings.
        """
        items = np.flatnonzero(self._moment.is_offered) if self._items is None else self._items
        vectors, above = self._vectors().numpy(), -np.inf
        if float(self._score(tf.zeros([]))) <= 0:  # what a vector of zeros scores: such items are never found
            above = 0.0
            items = items[np.any(vectors[items] != 0, axis=1)]
        if len(items) < config.min_items:
            return None
        built = build_index(vectors, items, queries, config, above=above, name=self._name)
        if built is not None:
            self._index, self._facts = built
            self._scanned = None
        return self._facts

    def ranking(self, query: tf.Tensor, wanted: tf.Tensor | int) -> Ranking:
        """Returns the nearest items of `query [B, d]`, `wanted`, `[B]` or one number, with some to spare."""

        def scores(items: tf.Tensor) -> tf.Tensor:
            score = self._score(tf.linalg.matvec(rows_of_table(self._vectors(), items), query))
            return tf.where(self._is_searched(items), score, 0.0)

        if self._index is None or self._facts is None:
            if self._scanned is not None:
                score = self._score(tf.matmul(query, self._scanned, transpose_b=True))
                return rank(score, wanted, self._items, scores=scores)
            score = self._score(products_with_all(query, self._vectors()))
            return rank(tf.where(self._moment.offered, score, 0.0), wanted, scores=scores)
        score, items, _ = self._read(query, wanted, times=1)
        found = rank(score, wanted, items, scores=scores)

        def longer() -> Ranking:
            score, items, is_all = self._read(query, wanted, times=_MORE)
            is_whole = tf.fill(tf.shape(found.wanted), is_all)
            return Ranking(tf.where(score > 0, items, 0), found.wanted, is_whole, scores)

        # What has nothing in the nearest lists, such as a cart that nothing is known of, has nothing in the others.
        is_whole = ~tf.reduce_any(found.item > 0, axis=1)
        return Ranking(_own_number(found.item, with_spare(wanted)), found.wanted, is_whole, scores, longer)

    def _read(self, query: tf.Tensor, wanted: tf.Tensor | int, *, times: int) -> tuple[tf.Tensor, tf.Tensor, bool]:
        """Returns exact scores and items `[B, m]` of what the index reads, 0 = none, and whether that is everything.

        `times` as much is read as was measured.
        """
        index, facts = self._index, self._facts
        assert index is not None and facts is not None
        probes, rescored = min(times * facts.probes, facts.lists), times * facts.rescored
        number = tf.maximum(with_spare(wanted), rescored) if tf.is_tensor(wanted) else max(with_spare(wanted), rescored)
        most = tf.reduce_max(tf.concat([number, [0]], axis=0)) if tf.is_tensor(number) else number
        read, of_row = functools.partial(index.read, probes=probes, most=most), tf.TensorSpec([None], tf.int32)
        # Row by row: together they would take tens of megabytes each, and be slower. A map of no row at all fails.
        size = size_of(query)
        rows = tf.pad(query, [[0, tf.cast(tf.equal(size, 0), tf.int32)], [0, 0]])
        item = tf.map_fn(lambda row: read(row[None])[0], rows, fn_output_signature=of_row, parallel_iterations=1)[:size]
        item = _own_number(item, number)
        score = self._score(tf.linalg.matvec(rows_of_table(self._vectors(), item), query))
        return tf.where(item > 0, score, 0.0), item, probes == facts.lists and rescored >= facts.items


def _own_number(items: tf.Tensor, number: tf.Tensor | int) -> tf.Tensor:
    """Returns `items [B, m]` without those behind each row's own `number [B]`: what others ask changes no answer."""
    if isinstance(number, int):
        return items
    return tf.where(tf.range(size_of(items, 1))[None, :] < number[:, None], items, 0)


@runtime_checkable
class Searching(Protocol):
    """A source that searches the whole catalogue by inner products."""

    searches: Mapping[str, NearestItems]
    """Name → search, all with the same vector of the query."""

    def vector(self, query: Query) -> tf.Tensor:
        """Returns `[B, d]` what the items' vectors are multiplied with."""
