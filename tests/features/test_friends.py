"""What friends bought: scores by hand, in slabs, before the moment; who is a known user through friends alone."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import tfrec.features.friends
from tests.worlds import START, bought, make_shop, viewed
from tfrec.errors import ConfigError
from tfrec.features.feature_tables import FeatureConfig, compute_feature_tables
from tfrec.features.friends import Friends, items_of_friends

ROWS = [*bought("ann", 0, "a", "b"), *bought("ann", 80, "a"), *bought("bob", 80, "b", "c"), *viewed("bob", 85, "d")]
FRIENDS = [("ann", "cy"), ("bob", "cy"), ("ann", "bob"), ("cy", "dan"), ("eve", "dan")]


def friends_items(shop, day, **settings):
    """User → item → score."""
    as_of = START.timestamp() / 3600 + 24 * day
    feature_tables = compute_feature_tables(shop.train, as_of=as_of, config=FeatureConfig(**settings))
    found = {}
    for row, user in enumerate(shop.users.tokens, start=1):
        span = slice(*feature_tables.friend_splits[row : row + 2])
        names = shop.vocabularies.items.decode(feature_tables.friend_item[span])
        found[user] = dict(zip(names, feature_tables.friend_score[span].tolist(), strict=True))
    assert feature_tables.friend_splits[:2].tolist() == [0, 0]  # a guest has no friends
    return found


def test_scores_of_what_friends_bought_by_hand():
    """Cy never bought; ann's first order is one half-life old, and cy has two friends. Views are no purchases."""
    shop = make_shop(ROWS, friends=FRIENDS, test_from_day=100)
    found = friends_items(shop, 90, friend_half_life_days=90.0)
    late = 0.5 ** (10 / 90)
    expected = {"a": (0.5 + late) / np.sqrt(2), "b": (0.5 + late) / np.sqrt(2), "c": late / np.sqrt(2)}
    assert found["cy"] == pytest.approx(expected, rel=1e-5)
    assert list(found["cy"])[-1] == "c"
    assert found["bob"] == pytest.approx({"a": (0.5 + late) / np.sqrt(2), "b": 0.5 / np.sqrt(2)}, rel=1e-5)


def test_only_what_was_bought_before_the_moment_counts():
    shop = make_shop(ROWS, friends=FRIENDS, test_from_day=100)
    assert set(friends_items(shop, 1)["cy"]) == {"a", "b"}
    assert friends_items(shop, 1)["ann"] == {}


def test_users_known_by_friends_who_bought_are_users_and_others_are_not():
    """Dan knows cy alone, who never bought, and eve only dan: nothing is known of either."""
    shop = make_shop(ROWS, friends=FRIENDS, segments={"fay": "gold"})
    assert shop.users.tokens.tolist() == ["ann", "bob", "fay", "cy"]
    assert shop.train.before(1e9).friends is shop.train.friends
    assert shop.train_until(START).friends is shop.train.friends


def test_a_shop_without_relations_knows_nothing_of_friends():
    assert set(map(len, friends_items(make_shop(ROWS), 90).values())) == {0}


def test_the_best_items_are_kept():
    shop = make_shop(ROWS, friends=FRIENDS, test_from_day=100)
    assert [list(found) for found in friends_items(shop, 90, friend_items=1).values()] == [["b"], ["a"], ["a"]]


def test_how_well_friends_are_known_counts_but_not_the_unit():
    """Of two friends the dearer one's purchase comes first; weights ten times as large change no score."""
    for unit in (1.0, 10.0):
        cells = (np.array([3.0, 1.0], np.float32) * unit, ([3, 3], [1, 2]))
        friends = Friends(scipy.sparse.csr_matrix(cells, shape=(4, 4)))
        found = items_of_friends(
            friends, np.array([1, 2]), np.array([5, 6]), np.zeros(2), size=8, half_life_days=90, most=9
        )
        assert found["friend_splits"].tolist() == [0, 0, 0, 0, 2]
        assert found["friend_item"].tolist() == [5, 6]
        assert found["friend_score"] == pytest.approx([3 / np.sqrt(10), 1 / np.sqrt(10)], rel=1e-5)


@pytest.mark.parametrize("most", [1, 50, 10_000])
def test_slabs_of_any_size_give_the_same(monkeypatch, most):
    rng = np.random.default_rng(0)
    users, size = 60, 40
    pairs = pd.DataFrame(rng.integers(1, users, (400, 2))).drop_duplicates().to_numpy()
    friends = Friends(scipy.sparse.csr_matrix((np.ones(len(pairs), np.float32), pairs.T), shape=(users, users)))
    log = rng.integers(0, users, 500), rng.integers(1, size, 500), rng.integers(0, 300, 500).astype(float)
    settings = {"size": size, "half_life_days": 90.0, "most": 7}
    whole = items_of_friends(friends, *log, **settings)
    monkeypatch.setattr(tfrec.features.friends, "_MOST_PRODUCTS", most)
    parts = items_of_friends(friends, *log, **settings)
    for name, value in whole.items():
        np.testing.assert_array_equal(parts[name], value, err_msg=name)
    assert np.diff(whole["friend_splits"]).max() == 7


@pytest.mark.slow
def test_a_million_relations_take_seconds():
    rng = np.random.default_rng(0)
    users, size, lines = 200_000, 20_000, 3_000_000
    ends = rng.integers(1, users, (2, 1_000_000))
    friends = Friends(scipy.sparse.csr_matrix((np.ones(1_000_000, np.float32), ends), shape=(users, users)))
    log = rng.integers(1, users, lines), rng.integers(1, size, lines), rng.integers(0, 300, lines).astype(float)
    found = items_of_friends(friends, *log, size=size, half_life_days=90.0, most=50)
    assert np.diff(found["friend_splits"]).max() == 50
    assert len(found["friend_item"]) > 5_000_000


@pytest.mark.parametrize("name", ["friend_half_life_days", "friend_items"])
def test_settings_must_be_positive(name):
    with pytest.raises(ConfigError, match=f"`{name}` must be positive"):
        FeatureConfig(**{name: 0})
