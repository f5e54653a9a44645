import tracemalloc

import numpy as np
import pandas as pd
import pytest

from tests.worlds import START_HOUR, bought, make_shop, viewed
from tfrec.features.feature_tables import compute_feature_tables
from tfrec.features.sequences import encode_events
from tfrec.features.shop import Shop
from tfrec.training import TrainingConfig
from tfrec.training.time_blocks import time_blocks


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


def ordinary_orders(num_orders: int = 400, num_items: int = 99) -> list[dict]:
    rng = np.random.default_rng(0)
    return [
        row
        for order in range(num_orders)
        for row in bought(f"u{order % 50}", order / 4, *{f"i{rng.zipf(1.6) % num_items}" for _ in range(3)})
    ]


def lines_of(shop: Shop, user: str) -> list[str]:
    train = shop.train
    (row,) = np.flatnonzero(train.sequence_user == shop.users.encode([user])[0])
    return shop.vocabularies.items.decode(train.item[train.splits[row] : train.splits[row + 1]]).tolist()


def test_a_bulk_order_counts_with_its_items_once_each():
    bulk = bought("bulk", 99, *(f"i{line % 10}" for line in range(3000)))
    shop = make_shop([*ordinary_orders(), *bulk])
    assert sorted(lines_of(shop, "bulk")) == [f"i{item}" for item in range(10)]


def test_a_bulk_order_of_many_items_counts_with_some_and_no_item_vanishes():
    known, new = [f"i{item}" for item in range(99)] * 20, [f"n{item}" for item in range(150)]
    wide = [row for at in range(0, 3000, 3) for row in bought(f"w{at}", at / 100, *(f"x{at + k}" for k in range(3)))]
    bulk = bought("bulk", 99, *known, *new, *(f"x{item}" for item in range(3000)))
    shop = make_shop([*ordinary_orders(), *wide, *bulk])
    kept = lines_of(shop, "bulk")
    assert len(kept) == len(set(kept)) == 200
    assert set(new) <= set(kept)
    assert (np.bincount(shop.train.item, minlength=shop.vocabularies.items.size)[1:] > 0).all()


@pytest.mark.parametrize(("lines", "share"), [(200, 0.0), (500, 0.01)], ids=["few lines", "a small share of the log"])
def test_other_large_orders_count_with_every_line(lines: int, share: float):
    rows = ordinary_orders(int(lines / share / 2)) if share else ordinary_orders()
    shop = make_shop([*rows, *bought("large", 3, *(f"i{line % 10}" for line in range(lines)))])
    assert len(lines_of(shop, "large")) == lines
    assert len(shop.train) == len(rows) + lines


def test_a_bulk_order_moves_neither_popularity_nor_the_blocks_of_time():
    plain = make_shop(ordinary_orders(), test_from_day=101)
    items = plain.vocabularies.items.tokens
    rare = items[np.argsort(np.bincount(plain.train.item, minlength=len(items) + 1)[1:])[:10]]
    bulk = make_shop([*ordinary_orders(), *bought("bulk", 98, *list(rare) * 300)], test_from_day=101)
    end = plain.prepared.test_from.timestamp() / 3600
    most = [np.argmax(compute_feature_tables(shop.train, as_of=end).popularity, axis=0) for shop in (plain, bulk)]
    assert most[0].tolist() == most[1].tolist()
    blocks = [np.array(time_blocks(shop.train, TrainingConfig())) for shop in (plain, bulk)]
    np.testing.assert_allclose(blocks[0], blocks[1], atol=24.0)


def test_encoding_holds_no_text_of_each_event():
    """As Python objects the texts of an event took three times as much."""
    shop = make_shop([line for order in range(50) for line in bought(f"user {order}", order, "a", "b", "c", "d")])
    events = pd.concat([shop.prepared.train.events] * 200, ignore_index=True).sort_values("timestamp")
    size = len(events)
    events["order_id"] = pd.Series([f"order {row // 4}" for row in range(size)], index=events.index, dtype="str")
    events["session_id"] = pd.Series([f"session {row // 9}" for row in range(size)], index=events.index, dtype="str")
    tracemalloc.start()
    encoded = encode_events(events, shop.vocabularies, shop.users)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(encoded) == size
    assert peak < 150 * size
