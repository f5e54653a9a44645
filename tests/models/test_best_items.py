"""The best of a catalogue that is looked at block by block, against a sort of all of it."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.models.sources.best_items import best_items

ROWS, QUERIES = 101, 3
WANTED = [3, 0, 40]


@pytest.fixture(params=[7, 50, 1000], ids=lambda block: f"blocks of {block}")
def block(request, monkeypatch):
    monkeypatch.setattr("tfrec.models.sources.best_items._BLOCK", request.param)
    return request.param


def world(share):
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 9, (QUERIES, ROWS)).astype(np.float32)  # many are equal
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    may_be = rng.random((QUERIES, ROWS)) < share
    may_be[:, 0] = True  # padding is not offered whatever is said of it
    return scores, may_be


def expected(scores, may_be):
    rows = []
    for row in range(QUERIES):
        items = np.arange(1, ROWS)[(may_be[row] & (scores[row] > -np.inf))[1:]]
        rows.append(items[np.argsort(-scores[row][items], kind="stable")][: WANTED[row]].tolist())
    return rows


def found(scores, may_be, *, order=None):
    looked_at = []

    def score(items):
        looked_at.append(items.numpy())
        return tf.gather(tf.constant(scores), tf.broadcast_to(items, [QUERIES, items.shape[1]]), batch_dims=1)

    def allowed(shortlist):
        items = tf.broadcast_to(shortlist.item, [QUERIES, shortlist.item.shape[1]])
        return tf.gather(tf.constant(may_be), items, batch_dims=1)

    (item,) = best_items([score], [tf.constant(WANTED)], allowed, num_rows=ROWS, order=order)
    return [row[row > 0].tolist() for row in item.numpy()], len(np.unique(np.concatenate(looked_at, axis=1)))


@pytest.mark.parametrize("share", [1.0, 0.5, 0.05, 0.0])
def test_blocks_find_what_a_sort_of_all_finds_ties_included(block, share):
    scores, may_be = world(share)
    assert found(scores, may_be)[0] == expected(scores, may_be)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.05])
def test_in_falling_order_of_the_score_the_rest_is_left_as_soon_as_there_are_enough(block, share):
    _, may_be = world(share)
    scores = np.tile(np.random.default_rng(1).integers(0, 9, ROWS).astype(np.float32), (QUERIES, 1))
    order = tf.constant(np.argsort(-scores[0, 1:], kind="stable") + 1, tf.int32)
    items, looked_at = found(scores, may_be, order=order)
    assert items == expected(scores, may_be)
    if block == 7 and share == 1.0:
        assert 40 <= looked_at <= 43  # six blocks, and padding


def test_any_number_may_be_wanted(block):
    scores, may_be = world(0.5)
    every = [found_by(scores, may_be, number) for number in (ROWS, 2**31 - 1)]
    assert every[0] == every[1]


def found_by(scores, may_be, number):
    (best,) = best_items(
        [lambda items: tf.gather(tf.constant(scores), items[0], axis=1)],
        [tf.fill([QUERIES], number)],
        lambda shortlist: (
            tf.gather(tf.constant(may_be), shortlist.item, batch_dims=1)
            if shortlist.item.shape[0] == QUERIES
            else tf.gather(tf.constant(may_be), shortlist.item[0], axis=1)
        ),
        num_rows=ROWS,
    )
    return [row[row > 0].tolist() for row in best.numpy()]
