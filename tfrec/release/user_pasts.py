"""Takes users' pasts out of a shop's tables, as a history store keeps them; asks a servable with them."""

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tfrec.client.history import HistoryEvent, UserPast
from tfrec.client.history.reading import history_inputs
from tfrec.features.segments import SEGMENT_COLUMN, users_in_segments
from tfrec.features.sequences import NOT_BEHAVIOUR
from tfrec.ingest.prepared import Prepared
from tfrec.release.place import read_about
from tfrec.serving.recommend import Answering

_MOST = 1000  # events of each user that are sent, as a store keeps them


class WithPasts:
    """A servable that is asked as a client with a history store asks it.

    Args:
        servable: answers.
        pasts: what is known of each user.
        now: moment from which ages count.
    """

    def __init__(self, servable: Answering, pasts: Mapping[str, UserPast], *, now: dt.datetime) -> None:
        self._servable, self._pasts, self._now = servable, pasts, now

    def call(self, signature: str, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Returns the servable's outputs for the inputs, with the events of `user_id [B]` where it is among them."""
        if "user_id" not in inputs:
            return self._servable.call(signature, inputs)
        pasts = [self._pasts.get(user_id, UserPast()) for user_id in inputs["user_id"]]
        return self._servable.call(signature, {**inputs, **history_inputs(pasts, now=self._now)})


def with_unstored_pasts(servable: Answering, folder: Path, shop: Prepared) -> Answering:
    """Returns the servable of a version's folder; where it does not store all users, their events go with requests.

    Args:
        servable: loaded from `folder`.
        folder: folder of the version.
        shop: what it was made from; the events of its training period count.
    """
    if read_about(folder).get("config", {}).get("users", "all") == "all":
        return servable
    pasts = dict(user_pasts(shop.train.events, shop.train.users, most=_MOST))
    return WithPasts(servable, pasts, now=shop.test_from.tz_localize("UTC").to_pydatetime())


def user_pasts(events: pd.DataFrame, users: pd.DataFrame, *, most: int) -> Iterator[tuple[str, UserPast]]:
    """Yields each user with the latest events, and the segment where there is one.

    Args:
        events: table of events, ascending in time.
        users: table of users.
        most: events of each user.
    """
    keep = (events["user_id"] != "") & (events["item_id"] != "") & ~events["event_type"].isin(NOT_BEHAVIOUR)
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
