"""What every history store keeps: the same questions to a Redis server and to MariaDB."""

import datetime as dt

import pytest

from tfrec.client.history import HistoryEvent, UserPast
from tfrec.errors import SchemaError

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def event(item, hours=0.0, **fields):
    """An event so many hours after noon."""
    return HistoryEvent(item, NOON + dt.timedelta(hours=hours), **fields)


def items(store, user):
    return [one.item_id for one in store.read([user])[0].events]


def test_what_was_appended_is_read_as_it_was(store):
    events = (event("a", order="o1"), event("b", order="o1"), event("ü 茶", 1.000001, event_type="view", order="s1"))
    store.append("u1", *events)
    assert store.read(["u1"]) == [UserPast(events)]


def test_events_are_read_by_time_however_they_came(store):
    store.append("u1", event("late", 5))
    store.append("u1", event("early", 1), event("later", 6))
    assert items(store, "u1") == ["early", "late", "later"]


def test_lines_of_one_moment_keep_their_order(store):
    store.append("u1", *(event(name, order="o1") for name in "zebra"))
    assert items(store, "u1") == list("zebra")


def test_the_oldest_events_beyond_the_bound_are_dropped(store):
    for hour in range(8):
        store.append("u1", event(f"i{hour}", hour))
    store.append("u1", event("too old", -1))
    assert items(store, "u1") == ["i3", "i4", "i5", "i6", "i7"]


def test_users_are_compared_exactly_and_answered_in_their_order(store):
    for user in ("u1", "U1", "u1 "):
        store.append(user, event(f"of {user}"))
    pasts = store.read(["u1 ", "unknown", "u1", "U1", "u1"])
    assert [[one.item_id for one in past.events] for past in pasts] == [
        ["of u1 "], [], ["of u1"], ["of U1"], ["of u1"]
    ]  # fmt: skip
    assert store.read([]) == []


def test_a_fill_replaces_the_past_and_leaves_later_events(store):
    store.append("u1", event("wrong", -1), event("live", 2))
    store.append("u2", event("other", -1))
    store.replace({"u1": UserPast((event("right", -3), event("right too", -2)), "north")}, until=NOON)
    assert store.read(["u1"])[0].segment == "north"
    assert items(store, "u1") == ["right", "right too", "live"]
    assert items(store, "u2") == ["other"]
    store.replace({"u1": UserPast(tuple(event(f"i{number}", -number) for number in range(9, 0, -1)))}, until=NOON)
    assert items(store, "u1") == ["i4", "i3", "i2", "i1", "live"]
    assert store.read(["u1"])[0].segment == ""


def test_the_tables_of_a_second_process_are_the_same(shop_database):
    from tfrec.client.history import SqlHistoryStore

    for name in ("a", "b"):
        opened = SqlHistoryStore(shop_database.public_url("shop"), create_tables=True)
        opened.append("u1", event(name))
        assert items(opened, "u1")[-1] == name
        opened.close()


def test_an_event_that_is_sent_twice_is_kept_once_in_redis(redis_server):
    from tfrec.client.history import RedisHistoryStore

    opened = RedisHistoryStore(redis_server, prefix="twice")
    opened.append("u1", event("a"), event("b"))
    opened.append("u1", event("a"), event("b"))
    assert items(opened, "u1") == ["a", "b"]
    opened.close()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"moment": dt.datetime(2026, 3, 1)}, "time zone"),
        ({"event_type": "search"}, "view, cart, purchase, rating"),
        ({"item_id": ""}, "item_id"),
        ({"order": "x" * 192}, "order"),
    ],
    ids=["local time", "a search", "no item", "a long order"],
)
def test_an_event_that_no_store_can_keep_is_refused(fields, message):
    with pytest.raises(SchemaError, match=message):
        HistoryEvent(**{"item_id": "a", "moment": NOON, **fields})
