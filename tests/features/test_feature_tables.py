import dataclasses

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from tests.worlds import START_HOUR, bought, indices, make_shop, viewed
from tfrec.errors import ConfigError, SchemaError
from tfrec.features.feature_tables import CHANNELS, FeatureConfig, compute_feature_tables, target_type

ITEMS = {name: {} for name in "abcdef"}
HALF = 2.0**-11  # relative error of half precision


def tables_at(shop, day, **fields):
    return compute_feature_tables(shop.train, as_of=START_HOUR + 24.0 * day, config=FeatureConfig(**fields))


def weight(shop, feature_tables, source, target, channel):
    row, column = indices(shop, source, target)
    at = np.flatnonzero(feature_tables.neighbours[row] == column)
    return float(feature_tables.weights[row, at[0], CHANNELS.index(channel)]) if len(at) else 0.0


def pair_count(shop, feature_tables, left, right):
    row, column = indices(shop, left, right)
    return int(feature_tables.pair_counts[row][feature_tables.neighbours[row] == column].sum())


@st.composite
def _events(draw, first_day, last_day):
    rows = []
    for _ in range(draw(st.integers(1, 8))):
        day = draw(st.integers(first_day * 4, last_day * 4 - 1)) / 4
        user = draw(st.sampled_from(["ann", "bob", ""]))
        items = draw(st.lists(st.sampled_from(list(ITEMS)), min_size=1, max_size=3, unique=True))
        if draw(st.booleans()):
            rows += bought(user, day, *items, order=f"{user}{day}{len(rows)}")
        else:
            rows += viewed(user, day, *items, session=f"{user}{day}{len(rows)}")
    return rows


@settings(max_examples=40, deadline=None, derandomize=True)
@given(past=_events(0, 10), future=_events(10, 20))
def test_nothing_from_the_moment_on_changes_what_was_known(past, future):
    """An event of the very moment, day 10, belongs to the future too."""
    anchor = [*bought("ann", 0, "a", "b"), *bought("bob", 0, "c", order="bob's")]
    segments = {"ann": "north", "bob": "south"}
    alone = tables_at(make_shop([*anchor, *past], ITEMS, test_from_day=30, segments=segments), 10)
    future += bought("ann", 10, "a", "f", order="of the very moment")
    with_future = tables_at(make_shop([*anchor, *past, *future], ITEMS, test_from_day=30, segments=segments), 10)
    for name, value in vars(alone).items():
        np.testing.assert_array_equal(getattr(with_future, name), value, err_msg=name)


def test_what_is_bought_together_is_counted_and_weighed_by_hand():
    rows = [*bought("ann", 0, "a", "b"), *bought("bob", 1, "a", "b"), *bought("cy", 2, "a", "c"), *bought("di", 3, "d")]
    rows += bought("ann", 2.5, "a", "a", order="one item on two lines")
    shop = make_shop(rows)
    feature_tables = tables_at(shop, 4)
    assert pair_count(shop, feature_tables, "a", "b") == 2
    assert pair_count(shop, feature_tables, "c", "a") == 1
    assert pair_count(shop, feature_tables, "b", "c") == 0
    assert weight(shop, feature_tables, "a", "b", "ease") > weight(shop, feature_tables, "a", "c", "ease") > 0
    assert weight(shop, feature_tables, "a", "d", "ease") == 0
    of_sessions = [CHANNELS.index(name) for name in ("session_ease", "transition", "sequence")]
    assert not feature_tables.weights[..., of_sessions].any()  # a log of orders alone has none


def test_fresh_orders_outweigh_old_ones_where_weights_fade():
    rows = []
    for number in range(20):
        rows += bought(f"old{number}", number / 100, "a", "b")
        rows += bought(f"new{number}", 200 + number / 100, "a", "c")
    shop = make_shop(rows)
    feature_tables = tables_at(shop, 201, half_life_days=30.0)
    assert weight(shop, feature_tables, "a", "b", "ease") == pytest.approx(
        weight(shop, feature_tables, "a", "c", "ease")
    )
    old, new = (weight(shop, feature_tables, "a", item, "recent_ease") for item in "bc")
    assert new > 5 * old


def test_adjacent_lines_contribute_to_each_other_and_not_to_far_ones():
    """Everybody puts the same sixteen items into the cart, in the same order."""
    lines = "abcdefghijklmnop"
    shop = make_shop([row for number in range(20) for row in bought(f"u{number}", number / 100, *lines)])
    feature_tables = tables_at(shop, 1)
    assert weight(shop, feature_tables, "g", "h", "ease") == pytest.approx(
        weight(shop, feature_tables, "a", "p", "ease")
    )
    near, apart, far = (weight(shop, feature_tables, *pair, "nearby_ease") for pair in ("gh", "bg", "ap"))
    assert near > 1.5 * apart > 0 and abs(far) < 0.1 * near


def test_a_small_order_says_more_of_its_pairs_than_a_big_one():
    small = [row for number in range(20) for row in bought(f"s{number}", number / 100, "a", "b")]
    big = [row for number in range(20) for row in bought(f"g{number}", 1 + number / 100, "c", "d", "e", "f")]
    shop = make_shop([*small, *big])
    alone = make_shop([*small, *(row for number in range(20) for row in bought(f"g{number}", 1, "c", "d"))])
    for channel in ("ease", "denoised_ease"):
        pair, crowd = (weight(shop, tables_at(shop, 2), *pair, channel) for pair in ("ab", "cd"))
        assert pair > 1.5 * crowd
        first, second = (weight(alone, tables_at(alone, 2), *pair, channel) for pair in ("ab", "cd"))
        assert first == pytest.approx(second)  # of one size they weigh the same


def test_the_next_item_of_a_visit_follows_and_does_not_lead():
    rows = [*bought("ann", 0, "d")]
    for number in range(5):
        rows += viewed(f"u{number}", number + 1, "a", "a", "b")
    rows += viewed("u9", 9, "a", "c")
    shop = make_shop(rows)
    feature_tables = tables_at(shop, 10)
    # eleven steps away from a (a looked at again is one), five of them to b, held back by five
    assert weight(shop, feature_tables, "a", "b", "transition") == pytest.approx(5 / (11 + 5))
    assert weight(shop, feature_tables, "b", "a", "transition") == 0
    assert weight(shop, feature_tables, "a", "a", "transition") == pytest.approx(5 / (11 + 5))
    assert weight(shop, feature_tables, "b", "a", "session_ease") > 0


def test_sequential_rules_weigh_what_followed_by_one_over_the_steps():
    """Nine visits a → b → ... → f: nine steps away from a, held back by five; nothing is said backwards."""
    rows = [row for number in range(9) for row in viewed(f"u{number}", number, *"abcdef")]
    shop = make_shop([*rows, *bought("ann", 9, "g")])
    feature_tables = tables_at(shop, 10)
    for steps, item in enumerate("bcdef", start=1):
        assert weight(shop, feature_tables, "a", item, "sequence") == pytest.approx(9 / (9 + 5) / steps, rel=HALF), item
        assert weight(shop, feature_tables, item, "a", "sequence") == 0
    assert weight(shop, feature_tables, "a", "c", "transition") == 0  # which looks one step ahead


def test_sequential_rules_look_ten_steps_ahead():
    names = [f"i{number:02d}" for number in range(13)]
    rows = [row for number in range(9) for row in viewed(f"u{number}", number, *names)]
    shop = make_shop([*rows, *bought("ann", 9, "z")])
    feature_tables = tables_at(shop, 10)
    weights = [weight(shop, feature_tables, "i00", name, "sequence") for name in names[9:]]
    assert weights == pytest.approx([9 / 14 / 9, 9 / 14 / 10, 0, 0], rel=HALF)


def test_popularity_and_ages_count_back_from_the_moment():
    rows = [*bought("ann", 0, "a"), *bought("bob", 80, "a", "b"), *bought("cy", 95, "a"), *viewed("cy", 96, "c")]
    shop = make_shop(rows)
    feature_tables = tables_at(shop, 100)
    a, b, c = indices(shop, "a", "b", "c")
    assert feature_tables.popularity[a].tolist() == [1, 2, 2, 3]  # of 7, 28, 84 days, ever
    assert feature_tables.popularity[b].tolist() == [0, 1, 1, 1]
    assert not feature_tables.popularity[[0, c]].any()
    assert feature_tables.first_age[[a, b, c]].tolist() == [100, 20, 0]
    assert feature_tables.last_age[[a, b, c]].tolist() == [5, 20, 0]


def test_own_items_come_most_frequent_first_then_latest():
    rows = [
        *bought("ann", 0, "a", "c"),
        *bought("ann", 1, "b", "b"),  # two lines of one order count once
        *bought("ann", 2, "a"),
        *bought("bob", 3, "d"),
        *viewed("bob", 4, "a"),
        *bought("", 4, "e", order="guest"),
    ]
    shop = make_shop(rows)
    feature_tables = tables_at(shop, 5)

    def own(name):
        user = shop.users.encode([name])[0]
        span = slice(*feature_tables.own_splits[user : user + 2])
        return [
            (str(shop.vocabularies.items.decode(item)), count, age)
            for item, count, age in zip(
                feature_tables.own_item[span], feature_tables.own_count[span], feature_tables.own_age[span], strict=True
            )
        ]

    assert own("ann") == [("a", 2, 3), ("b", 1, 4), ("c", 1, 5)]
    assert own("bob") == [("d", 1, 2)]
    assert own("a guest") == []
    assert feature_tables.num_orders[shop.users.encode(["", "ann", "bob"])].tolist() == [0, 3, 1]
    fewer = tables_at(shop, 5, own_items=1)
    assert fewer.own_item.tolist() == indices(shop, "a", "d")


def own_table(shop, feature_tables, name, *columns):
    """Item → its values in the columns, for one user."""
    user = shop.users.encode([name])[0]
    span = slice(*feature_tables.own_splits[user : user + 2])
    names = shop.vocabularies.items.decode(feature_tables.own_item[span]).tolist()
    return {
        item: np.concatenate([np.atleast_1d(getattr(feature_tables, column)[span][row]) for column in columns]).tolist()
        for row, item in enumerate(names)
    }


@pytest.fixture(scope="module")
def anns_orders():
    """Four orders of ann at days 0, 4, 6 and 10, the third with a line twice, and one of bob in between."""
    rows = [
        *bought("ann", 0, "a", "b"),
        *bought("ann", 4, "a"),
        *bought("bob", 5, "a", "d"),
        *bought("ann", 6, "c", "c"),
        *bought("ann", 10, "a", "c"),
    ]
    return make_shop(rows)


def test_an_own_habit_fades_with_each_later_order_of_the_user_not_with_time(anns_orders):
    """a: 3, 2 and 0 orders ago; b: 3; c: 1 and 0, a line twice counts once."""
    for day in (11, 400):
        habits = own_table(anns_orders, tables_at(anns_orders, day), "ann", "own_habit")
        for item, ago in {"a": [3, 2, 0], "b": [3], "c": [1, 0]}.items():
            expected = [sum(fade**orders for orders in ago) for fade in (0.8, 0.96, 0.99)]
            assert habits[item] == pytest.approx(expected), item
    assert own_table(anns_orders, tables_at(anns_orders, 11), "bob", "own_habit")["d"] == [1, 1, 1]


def test_the_interval_is_the_mean_of_the_days_between_purchases(anns_orders):
    own_values = own_table(anns_orders, tables_at(anns_orders, 11), "ann", "own_interval", "own_age")
    assert own_values == {"a": [5, 1], "b": [0, 11], "c": [4, 1]}


def test_orders_ago_counts_the_users_own_later_orders(anns_orders):
    feature_tables = tables_at(anns_orders, 11)
    assert own_table(anns_orders, feature_tables, "ann", "own_orders_ago") == {"a": [0], "b": [3], "c": [0]}
    assert own_table(anns_orders, feature_tables, "bob", "own_orders_ago") == {"a": [0], "d": [0]}
    earlier = tables_at(anns_orders, 10)
    assert own_table(anns_orders, earlier, "ann", "own_orders_ago") == {"a": [1], "b": [2], "c": [0]}


def test_own_lines_hold_each_order_of_a_user_the_latest_first(anns_orders):
    def lines(feature_tables, name):
        user = anns_orders.users.encode([name])[0]
        span = slice(*feature_tables.line_splits[user : user + 2])
        orders = {}
        for item, order in zip(
            feature_tables.line_item[span].tolist(), feature_tables.line_order[span].tolist(), strict=True
        ):
            orders.setdefault(order, []).append(str(anns_orders.vocabularies.items.decode(item)))
        return {order: sorted(items) for order, items in orders.items()}

    feature_tables = tables_at(anns_orders, 11)
    assert lines(feature_tables, "ann") == {0: ["a", "c"], 1: ["c"], 2: ["a"], 3: ["a", "b"]}
    assert lines(feature_tables, "bob") == {0: ["a", "d"]}
    assert lines(feature_tables, "a guest") == {}
    assert lines(tables_at(anns_orders, 11, own_lines=3), "ann") == {0: ["a", "c"], 1: ["c"]}


def test_the_latest_events_stand_at_the_end_of_each_row():
    rows = [*viewed("ann", 0, "a", "b", "c"), *bought("ann", 1, "c"), *viewed("bob", 0, "d"), *viewed("", 0, "e")]
    shop = make_shop(rows)
    feature_tables = tables_at(shop, 2, history_length=3)
    assert feature_tables.recent_item.tolist() == [
        [0, 0, 0],
        indices(shop, "b", "c", "c"),
        [0, 0, *indices(shop, "d")],
    ]
    view, purchase = shop.train.type_code("view"), shop.train.type_code("purchase")
    assert feature_tables.recent_type[1:].tolist() == [[view, view, purchase], [0, 0, view]]
    np.testing.assert_allclose(feature_tables.recent_age[1:, 2], [24, 48])
    group = feature_tables.recent_group
    assert group[1, 0] == group[1, 1] != group[1, 2]
    assert (group[:, 2][1:] > 0).all() and group[2, 0] == 0


def test_without_purchases_the_commonest_event_is_the_target():
    shop = make_shop([*viewed("ann", 0, "a", "b", "c"), *viewed("ann", 1, "a", kind="cart")])
    assert target_type(shop.train) == shop.train.type_code("view")
    with_purchase = make_shop([*viewed("ann", 0, "a", "b", "c"), *bought("ann", 1, "a")])
    assert target_type(with_purchase.train) == with_purchase.train.type_code("purchase")


def test_a_moment_before_every_event_is_an_error():
    with pytest.raises(SchemaError, match="Choose a later one"):
        tables_at(make_shop(bought("ann", 1, "a")), 1)


SHARES = {"dropout", "strong_dropout"}


@pytest.mark.parametrize("setting", sorted({field.name for field in dataclasses.fields(FeatureConfig)} - SHARES))
def test_settings_must_be_positive(setting):
    with pytest.raises(ConfigError, match=f"`{setting}` must be positive"):
        FeatureConfig(**{setting: 0})


@pytest.mark.parametrize("setting", sorted(SHARES))
def test_dropout_is_a_share_and_may_be_none(setting):
    assert vars(FeatureConfig(**{setting: 0.0}))[setting] == 0
    for value in (-0.1, 1.0):
        with pytest.raises(ConfigError, match=rf"`{setting}` must lie in \[0, 1\)"):
            FeatureConfig(**{setting: value})


def test_a_shop_that_sells_one_thing_at_a_time_knows_no_neighbours():
    shop = make_shop([*bought("ann", 0, "a"), *bought("ann", 1, "b")])
    feature_tables = tables_at(shop, 2)
    assert feature_tables.neighbours.shape == (3, 1) and not feature_tables.neighbours.any()
    assert not feature_tables.weights.any() and not feature_tables.pair_counts.any()
