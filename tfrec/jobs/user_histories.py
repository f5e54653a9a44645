"""Fills a history store with the events of a prepared shop."""

import itertools
from pathlib import Path

import pandas as pd

from tfrec.client.history import HistoryStore
from tfrec.ingest.prepared import read_prepared
from tfrec.release.user_pasts import user_pasts

_BATCH = 200  # users written at once


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
