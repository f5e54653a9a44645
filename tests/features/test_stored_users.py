"""A servable may store some users alone: their tables stay as they are, under new numbers."""

import numpy as np
import pytest

from tests.worlds import bought, make_shop, viewed
from tfrec.errors import ConfigError
from tfrec.features.feature_tables import FeatureConfig, compute_feature_tables
from tfrec.features.stored_users import StoredUsers, keep_users


@pytest.fixture(scope="module")
def shop():
    """Ann came last on day 25, bob on day 10, cy on day 28; of dora only the segment is known."""
    rows = [*bought("ann", 0, "a", "b"), *bought("bob", 10, "a", "b"), *bought("cy", 20, "a", "c")]
    rows += [*bought("ann", 25, "a"), *viewed("cy", 28, "b", session="late")]
    return make_shop(rows, {name: {} for name in "abc"}, test_from_day=30, segments={"dora": "north"})


@pytest.fixture(scope="module")
def tables(shop):
    as_of = shop.prepared.test_from.timestamp() / 3600
    return compute_feature_tables(shop.train, as_of=as_of, config=FeatureConfig(l2=1.0))


@pytest.mark.parametrize(
    ("rule", "names"),
    [("all", "ann bob cy dora"), ("none", ""), ("recent=1", "cy"), ("recent=2", "ann cy"), ("recent=9", "ann bob cy")],
)
def test_a_rule_chooses_users_by_their_latest_event(shop, tables, rule, names):
    assert sorted(shop.users.tokens[StoredUsers.parse(rule).choose(tables) - 1]) == names.split()


@pytest.mark.parametrize("rule", ["", "some", "recent=", "recent=0", "recent=-1", "recent=1.5", "RECENT=3"])
def test_another_rule_is_refused(rule):
    with pytest.raises(ConfigError, match="all, none, or recent=N"):
        StoredUsers.parse(rule)


def test_users_keep_their_rows_and_guests_are_first(shop, tables):
    ann, cy = shop.users.encode(["ann", "cy"])
    kept = keep_users(tables, np.sort([ann, cy]))
    place = {user: 1 + int(number) for number, user in enumerate(np.sort([ann, cy]))}
    assert kept.num_orders.tolist() == [0.0, *(tables.num_orders[user] for user in place)]
    for splits, item in (("own_splits", "own_item"), ("line_splits", "line_item")):
        for user, row in place.items():
            start, stop = getattr(tables, splits)[user : user + 2]
            new_start, new_stop = getattr(kept, splits)[row : row + 2]
            assert getattr(kept, item)[new_start:new_stop].tolist() == getattr(tables, item)[start:stop].tolist()
        assert getattr(kept, splits)[:2].tolist() == [0, 0]
        assert getattr(kept, splits)[-1] == len(getattr(kept, item))
    assert kept.own_habit.shape == (len(kept.own_item), 3)
    assert kept.recent_item[place[cy]].tolist() == tables.recent_item[cy].tolist()
    assert kept.popularity is tables.popularity


def test_without_users_the_guest_is_left(tables):
    kept = keep_users(tables, StoredUsers.parse("none").choose(tables))
    assert len(kept.num_orders) == len(kept.recent_item) == 1
    assert kept.own_splits.tolist() == [0, 0] and not len(kept.own_item)
