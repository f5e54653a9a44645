"""What an index finds, by the lists that are read and the items that are compared exactly."""

import numpy as np
import pytest

from tfrec.features.index_recall import places_of_nearest, recall
from tfrec.features.item_lists import ItemLists, divide_items

CLUSTERS, SIZE, WIDTH = 60, 20, 16


def places_of(lists, vectors, queries, *, rounded=None, **further):
    vectors = np.asarray(vectors, np.float32)
    rounded = vectors if rounded is None else np.asarray(rounded, np.float32)
    return places_of_nearest(
        lists, vectors=vectors, rounded=rounded, queries=np.asarray(queries, np.float32), **further
    )


@pytest.fixture(scope="module")
def clustered():
    """Vectors of clusters of 20 items each, one behind the other; row 0 is padding."""
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(CLUSTERS, 1, WIDTH)) + 0.1 * rng.normal(size=(CLUSTERS, SIZE, WIDTH))
    vectors = (vectors / np.linalg.norm(vectors, axis=2, keepdims=True)).reshape(-1, WIDTH)
    return np.concatenate([np.zeros((1, WIDTH)), vectors]).astype(np.float32)


def test_few_lists_of_clustered_items_hold_what_is_nearest(clustered):
    """Of 20 items of a cluster all are nearer to one of them than the others are: the 100 nearest are of five."""
    lists = divide_items(clustered, np.arange(1, len(clustered), dtype=np.int32), length=20)
    every = len(clustered)
    places = places_of(lists, clustered, clustered[1::7])
    quarter = len(lists.item) // 4
    assert recall(places, probes=quarter, rescored=every).mean() > 0.9
    mixed = np.random.default_rng(0).permutation(lists.item.ravel()).reshape(lists.item.shape)
    places = places_of(ItemLists(mixed, lists.centre), clustered, clustered[1::7])
    assert recall(places, probes=quarter, rescored=every).mean() < 0.5


def test_the_finer_vectors_are_rounded_the_further_to_the_front_come_the_nearest(clustered):
    lists = divide_items(clustered, np.arange(1, len(clustered), dtype=np.int32), length=20)
    found = []
    for step in (1.0, 0.3, 1e-4):
        places = places_of(lists, clustered, clustered[1::7], rounded=np.rint(clustered / step) * step)
        found.append(recall(places, probes=len(lists.item), rescored=100).mean())
    assert found[0] < found[1] < found[2] == pytest.approx(1.0, abs=0.01)


def test_recall_is_that_of_the_items_in_the_lists_read():
    """Two lists: of the three nearest items of the query two are in the list with the nearer centre."""
    vectors = [[0, 0], [1, 0], [0.9, 0], [0.8, 0], [0.1, 0]]
    lists = ItemLists(np.array([[1, 4], [2, 3]], np.int32), np.array([[0.55, 0], [0.85, 0]], np.float32))

    def by_probes(**further):
        places = places_of(lists, vectors, [[1, 0]], **further)
        return [recall(places, probes=probes, rescored=4).tolist() for probes in (1, 2)]

    assert by_probes() == [[0.5], [1.0]]
    assert by_probes(above=0.85) == [[0.5], [1.0]]  # items 1 and 2
    assert by_probes(above=0.95) == [[0.0], [1.0]]  # item 1
    assert by_probes(above=1.0) == [[], []]  # the query finds nothing


def test_recall_is_that_of_the_items_compared_exactly():
    """Rounded to the first number item 3 comes first, though items 1 and 2 are nearer."""
    vectors = [[0, 0], [0.5, 0.9], [0.4, 0.8], [0.6, 0], [0, 0.1]]
    lists = ItemLists(np.array([[1, 2, 3, 4]], np.int32), np.zeros((1, 2), np.float32))
    places = places_of(lists, vectors, [[1, 1]], rounded=np.multiply(vectors, [1, 0]))
    assert [recall(places, probes=1, rescored=number)[0] for number in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1.0]


def test_of_equal_items_any_will_do(monkeypatch):
    monkeypatch.setattr("tfrec.features.index_recall.DEPTH", 2)
    vectors = [[0, 0], [1, 0], [0.5, 0], [0.5, 0], [0.5, 0]]
    lists = ItemLists(np.array([[1, 2], [3, 4]], np.int32), np.array([[0.75, 0], [0.5, 0]], np.float32))
    places = places_of(lists, vectors, [[1, 0]])
    assert recall(places, probes=1, rescored=4).tolist() == [1.0]


def test_of_very_many_equal_items_few_are_kept_and_those_that_are_found_first(monkeypatch):
    monkeypatch.setattr("tfrec.features.index_recall._KEPT", 110)
    vectors = np.concatenate([[[0, 0]], np.tile([[1, 0]], (400, 1))])
    items = np.arange(1, 401, dtype=np.int32).reshape(2, 200)
    places = places_of(ItemLists(items, np.array([[0.5, 0], [0.9, 0]], np.float32)), vectors, [[1, 0]])
    assert len(places[0].list_rank) == 110 and places[0].number == 100
    assert recall(places, probes=1, rescored=256).tolist() == [1.0]


def test_what_is_missed_is_not_made_up_by_equal_items(monkeypatch):
    """The best item is in the second list: a second item of the hundredth's score does not stand for it."""
    monkeypatch.setattr("tfrec.features.index_recall.DEPTH", 2)
    vectors = [[0, 0], [1, -9], [0.5, 0], [0.5, 0], [0.4, 0]]
    lists = ItemLists(np.array([[2, 3], [1, 4]], np.int32), np.array([[0.5, 0], [0.7, -4.5]], np.float32))
    places = places_of(lists, vectors, [[1, 0]])
    assert recall(places, probes=2, rescored=4).tolist() == [1.0]
    assert places[0].number == 2
    swapped = ItemLists(lists.item, np.array([[0.7, 0], [0.5, 0]], np.float32))
    assert recall(places_of(swapped, vectors, [[1, 0]]), probes=1, rescored=4).tolist() == [0.5]
