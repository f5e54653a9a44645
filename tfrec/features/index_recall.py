"""Measures how many lists of items have to be read to find what is nearest to queries."""

import numpy as np

from tfrec.features.item_lists import ItemLists

DEPTH = 100
"""Nearest items that are counted."""
_BLOCK = 64  # queries that are compared with all items at once


def recall_by_probes(
    lists: ItemLists, vectors: np.ndarray, queries: np.ndarray, *, above: float = -np.inf
) -> np.ndarray:
    """Returns `[Q, K]` float64 recall@100 of each query, reading the 1, 2, ... `K` lists of the nearest centres.

    Of items with the score of the hundredth any will do, as many as there are places for. NaN = no item is above.

    Args:
        lists: lists of items.
        vectors: `[N + 1, d]` of the items.
        queries: `[Q, d]`.
        above: items are found only by inner products above it.
    """
    list_of = lists.list_of(len(vectors))
    items = np.flatnonzero(list_of >= 0)
    own, own_list = np.ascontiguousarray(vectors[items], np.float32), list_of[items]
    result = []
    for start in range(0, len(queries), _BLOCK):
        part = queries[start : start + _BLOCK]
        # The rank of each list for each query, from 0.
        rank = np.argsort(np.argsort(-(part @ lists.centre.T), axis=1, kind="stable"), axis=1, kind="stable")
        for score, ranks in zip(part @ own.T, rank, strict=True):
            result.append(_recall(score, ranks[own_list], num_lists=len(lists.item), above=above))
    return np.array(result).reshape(len(queries), len(lists.item))


def _recall(score: np.ndarray, rank: np.ndarray, *, num_lists: int, above: float) -> np.ndarray:
    """Returns `[K]`: share of the best items by `score [M]` that lie in lists up to each `rank`."""
    depth = min(DEPTH, len(score))
    last = np.partition(score, len(score) - depth)[len(score) - depth]
    better, equal = (score > last) & (score > above), (score == last) & (score > above)
    places = min(depth - int((score > last).sum()), int(equal.sum()))
    found = np.concatenate([rank[better], np.sort(rank[equal])[:places]])
    if not len(found):
        return np.full(num_lists, np.nan)
    return np.cumsum(np.bincount(found, minlength=num_lists)) / len(found)
