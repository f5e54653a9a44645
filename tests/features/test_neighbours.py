"""One table from several kinds of weights: what is kept, what a kept cell knows, what is cut."""

import numpy as np
import pytest
import scipy.sparse

from tfrec.features.neighbours import Channel, merge_channels

SIZE = 30
NO_PAIRS = scipy.sparse.csr_matrix((SIZE, SIZE), dtype=np.float32)


def table(*channels, n, width=SIZE, pair_counts=NO_PAIRS):
    """`[SIZE, SIZE, channels]` of what the table holds; NaN where it holds nothing."""
    neighbours, weights, counts = merge_channels(list(channels), pair_counts, n=n, width=width)
    assert (np.diff(np.abs(weights).max(axis=-1), axis=1) <= 0).all()  # strongest first
    assert not weights[neighbours == 0].any() and not counts[neighbours == 0].any()
    whole = np.full((SIZE, SIZE, len(channels)), np.nan)
    row, place = np.nonzero(neighbours)
    whole[row, neighbours[row, place]] = weights[row, place]
    return whole


@pytest.fixture(params=["dense", "sparse"])
def random_weights(request):
    values = np.random.default_rng(0).normal(size=(SIZE - 1, SIZE - 1)).astype(np.float32)
    np.fill_diagonal(values, 0)
    if request.param == "sparse":
        values = scipy.sparse.csr_matrix(np.maximum(values, 0))
    return Channel(values, np.arange(1, SIZE))


def whole_of(channel):
    values = channel.weights.toarray() if scipy.sparse.issparse(channel.weights) else channel.weights
    return np.pad(values, [(1, 0), (1, 0)])


def test_the_strongest_of_each_row_and_of_each_column_are_kept(random_weights):
    values = whole_of(random_weights)
    held = table(random_weights, n=4)[..., 0]
    known = ~np.isnan(held)
    np.testing.assert_array_equal(held[known], values[known].astype(np.float16))
    for item in range(1, SIZE):
        assert known[item, np.argsort(-np.abs(values[item]))[:4]].all()  # negative weights count too
        assert known[np.argsort(-values[:, item])[:4], item].all()
    assert known.sum() < 9 * SIZE


def test_a_kept_cell_has_the_weights_of_all_kinds():
    left, right = np.zeros((SIZE, SIZE), np.float32), np.zeros((SIZE, SIZE), np.float32)
    left[1, 2], right[1, 2], left[1, 3], right[1, 4] = 9, 0.1, 8, 7
    everything = np.arange(SIZE)
    held = table(Channel(left, everything), None, Channel(right, everything), n=1)
    np.testing.assert_allclose(held[1, 2], [9, 0, 0.1], rtol=2.0**-11)
    assert held[1, 4].tolist() == [0, 0, 7]  # strongest for item 4


def test_rows_are_cut_at_the_weakest():
    values = np.zeros((SIZE, SIZE), np.float32)
    values[1, 2:8] = [1, -6, 2, 5, 3, -4]
    held = table(Channel(values, np.arange(SIZE)), n=6, width=3)[1, :, 0]
    assert np.flatnonzero(~np.isnan(held)).tolist() == [3, 5, 7]


def test_a_kind_that_leaves_columns_alone_keeps_rows_only(random_weights):
    by_rows = Channel(random_weights.weights, random_weights.items, by_columns=False)
    known = ~np.isnan(table(by_rows, n=4)[..., 0])
    assert (known.sum(axis=1)[1:] == 4).all()


def test_pair_counts_stand_beside_their_cells():
    values = np.zeros((SIZE, SIZE), np.float32)
    values[1, 2], values[2, 1] = 0.5, 0.25
    pairs = NO_PAIRS.tolil()
    pairs[1, 2] = pairs[2, 1] = 7
    neighbours, _, counts = merge_channels([Channel(values, np.arange(SIZE))], pairs.tocsr(), n=2, width=5)
    assert neighbours[1, 0] == 2 and counts[1, 0] == 7 and counts.sum() == 14


def test_nothing_known_is_a_table_of_nothing():
    neighbours, weights, _ = merge_channels([None, Channel(NO_PAIRS, np.arange(SIZE))], NO_PAIRS, n=3, width=5)
    assert neighbours.shape == (SIZE, 1) and not neighbours.any() and not weights.any()
