import numpy as np
import pytest

from tests.worlds import START_HOUR, bought, indices, make_shop
from tfrec.features.feature_tables import FeatureConfig, compute_feature_tables
from tfrec.features.popularity import count_season, popularity_in_segments


def tables_at(shop, day, **settings):
    return compute_feature_tables(shop.train, as_of=START_HOUR + 24.0 * day, config=FeatureConfig(**settings))


def test_a_segment_is_what_it_bought_and_a_little_of_the_shop_by_hand():
    rows = [
        *bought("ann", 60, "a"),
        *bought("bob", 61, "a", "b"),
        *bought("cy", 62, "b"),
        *bought("", 63, "c", order="1"),
    ]
    rows += bought("ann", 10, "c")  # too long ago
    shop = make_shop(rows, segments={"ann": "north", "bob": "north", "cy": "south", "new": "south"})
    feature_tables = tables_at(shop, 70, segment_prior=2.0)
    a, b, c = indices(shop, "a", "b", "c")
    found = feature_tables.segment_popularity
    # five purchases: two of a, two of b, one of c by a guest; north bought a, a, b, south b
    assert found[0, [a, b, c]].tolist() == [2, 2, 1]
    north, south = shop.train.segments.names.encode(["north", "south"])
    assert found[north, [a, b, c]] == pytest.approx(5 * (np.array([2, 1, 0]) + 2 * np.array([0.4, 0.4, 0.2])) / 5)
    assert found[south, [a, b, c]] == pytest.approx(5 * (np.array([0, 1, 0]) + 2 * np.array([0.4, 0.4, 0.2])) / 3)
    assert found.sum(axis=1) == pytest.approx([5, 5, 5])
    assert feature_tables.user_segment[shop.users.encode(["ann", "bob", "cy", "new", "stranger"])].tolist() == [
        north, north, south, south, 0,
    ]  # fmt: skip


def test_a_small_segment_is_held_to_the_shop():
    item, segment = np.array([1] * 99 + [2]), np.array([1] * 99 + [2])
    loose, held = (
        popularity_in_segments(item, segment, np.ones(100), size=3, num_segments=2, prior=prior)[2]
        for prior in (0.1, 1000.0)
    )
    assert loose[2] > 80 and held[2] < 2


def test_a_shop_that_sold_nothing_lately_has_no_popular_items():
    found = popularity_in_segments(np.array([1]), np.array([1]), np.array([29.0]), size=3, num_segments=1, prior=9.0)
    assert found.shape == (2, 3) and not found.any()


def test_the_season_is_the_same_weeks_a_year_before():
    days = np.array([500.0, 379, 377, 351, 349, 10])
    assert count_season(np.array([1, 2, 3, 3, 4, 5]), days, size=6).tolist() == [0, 0, 0, 2, 0, 0]


def test_a_log_that_does_not_reach_back_gives_no_season():
    """Half of the window would make the items of its weeks look alone in it."""
    assert not count_season(np.array([1, 2]), np.array([370.0, 355.0]), size=3).any()
    assert not count_season(np.array([], int), np.array([]), size=3).any()
