import numpy as np

from tests.worlds import START_HOUR, bought, make_shop, viewed


def names(shop, sequence):
    rows = slice(*shop.train.splits[sequence : sequence + 2])
    return shop.vocabularies.items.decode(shop.train.item[rows]).tolist()


def test_a_known_user_is_one_sequence_in_time():
    shop = make_shop([*bought("ann", 3, "c"), *bought("bob", 1, "b"), *bought("ann", 0, "a")])
    assert [names(shop, number) for number in range(2)] == [["a", "c"], ["b"]]
    assert shop.users.decode(shop.train.sequence_user).tolist() == ["ann", "bob"]
    np.testing.assert_allclose(shop.train.hour[:2], [START_HOUR, START_HOUR + 72])


def test_a_guests_past_ends_with_the_visit():
    shop = make_shop(
        [
            *bought("ann", 0, "a"),
            *viewed("", 1, "b", "c", session="first"),
            *viewed("", 2, "b", "d", session="second"),
            *bought("", 3, "a", "b", order="7"),
        ]
    )
    assert [names(shop, number) for number in range(4)] == [["a"], ["b", "c"], ["b", "d"], ["a", "b"]]
    assert shop.train.sequence_user.tolist() == [1, 0, 0, 0]


def test_events_of_one_order_or_visit_belong_together():
    rows = [*viewed("ann", 0, "a", "b"), *bought("ann", 0.5, "b", "c"), *viewed("ann", 1, "a")]
    train = make_shop(rows).train
    for numbers in (train.group, train.session):
        assert [numbers[at] == numbers[at + 1] for at in range(4)] == [True, False, True, False]


def test_an_order_inside_a_visit_is_a_group_of_its_own_but_of_the_visit():
    rows = [*viewed("ann", 0, "a", "b", session="s"), *bought("ann", 0.01, "b", order="o")]
    rows[-1]["session_id"] = "s"
    train = make_shop(rows).train
    assert train.group[0] == train.group[1] != train.group[2]
    assert len(set(train.session.tolist())) == 1


def test_searches_impressions_and_unknown_items_are_no_behaviour():
    rows = [*bought("ann", 0, "a"), *viewed("ann", 1, "b", kind="impression"), *viewed("ann", 2, "", kind="search")]
    shop = make_shop([*rows, *bought("ann", 3, "not in the catalogue")], {"a": {}, "b": {}})
    assert names(shop, 0) == ["a"]


def test_a_shop_without_events_before_a_moment_has_no_sequences():
    shop = make_shop(bought("ann", 1, "a"))
    nothing = shop.train_until(shop.prepared.train.events["timestamp"].iloc[0])
    assert len(nothing) == 0
    assert nothing.splits.tolist() == [0]


def test_what_came_before_an_hour_is_what_encoding_it_gives():
    rows = [*viewed("ann", 0, "a", "b"), *bought("bob", 1, "c"), *bought("ann", 2, "c", "a"), *viewed("", 3, "a", "d")]
    shop = make_shop(rows)
    for moment in shop.prepared.train.events["timestamp"]:
        mine, its = shop.train.before(moment.timestamp() / 3600), shop.train_until(moment)
        for name in ("item", "event_type", "hour", "splits", "sequence_user"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(its, name), err_msg=name)
    assert len(shop.train.before(1e9)) == len(shop.train)
