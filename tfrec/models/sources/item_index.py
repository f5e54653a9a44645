"""`ItemIndex`: lists of similar items, searched first by vectors rounded to 8 bits, then exactly."""

import dataclasses
import logging
import math
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfrec.features.index_recall import Places, places_of_nearest, recall
from tfrec.features.item_lists import ItemLists, divide_items
from tfrec.features.rounded_vectors import round_vectors
from tfrec.models.graph_tables import table
from tfrec.models.index_config import IndexConfig
from tfrec.models.size_of import size_of

logger = logging.getLogger(__name__)

_SHORTEST_LIST = 8
_ROOT_OVER_LENGTH = 5  # shorter lists mean more centres, which are read in one piece; of 2, 3 and 5 the fewest reads
_RESCORED = (256, 512, 1024, 2048)  # numbers of items that may be compared exactly
_BEHIND = -1e9  # below every inner product


@dataclasses.dataclass(frozen=True)
class IndexFacts:
    """What an index is made of, and what it finds.

    Attributes:
        items: items in it.
        lists: lists that they are divided into.
        list_length: places of a list.
        probes: lists that are read for a query.
        rescored: items of these that are compared exactly.
        recall_at_100: share of the 100 nearest items that these hold, mean of the queries.
        queries: queries of users that this was measured on.
    """

    items: int
    lists: int
    list_length: int
    probes: int
    rescored: int
    recall_at_100: float
    queries: int


class ItemIndex:
    """Lists of items and, list by list, the items' vectors rounded to 8 bits.

    A query reads the lists with the nearest centres, each in one piece, and orders their items by the rounded vectors.
    The best are compared exactly by who asks.

    Args:
        lists: lists of items.
        codes: `[N + 1, d]` int8, see `round_vectors`.
        steps: `[d]` float32.
        name: name of the variables.
    """

    def __init__(self, lists: ItemLists, codes: np.ndarray, steps: np.ndarray, *, name: str) -> None:
        self.num_lists, self.list_length = lists.item.shape
        self._items = table(lists.item, f"{name}_lists")
        self._centres = table(lists.centre, f"{name}_centres")
        self._codes = table(codes[lists.item].reshape(self.num_lists, -1), f"{name}_codes")
        self._steps = table(steps, f"{name}_steps")

    @property
    def variables(self) -> list[tf.Variable]:
        """The tables."""
        return [self._items, self._centres, self._codes, self._steps]

    def read(self, query: tf.Tensor, *, probes: int, most: tf.Tensor | int) -> tf.Tensor:
        """Returns `[B, m]` int32 items of `probes` lists that are nearest to `query [B, d]`, nearly; 0 = none.

        `m` is `most`, or as many places as the lists have. The nearest come first.
        """
        size, places = size_of(query), probes * self.list_length
        nearest = tf.math.top_k(tf.matmul(query, self._centres, transpose_b=True), probes, sorted=False).indices
        item = tf.reshape(tf.gather(self._items, nearest), [size, places])
        codes = tf.reshape(tf.gather(self._codes, nearest), [size, places, query.shape[1]])
        estimate = tf.linalg.matvec(tf.cast(codes, tf.float32), query * self._steps)
        place = tf.math.top_k(tf.where(item > 0, estimate, _BEHIND), tf.minimum(most, places)).indices
        return tf.gather(item, place, batch_dims=1)


def build_index(
    vectors: np.ndarray, items: np.ndarray, queries: np.ndarray, config: IndexConfig, *, above: float, name: str
) -> tuple[ItemIndex, IndexFacts] | None:
    """Returns an index and what it finds; None = it would have to read too much, or no query finds anything.

    Args:
        vectors: `[N + 1, d]` float32.
        items: `[M]` int32 the items to be searched.
        queries: `[Q, d]` float32 vectors of queries.
        config: settings.
        above: items are found only by inner products above it.
        name: name of the variables.
    """
    length = max(_SHORTEST_LIST, round(math.sqrt(len(items)) / _ROOT_OVER_LENGTH))
    lists = divide_items(vectors, items.astype(np.int32), length=length, seed=config.seed)
    codes, steps = round_vectors(vectors)
    places = places_of_nearest(lists, vectors=vectors, rounded=codes * steps, queries=queries, above=above)
    if len(places) < 2:
        return None
    number = len(lists.item)
    # Half of what may be missed is missed by the rounding, half by the lists that are not read.
    enough = (1.0 + config.recall) / 2
    rescored = next((most for most in _RESCORED if _lowest(places, number, most) >= enough), None)
    if rescored is None:
        message = "No index of %s: rounded vectors have %.3f of the 100 nearest among the first %d. All are compared."
        logger.info(message, name, _lowest(places, number, _RESCORED[-1]), _RESCORED[-1])
        return None
    probes = 1 + bisect_left(range(1, number), config.recall, key=lambda probes: _lowest(places, probes, rescored))
    if probes > config.max_share * number:
        message = "No index of %s: to find %.2f of the 100 nearest, %d of %d lists would be read. All are compared."
        logger.info(message, name, config.recall, probes, number)
        return None
    found = float(recall(places, probes=probes, rescored=rescored).mean())
    facts = IndexFacts(
        items=len(items),
        lists=number,
        list_length=length,
        probes=probes,
        rescored=rescored,
        recall_at_100=round(found, 4),
        queries=len(places),
    )
    return ItemIndex(lists, codes, steps, name=name), facts


def _lowest(places: Sequence[Places], probes: int, rescored: int) -> float:
    """Returns the mean recall of the half of the queries that finds less: it must hold for others than these."""
    found = recall(places, probes=probes, rescored=rescored)
    return float(min(found[::2].mean(), found[1::2].mean())) + 1e-9
