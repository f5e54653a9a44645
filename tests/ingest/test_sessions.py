import tempfile
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from tfrec.ingest.sessions import Orders, SessionCounter, Sessions, group_orders, number_sessions
from tfrec.ingest.sessions import cut_sessions as put_sessions
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW


def events(rows: list[tuple[str, str, str, str]]) -> ibis.Table:
    """Rows of user, clock time on 2024-01-05, session, order; all purchases."""
    frame = pd.DataFrame(rows, columns=["user_id", "time", "session_id", "order_id"], dtype="str")
    frame["timestamp"] = pd.to_datetime("2024-01-05 " + frame.pop("time"))
    frame["event_type"] = "purchase"
    frame[FILE], frame[ROW] = 0, range(1, len(frame) + 1)
    return ibis.memtable(frame)


def cut_sessions(events: ibis.Table, sessions: Sessions) -> ibis.Table:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(ibis.duckdb.connect(), Path(folder))
        stored = workspace.store("events", events)
        return ibis.memtable(put_sessions(stored, number_sessions(stored, sessions, workspace)).execute())


def column(table: ibis.Table, name: str) -> list[str]:
    return ibis.duckdb.connect().execute(table).sort_values(ROW)[name].tolist()


def test_silence_longer_than_the_gap_starts_a_session() -> None:
    cut = cut_sessions(
        events(
            [
                ("7", "10:00", "", ""),
                ("7", "10:30", "", ""),  # exactly the gap: still the same
                ("8", "10:31", "", ""),
                ("7", "11:01", "", ""),  # 31 minutes
                ("7", "09:00", "", ""),  # earlier in time, later in the file
            ]
        ),
        Sessions(gap_minutes=30),
    )
    assert column(cut, "session_id") == ["7/2", "7/2", "8/1", "7/3", "7/1"]


def test_given_sessions_stay_and_do_not_count() -> None:
    cut = cut_sessions(events([("7", "10:00", "s1", ""), ("7", "15:00", "", ""), ("", "10:00", "s2", "")]), Sessions())
    assert column(cut, "session_id") == ["s1", "7/1", "s2"]


def test_guests_share_a_session_only_through_an_order() -> None:
    cut = cut_sessions(events([("", "10:00", "", "1"), ("", "10:00", "", "1"), ("", "10:00", "", "")]), Sessions())
    assert column(cut, "session_id") == ["order/1", "order/1", ""]


def test_later_events_never_change_earlier_sessions() -> None:
    rows = [("7", "10:00", "", ""), ("7", "12:00", "", ""), ("7", "12:10", "", "")]
    short = column(cut_sessions(events(rows[:2]), Sessions()), "session_id")
    assert column(cut_sessions(events(rows), Sessions()), "session_id")[:2] == short


def test_numbers_do_not_depend_on_how_the_log_is_cut_into_parts() -> None:
    rng = np.random.default_rng(0)
    users = rng.integers(0, 40, 3_000)
    moments = np.sort(rng.integers(0, 20 * 86_400, 3_000)) * 1_000_000
    log = pd.DataFrame({"user": users, "moment": moments})
    starts = log.groupby("user")["moment"].diff().fillna(np.inf) > 1_800_000_000
    expected = starts.groupby(users).cumsum().to_numpy()
    for size in (1, 7, 500, 3_000):
        counter = SessionCounter(Sessions(gap_minutes=30))
        parts = [counter.number(users[at : at + size], moments[at : at + size]) for at in range(0, 3_000, size)]
        np.testing.assert_array_equal(np.concatenate(parts), expected)


@pytest.mark.parametrize(
    ("by", "orders"),
    [
        ("column", ["o", "", "", "", ""]),
        ("user_day", ["7/2024-01-05", "7/2024-01-05", "7/2024-01-06", "s9", "row/0/5"]),
        ("session", ["7/1", "7/2", "7/3", "s9", "row/0/5"]),
    ],
)
def test_lines_are_grouped_into_orders_by_the_recipe(by: str, orders: list[str]) -> None:
    rows = [
        ("7", "10:00", "", "o"),
        ("7", "12:00", "", ""),
        ("7", "23:30", "", ""),  # the next day on a clock one hour ahead
        ("", "10:00", "s9", ""),
        ("", "10:00", "", ""),
    ]
    cut = cut_sessions(events(rows), Sessions())
    with_orders = group_orders(cut, Orders(by=by), clock=cut["timestamp"] + ibis.interval(hours=1))
    assert column(with_orders, "order_id") == orders
