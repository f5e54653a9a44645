"""`NearestItems`: the items whose vectors have the largest inner products with a query's, by a scan or by an index."""

import dataclasses
import logging
import math
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import tensorflow as tf

from tfrec.features.index_recall import recall_by_probes
from tfrec.features.item_lists import divide_items
from tfrec.models.graph_tables import table
from tfrec.models.index_config import IndexConfig
from tfrec.models.query import Query
from tfrec.models.size_of import size_of
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.source import Ranking, rank

logger = logging.getLogger(__name__)

_SHORTEST_LIST = 8
_ROOT_OVER_LENGTH = 5  # shorter lists mean more centres, which are read in one piece; of 2, 3 and 5 the fewest reads
_MORE = 8  # times as many lists are read where limits leave too few items


@dataclasses.dataclass(frozen=True)
class IndexFacts:
    """What an index is made of, and what it finds.

    Attributes:
        items: items in it.
        lists: lists that they are divided into.
        list_length: places of a list.
        probes: lists that are read for a query.
        recall_at_100: share of the 100 nearest items that these hold, mean of the queries.
        queries: queries of users that this was measured on.
    """

    items: int
    lists: int
    list_length: int
    probes: int
    recall_at_100: float
    queries: int


class NearestItems:
    """Ranks items by the inner product of their vectors with a query's: all of them, until an index is built.

    An index divides the items into lists of similar vectors. The lists with the nearest centres are read, and their
    items compared exactly.

    Args:
        moment: knows which items may be offered.
        vectors: returns `[N + 1, d]` float32.
        score: inner products → scores of the same shape, in the same order; what is not positive is no candidate.
        items: `[M]` int32 the items that are searched; None = all that may be offered.
        name: name of the variables.
    """

    def __init__(
        self,
        moment: Moment,
        vectors: Callable[[], tf.Tensor],
        *,
        score: Callable[[tf.Tensor], tf.Tensor],
        items: np.ndarray | None = None,
        name: str,
    ) -> None:
        self._moment, self._vectors, self._score, self._name = moment, vectors, score, name
        self._items = items
        self._scanned: tf.Variable | None = None
        self._lists: tf.Variable | None = None
        self._centres: tf.Variable | None = None
        self._probes = 0
        if items is not None and moment.is_listed:
            self._scanned = table(vectors().numpy()[items], f"{name}_vectors")

    @property
    def variables(self) -> list[tf.Variable]:
        """Its own tables."""
        return [one for one in (self._scanned, self._lists, self._centres) if one is not None]

    def build(self, queries: np.ndarray, config: IndexConfig) -> IndexFacts | None:
        """Builds the index, and returns what it finds; None = all items are compared as before.

        They are where there are too few, where the index would have to compare more of them than it may, or where no
        query finds anything.

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
        length = max(_SHORTEST_LIST, round(math.sqrt(len(items)) / _ROOT_OVER_LENGTH))
        lists = divide_items(vectors, items.astype(np.int32), length=length, seed=config.seed)
        recall = recall_by_probes(lists, vectors, queries, above=above)
        recall = recall[~np.isnan(recall[:, 0])]
        if len(recall) < 2:
            return None
        # Both halves of the queries must find enough, so that the number fits more than those it was chosen on.
        lowest = np.minimum(recall[::2].mean(axis=0), recall[1::2].mean(axis=0))
        probes = int(np.argmax(lowest >= config.recall - 1e-9)) + 1
        if probes > config.max_share * len(lists.item):
            message = "No index of %s: to find %.2f of the 100 nearest, %d of %d lists would be read. All are compared."
            logger.info(message, self._name, config.recall, probes, len(lists.item))
            return None
        self._lists = table(lists.item, f"{self._name}_lists")
        self._centres = table(lists.centre, f"{self._name}_centres")
        self._probes, self._scanned = probes, None
        found = float(recall[:, probes - 1].mean())
        return IndexFacts(len(items), len(lists.item), length, probes, round(found, 4), len(recall))

    def ranking(self, query: tf.Tensor, wanted: tf.Tensor | int) -> Ranking:
        """Returns the nearest items of `query [B, d]`, `wanted`, `[B]` or one number, with some to spare."""
        if self._lists is None:
            if self._scanned is not None:
                return rank(self._score(tf.matmul(query, self._scanned, transpose_b=True)), wanted, self._items)
            score = self._score(tf.matmul(query, self._vectors(), transpose_b=True))
            return rank(tf.where(self._moment.offered, score, 0.0), wanted)
        score, items = self._read(query, self._probes)
        found, every = rank(score, wanted, items), self._lists.shape[0]
        more = min(_MORE * self._probes, every)

        def longer() -> Ranking:
            score, items = self._read(query, more)
            return Ranking(tf.where(score > 0, items, 0), found.wanted, tf.fill(tf.shape(found.wanted), more == every))

        # What has nothing in the nearest lists, such as a cart that nothing is known of, has nothing in the others.
        is_whole = ~tf.reduce_any(found.item > 0, axis=1) | (found.is_whole & (self._probes == every))
        return Ranking(found.item, found.wanted, is_whole, longer)

    def _read(self, query: tf.Tensor, probes: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns scores and items `[B, probes · W]` of the lists nearest to `query [B, d]`; 0 = none."""
        assert self._lists is not None and self._centres is not None
        nearest = tf.math.top_k(tf.matmul(query, self._centres, transpose_b=True), probes, sorted=False).indices
        items = tf.reshape(tf.gather(self._lists, nearest), [size_of(query), probes * self._lists.shape[1]])
        score = self._score(tf.linalg.matvec(tf.gather(self._vectors(), items), query))
        return tf.where(items > 0, score, 0.0), items


@runtime_checkable
class Searching(Protocol):
    """A source that searches the whole catalogue by inner products."""

    searches: Mapping[str, NearestItems]
    """Name → search, all with the same vector of the query."""

    def vector(self, query: Query) -> tf.Tensor:
        """Returns `[B, d]` what the items' vectors are multiplied with."""
