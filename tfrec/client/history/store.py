"""`HistoryStore`: what a client asks of a place that keeps users' events."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol

from tfrec.client.history.events import HistoryEvent, UserPast


class HistoryStore(Protocol):
    """Users' latest events, by the ids that requests send: pseudonyms, where the prepared shop has pseudonyms.

    Any number of threads may share one. What fails raises any exception; a client then asks without the history.
    """

    def read(self, user_ids: Sequence[str]) -> list[UserPast]:
        """Returns what is known of each user, in their order; an empty past of an unknown one."""

    def append(self, user_id: str, *events: HistoryEvent) -> None:
        """Adds events of a user, those of one moment in this order; the oldest beyond the bound are dropped."""

    def replace(self, pasts: Mapping[str, UserPast], *, until: dt.datetime) -> None:
        """Puts each user's past in place of what was kept from before `until`; later events stay."""
