"""Adds users' events from a history store to the inputs of a request, within a part of its deadline."""

import concurrent.futures
import datetime as dt
import logging
import threading
from collections.abc import Sequence

import numpy as np

from tfrec.client.history.events import UserPast
from tfrec.client.history.store import HistoryStore
from tfrec.client.steps import Lookup, Steps

logger = logging.getLogger(__name__)

SENT, MISSING = "sent", "missing"
_THREADS, _MOST_OPEN = 8, 64  # of a store that hangs: its threads, and the questions that may wait for it
_HOUR = dt.timedelta(hours=1)


class HistoryReader:
    """Asks a store on threads of its own, so that none makes a request wait longer than it may.

    Args:
        store: keeps the events; None = nothing is asked.
        share: part of a request's deadline that the store has.
    """

    def __init__(self, store: HistoryStore | None, *, share: float = 0.25) -> None:
        self.store, self.share = store, share
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS, thread_name_prefix="tfrec-history")
        self._room = threading.Semaphore(_MOST_OPEN)

    def add_to(self, inputs: dict[str, np.ndarray], *, deadline: float) -> Steps[str]:
        """Puts what the store knows of `user_id [B]` into the inputs, in steps; returns what to mark the answer with.

        Events that the request brings as `recent_item_ids` with ages are left out of the history, which ends before.
        Nothing is asked where the request brings a history itself, names no user, or has no such inputs.

        Args:
            inputs: every input of a signature, `[B]` or `[B, 1 + n]`, changed in place.
            deadline: seconds that the request has.

        Returns:
            `sent`; `missing` where the store failed or was too slow, so that unstored users are answered as guests; ""
            where there was nothing to ask.
        """
        if self.store is None or "history_item_ids" not in inputs or (inputs["history_item_ids"] != "").any():
            return ""
        user_ids = [_as_text(user_id) for user_id in inputs["user_id"]]
        asked = sorted({user_id for user_id in user_ids if user_id})
        if not asked:
            return ""
        if not self._room.acquire(blocking=False):
            logger.warning("The history store has %d questions open; it is not asked.", _MOST_OPEN)
            return MISSING
        answer = self._threads.submit(self.store.read, asked)
        answer.add_done_callback(lambda _: self._room.release())
        reply = yield Lookup(answer, deadline * self.share)
        assert reply is not None
        try:
            if reply.failure is not None:
                raise reply.failure
            pasts = dict(zip(asked, reply.response, strict=True))
            rows = [pasts.get(user_id, UserPast()) for user_id in user_ids]
            sent = history_inputs(rows, now=dt.datetime.now(dt.UTC), older_than=_oldest_of_the_visit(inputs))
        except Exception as error:  # a store may raise anything, and no answer depends on it
            logger.warning("No history in %.3f s: %s: %s", deadline * self.share, type(error).__name__, error)
            return MISSING
        inputs.update(sent)
        return SENT

    def close(self) -> None:
        """Waits for no store; its answers are dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def history_inputs(
    pasts: Sequence[UserPast], *, now: dt.datetime, older_than: Sequence[float] | None = None
) -> dict[str, np.ndarray]:
    """Returns the inputs `[B, 1 + n]` and `[B]` that bring users' events, each row padded in front and behind.

    Args:
        pasts: what is known of the user of each row.
        now: moment from which ages count.
        older_than: hours of each row; younger events are left out.
    """
    floors = older_than if older_than is not None else [-np.inf] * len(pasts)
    rows = []
    for past, floor in zip(pasts, floors, strict=True):
        aged = [(max((now - event.moment) / _HOUR, 0.0), event) for event in past.events]
        rows.append([(age, event) for age, event in aged if age > floor])
    shape = (len(rows), 1 + max(map(len, rows), default=0))
    texts = {name: np.full(shape, "", object) for name in ("history_item_ids", "history_event_types", "history_orders")}
    ages = np.zeros(shape, np.float32)
    for row, events in enumerate(rows):
        for place, (age, event) in enumerate(events, start=1):
            texts["history_item_ids"][row, place] = event.item_id
            texts["history_event_types"][row, place] = event.event_type
            texts["history_orders"][row, place] = event.order
            ages[row, place] = age
    segments = np.empty(len(rows), object)
    segments[:] = [past.segment for past in pasts]
    return {**texts, "history_order_ages": ages, "user_segment": segments}


def _oldest_of_the_visit(inputs: dict[str, np.ndarray]) -> list[float]:
    """Returns the age in hours of the oldest event that each row brings as recent; -inf where it brings none."""
    items, ages = inputs.get("recent_item_ids"), inputs.get("recent_ages")
    if items is None or ages is None:
        return [-np.inf] * len(inputs["user_id"])
    is_aged = (items != "") & (ages > 0) if items.shape == ages.shape else np.zeros(items.shape, bool)
    return [float(row[aged].max()) if aged.any() else -np.inf for row, aged in zip(ages, is_aged, strict=True)]


def _as_text(user_id: object) -> str:
    return user_id.decode("utf-8", "surrogateescape") if isinstance(user_id, bytes) else str(user_id)
