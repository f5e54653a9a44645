"""Which lines are events, and what rows become of them."""

import json

import pytest

from tests.collect.logs import make_event
from tfrec.collect.batches import COLUMNS
from tfrec.collect.event_check import EventCheck, EventRules, NoEventError
from tfrec.errors import ConfigError
from tfrec.schema.pseudonyms import pseudonym

KEY = bytes(range(32))


def row(event, **rules):
    line = event if isinstance(event, bytes) else json.dumps(event).encode()
    return dict(zip(COLUMNS, EventCheck(EventRules(**rules)).row_of_line(line), strict=True))


def test_an_event_keeps_its_values():
    assert row(make_event(2, query=" Žluťoučký 🐎 ", rating="4.5", price="19.90", shelf=7)) == {
        "event_id": make_event(2)["event_id"],
        "event_type": "purchase",
        "timestamp": "2026-10-03 02:02:00.002000",
        "user_id": "u2",
        "item_id": "LAMP-2",
        "order_id": "o2",
        "session_id": "s0",
        "quantity": 3.0,
        "price": 19.9,
        "currency": "EUR",
        "rating": 4.5,
        "query": "Žluťoučký 🐎",
        "slate_id": "",
        "position": None,
        "propensity": None,
        "more": '{"shelf":7}',
    }


@pytest.mark.parametrize(
    ("timestamp", "zone", "utc"),
    [
        ("2026-07-01T12:00:00+02:00", "UTC", "2026-07-01 10:00:00.000000"),
        ("2026-07-01 12:00", "Europe/Berlin", "2026-07-01 10:00:00.000000"),
        ("2026-01-01 12:00", "Europe/Berlin", "2026-01-01 11:00:00.000000"),
        ("2026-07-01", "UTC", "2026-07-01 00:00:00.000000"),
        ("2026-07-01T12:00:00Z", "Europe/Berlin", "2026-07-01 12:00:00.000000"),
        ("2026-07-01 12:00:00.123Z", "UTC", "2026-07-01 12:00:00.123000"),
        ("2026-07-01T12:00:00.123456Z", "UTC", "2026-07-01 12:00:00.123456"),
        ("2026-W27-3T12:00:00Z", "UTC", "2026-07-01 12:00:00.000000"),
        (1782900000, "UTC", "2026-07-01 10:00:00.000000"),
        (1782900000123, "Europe/Berlin", "2026-07-01 10:00:00.123000"),
        (1782900000.5, "UTC", "2026-07-01 10:00:00.500000"),
    ],
)
def test_times_are_kept_in_utc(timestamp, zone, utc):
    assert row(make_event(1, timestamp=timestamp), time_zone=zone)["timestamp"] == utc


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"event_id": None}, "missing event_id"),
        ({"event_id": "x" * 65}, "event_id too long"),
        ({"event_type": "bought"}, "unknown event type"),
        ({"event_type": ["view"]}, "unknown event type"),
        ({"event_type": ""}, "missing event_type"),
        ({"timestamp": ""}, "missing timestamp"),
        ({"timestamp": "yesterday"}, "unreadable timestamp"),
        ({"timestamp": True}, "unreadable timestamp"),
        ({"timestamp": 0}, "impossible timestamp"),
        ({"timestamp": 1e300}, "unreadable timestamp"),
        ({"timestamp": "2099-01-01"}, "timestamp in the future"),
        ({"item_id": " "}, "missing item_id"),
        ({"item_id": {"a": 1}}, "unreadable item_id"),
        ({"item_id": 7.5}, "unreadable item_id"),
        ({"user_id": "u" * 129}, "user_id too long"),
        ({"price": "dear"}, "unreadable price"),
        ({"price": True}, "unreadable price"),
        ({"price": "inf"}, "unreadable price"),
        ({"price": 1e13}, "impossible price"),
        ({"quantity": [1]}, "unreadable quantity"),
        ({"currency": "euro"}, "unreadable currency"),
        ({"position": 1.5}, "impossible position"),
        ({"position": -1}, "impossible position"),
        ({"propensity": 0}, "impossible propensity"),
        ({"propensity": 1.1}, "impossible propensity"),
        ({"query": 7}, "unreadable query"),
        ({"further": "x" * 9_000}, "further fields too long"),
    ],
)
def test_what_is_no_event_has_a_reason(fields, reason):
    with pytest.raises(NoEventError, match=f"^{reason}$"):
        row(make_event(1, **fields))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "no JSON"),
        (b"", "no JSON"),
        (b"[1]", "no object"),
        (b'"view"', "no object"),
        (b"{} {}", "no JSON"),
        (b'{"event_type": "view\xff"}', "no UTF-8"),
        (b'{"price": NaN}', "NaN is no number"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"user_id": "' + b"[" * 1_000 + b'"}', "missing event_type"),
        (b'{"user_id": "\\ud800"}', "half a character in a text"),
        (b'{"user_id": "a\\u0000"}', "the character NUL in a text"),
        (b'{"price": 1' + b"0" * 5_000 + b"}", "no JSON"),
    ],
)
def test_a_line_that_is_no_object_has_a_reason(line, reason):
    with pytest.raises(NoEventError, match=f"^{reason}$"):
        row(line)


def test_a_search_needs_no_item():
    assert row(make_event(1, event_type="search", item_id=None, query="lamp"))["item_id"] == ""


def test_a_derived_id_depends_on_the_content_alone():
    event = make_event(1)
    del event["event_id"]
    first = row(event, derive_ids=True)["event_id"]
    assert first == row(dict(reversed(event.items())), derive_ids=True)["event_id"]
    assert first != row(event | {"shelf": 7}, derive_ids=True)["event_id"]
    assert row(make_event(1), derive_ids=True)["event_id"] == make_event(1)["event_id"]


def test_user_ids_become_the_pseudonyms_of_prepare():
    assert row(make_event(1, user_id=" 17850.0 "), key=KEY)["user_id"] == pseudonym("17850", KEY)
    assert row(make_event(1, user_id=""), key=KEY)["user_id"] == ""
    event = make_event(1, event_id="")
    assert row(event, key=KEY, derive_ids=True)["event_id"] != row(event, derive_ids=True)["event_id"]


def test_unknown_fields_are_dropped_and_counted():
    check = EventCheck(EventRules(keep_unknown=False))
    assert check.row_of(make_event(1, shelf=7))[COLUMNS.index("more")] is None
    assert check.dropped == 1


def test_an_unknown_zone_names_the_nearest():
    with pytest.raises(ConfigError, match="Europe/Berlin"):
        EventRules(time_zone="Europe/Berln")


def test_a_click_keeps_the_slate_that_it_comes_from():
    check = EventCheck(EventRules())
    click = {"event_id": "c1", "event_type": "view", "timestamp": "2026-11-29T10:00:00Z", "item_id": "LAMP-7"}
    row = check.row_of(click | {"slate_id": "s1", "position": 2})
    assert json.loads(row[COLUMNS.index("more")]) == {"slate_id": "s1", "position": 2}
    assert check.row_of(click)[COLUMNS.index("more")] is None
    shown = check.row_of(click | {"event_type": "impression", "slate_id": "s1", "position": 2})
    assert (shown[COLUMNS.index("slate_id")], shown[COLUMNS.index("more")]) == ("s1", None)
