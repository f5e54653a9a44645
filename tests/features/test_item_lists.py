"""Items divided into lists of similar vectors."""

import numpy as np
import pytest

from tfrec.features.item_lists import divide_items

CLUSTERS, SIZE, WIDTH = 60, 20, 16


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def clustered():
    """Vectors of clusters of 20 items each, one behind the other; row 0 is padding."""
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(CLUSTERS, 1, WIDTH)) + 0.1 * rng.normal(size=(CLUSTERS, SIZE, WIDTH))
    return np.concatenate([np.zeros((1, WIDTH), np.float32), unit(vectors.reshape(-1, WIDTH))])


def divided(vectors, length, seed=0):
    return divide_items(vectors, np.arange(1, len(vectors), dtype=np.int32), length=length, seed=seed)


@pytest.mark.parametrize("length", [1, 7, 40, 5000])
def test_each_item_lies_in_one_list_that_is_not_too_long(clustered, length):
    lists = divided(clustered, length)
    assert lists.item.shape[1] == length
    assert sorted(lists.item[lists.item > 0].tolist()) == list(range(1, len(clustered)))
    assert np.all((lists.item > 0).any(axis=1))
    placed = lists.list_of(len(clustered))
    assert placed[0] == -1
    assert all(item in lists.item[placed[item]] for item in (1, 77, len(clustered) - 1))


def test_items_that_are_left_out_lie_in_no_list(clustered):
    items = np.array([3, 50, 51, 700], np.int32)
    lists = divide_items(clustered, items, length=2)
    assert sorted(lists.item[lists.item > 0].tolist()) == items.tolist()
    assert set(np.flatnonzero(lists.list_of(len(clustered)) >= 0)) == set(items.tolist())


def test_a_centre_is_the_mean_of_its_list(clustered):
    lists = divided(clustered, 40)
    for item, centre in zip(lists.item, lists.centre, strict=True):
        np.testing.assert_allclose(centre, clustered[item[item > 0]].mean(axis=0), atol=1e-6)


def test_the_same_seed_gives_the_same_lists(clustered):
    first, again, other = divided(clustered, 40), divided(clustered, 40), divided(clustered, 40, seed=1)
    assert first.item.tolist() == again.item.tolist()
    assert first.item.tolist() != other.item.tolist()


def test_items_of_one_vector_share_their_lists():
    """Thousands of items without any description: they fill lists of their own, and no others."""
    rng = np.random.default_rng(0)
    vectors = np.concatenate([np.zeros((1, 4)), np.tile([[1.0, 0, 0, 0]], (900, 1)), rng.normal(size=(100, 4))])
    vectors[1:] = unit(vectors[1:])
    lists = divided(vectors.astype(np.float32), 25)
    is_same = lists.item <= 900
    mixed = [row for row in range(len(lists.item)) if len(set(is_same[row][lists.item[row] > 0])) > 1]
    assert len(mixed) <= len(lists.item) // 4
