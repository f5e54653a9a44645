"""Tables of neighbours: what is kept of each row, how it is stored, and narrower readings of the same table."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tfrec.models.source_config import SourceConfig
from tfrec.models.sources.item_table import item_table
from tfrec.models.sources.moment import Moment
from tfrec.models.sources.shortlist import shortlist_of

ROWS = 5
EVERY = slice(None)


def tables_of(weights, *, counts=7):
    """`[ROWS, 3]` neighbours 1, 2, 3 of item 1, with `weights [3, c]`; of the others none."""
    neighbours, of_all = np.zeros((ROWS, 3), np.int32), np.zeros((ROWS, *np.shape(weights)), np.float32)
    neighbours[1], of_all[1] = [2, 3, 4], weights
    return SimpleNamespace(neighbours=neighbours, weights=of_all, pair_counts=np.where(neighbours > 0, counts, 0))


def test_the_strongest_by_absolute_weight_of_the_channels_that_are_read_are_kept():
    tables = tables_of([[0.1, 9.0], [-0.3, 0.0], [0.2, 0.0]])
    kept = item_table(tables, channels=slice(0, 1), width=2, name="t")
    assert kept.neighbours.numpy()[1].tolist() == [3, 4]
    assert kept.weights.numpy()[1, :, 0].tolist() == pytest.approx([-0.3, 0.2], rel=2.0**-11)
    assert not kept.neighbours.numpy()[[0, 2, 3, 4]].any()


def test_weights_take_two_bytes_and_contributions_are_of_single_precision():
    table = item_table(tables_of([[0.1], [0.3], [0.2]]), channels=EVERY, width=3, name="t")
    items, shortlist = tf.constant([[1, 1]]), shortlist_of([tf.constant([[2, 3, 4]])])
    total, _ = table.contributions(items, shortlist.columns(table.neighbours_of(items)), shortlist)
    assert table.weights.dtype == tf.float16 and total.dtype == tf.float32
    assert total[0, 1:, 0].numpy().tolist() == pytest.approx([0.2, 0.6, 0.4], rel=2.0**-11)


@pytest.mark.parametrize(("most", "dtype"), [(65_535, tf.uint16), (65_536, tf.int32)])
def test_no_count_is_cut(most, dtype):
    table = item_table(tables_of([[0.1], [0.3], [0.2]], counts=most), channels=EVERY, width=3, name="t")
    items, shortlist = tf.constant([[1]]), shortlist_of([tf.constant([[3]])])
    _, best = table.contributions(items, shortlist.columns(table.neighbours_of(items)), shortlist)
    strength, item, count = table.decode_best(best, items)
    assert table.pair_counts.dtype == dtype
    assert (item[0, 1], count[0, 1]) == (1, most) and float(strength[0, 1]) == pytest.approx(0.3, rel=2.0**-11)


def test_a_narrower_reading_is_of_fewer_neighbours_and_channels_and_stores_nothing():
    table = item_table(tables_of([[0.1, 0.9], [0.3, 0.7], [0.2, 0.8]]), channels=EVERY, width=3, name="t")
    narrow = table.narrowed(channels=slice(0, 1), width=2)
    assert all(one is other for one, other in zip(narrow.variables, table.variables, strict=True))
    items, shortlist = tf.constant([[1]]), shortlist_of([tf.constant([[2, 3, 4]])])
    neighbours = narrow.neighbours_of(items)
    assert neighbours.numpy().tolist() == [[2, 4]]  # by the strongest of both channels
    total, best = narrow.contributions(items, shortlist.columns(neighbours), shortlist)
    assert total[0, :, 0].numpy().tolist() == pytest.approx([0, 0.1, 0, 0.2], rel=2.0**-11)
    _, item, count = narrow.decode_best(best, items)
    assert item.numpy().tolist() == [[0, 1, 0, 1]] and count.numpy().tolist() == [[0, 7, 0, 7]]


@pytest.mark.parametrize(("num_rows", "kept"), [(200_000, 25), (200_001, 13)])
def test_a_big_catalogue_keeps_half_of_the_neighbours(num_rows, kept):
    moment = SimpleNamespace(num_rows=num_rows, config=SourceConfig())
    assert Moment.neighbours_kept(moment, 25) == kept
