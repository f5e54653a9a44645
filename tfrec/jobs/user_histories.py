"""Fills a history store with the events of a prepared shop."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec.client.history import HistoryEvent, HistoryStore, UserPast
from tfrec.features.segments import SEGMENT_COLUMN, users_in_segments
from tfrec.ingest.prepared import read_prepared

_BATCH = 200  # users written at once
_NOT_BEHAVIOUR = ("search", "impression")


def fill_history(prepared: Path, store: HistoryStore, *, most: int) -> tuple[int, int]:
    """Puts the latest events of every user of a shop into a store, and returns numbers of users and of events.

    What the store has from after the shop's last event stays, so that a running shop may append meanwhile.

    Args:
        prepared: folder that `tfrec prepare` wrote; events of its test period count too.
        store: the store.
        most: events of each user, the latest.

    Raises:
        SourceError: there is no prepared shop.
        SchemaError: an id is longer than a store can keep.
    """
    shop = read_prepared(prepared)
    events = pd.concat([shop.train.events, shop.test.events], ignore_index=True)
    until = events["timestamp"].max().tz_localize("UTC") + pd.Timedelta(microseconds=1)
    pasts = user_pasts(events, shop.train.users, most=most)
    num_users = num_events = 0
    while some := dict(itertools.islice(pasts, _BATCH)):
        store.replace(some, until=until.to_pydatetime())
        num_users += len(some)
        num_events += sum(len(past.events) for past in some.values())
    return num_users, num_events


def user_pasts(events: pd.DataFrame, users: pd.DataFrame, *, most: int) -> Iterator[tuple[str, UserPast]]:
    """Yields each user with the latest events, and the segment where there is one.

    Args:
        events: table of events, ascending in time.
        users: table of users.
        most: events of each user.
    """
    keep = (events["user_id"] != "") & (events["item_id"] != "") & ~events["event_type"].isin(_NOT_BEHAVIOUR)
    events = events[keep]
    order, session = events["order_id"].to_numpy(object), events["session_id"].to_numpy(object)
    # An order and a session of one number must stay apart.
    group = np.where(order != "", order, np.where(session != "", "session " + session, ""))
    events = events.assign(order=group).groupby("user_id", sort=False).tail(most)
    segments = users_in_segments(users).set_index("user_id")[SEGMENT_COLUMN].to_dict()
    for user_id, rows in events.groupby("user_id", sort=False):
        moments = [moment.to_pydatetime() for moment in rows["timestamp"].dt.tz_localize("UTC")]
        columns = (rows["item_id"].astype(str), moments, rows["event_type"].astype(str), rows["order"].astype(str))
        past = tuple(HistoryEvent(*values) for values in zip(*columns, strict=True))
        yield str(user_id), UserPast(past, segments.pop(str(user_id), ""))
    for user_id, segment in segments.items():
        yield str(user_id), UserPast((), segment)
