"""Measures what an index finds of the items nearest to queries, by how much of it is read."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfrec.features.item_lists import ItemLists

DEPTH = 100
"""Nearest items that are counted."""
_BLOCK = 64  # queries that are compared with all items at once
_KEPT = 1000  # most items of a query: as many as there are may have the score of the last


@dataclasses.dataclass(frozen=True)
class Places:
    """Where an index has the items nearest to one query.

    Attributes:
        list_rank: `[n]` int lists whose centres are nearer to the query than that of the item's list.
        item_rank: `[n]` int items that are nearer to the query by their rounded vectors.
        is_tied: `[n]` bool: the item has the score of the last that counts; of such any will do.
        number: items that count, `DEPTH` at most.
    """

    list_rank: np.ndarray
    item_rank: np.ndarray
    is_tied: np.ndarray
    number: int


def places_of_nearest(
    lists: ItemLists,
    *,
    vectors: np.ndarray,
    rounded: np.ndarray,
    queries: np.ndarray,
    above: float = -np.inf,
) -> list[Places]:
    """Returns where the nearest items are, of each query that has any.

    Args:
        lists: lists of items.
        vectors: `[N + 1, d]` of the items.
        rounded: `[N + 1, d]` the same, nearly: by these it is chosen what is compared exactly.
        queries: `[Q, d]`.
        above: items are found only by inner products above it.
    """
    list_of = lists.list_of(len(vectors))
    items = np.flatnonzero(list_of >= 0)
    own, own_rounded = (np.ascontiguousarray(part[items], np.float32) for part in (vectors, rounded))
    own_list, result = list_of[items], []
    for start in range(0, len(queries), _BLOCK):
        part = queries[start : start + _BLOCK]
        rank = np.argsort(np.argsort(-(part @ lists.centre.T), axis=1, kind="stable"), axis=1, kind="stable")
        for score, estimate, list_rank in zip(part @ own.T, part @ own_rounded.T, rank, strict=True):
            depth = min(DEPTH, len(score))
            last = np.partition(score, len(score) - depth)[len(score) - depth]
            nearest = np.flatnonzero((score >= last) & (score > above))
            if not len(nearest):
                continue
            its_list, is_tied = list_rank[own_list[nearest]], score[nearest] == last
            its_rank = np.searchsorted(np.sort(-estimate), -estimate[nearest])
            # Of equal items those that are found first stand for all.
            kept = np.lexsort((its_list, its_rank, is_tied))[:_KEPT]
            number = min(depth, len(nearest))
            result.append(Places(its_list[kept], its_rank[kept], is_tied=is_tied[kept], number=number))
    return result


def recall(places: Sequence[Places], *, probes: int, rescored: int) -> np.ndarray:
    """Returns `[Q]` float64 share of the nearest items that each query finds, at least.

    Those are found that are in the lists read and among the items that are compared exactly. Which these are is judged
    among all items; among those of the lists read no item stands further behind.

    Args:
        places: where the nearest items are.
        probes: lists that are read, those of the nearest centres.
        rescored: items of these that are compared exactly, those nearest by their rounded vectors.

    Examples:
        >>> one = Places(np.array([0, 0, 3]), np.array([1, 9, 0]), is_tied=np.array([False, False, True]), number=3)
        >>> recall([one], probes=3, rescored=5), recall([one], probes=4, rescored=10)
        (array([0.33333333]), array([1.]))
    """
    return np.array([_recall(one, probes, rescored) for one in places])


def _recall(places: Places, probes: int, rescored: int) -> float:
    is_found = (places.list_rank < probes) & (places.item_rank < rescored)
    better = int((~places.is_tied).sum())
    tied = min(int((is_found & places.is_tied).sum()), places.number - better)
    return (int((is_found & ~places.is_tied).sum()) + tied) / places.number
