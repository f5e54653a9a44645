"""`RedisHistoryStore`: users' latest events in Redis, a sorted set each."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tfrec.client.history.events import (
    HistoryEvent,
    UserPast,
    check_id,
    check_most,
    from_microseconds,
    to_microseconds,
)
from tfrec.errors import EnvironmentSetupError


class RedisHistoryStore:
    """Users' events by time, each once: an event that is appended twice is kept once.

    What is written for a user is one transaction, so that readers see all of it or nothing.

    Args:
        url: `redis://host:6379/0`, or `rediss://` with TLS.
        most: events kept of each user, the latest.
        prefix: begins every key.
        timeout: seconds until Redis is given up, in connecting and in each answer.

    Raises:
        EnvironmentSetupError: the extra `history` is not installed.
        SchemaError: `most` is below 1.
    """

    def __init__(self, url: str, *, most: int = 1000, prefix: str = "tfrec", timeout: float = 1.0) -> None:
        try:
            import redis
        except ImportError as error:
            raise EnvironmentSetupError(
                "A history in Redis needs the extra `history`: pip install 'tfrec-shop[history]'."
            ) from error
        self.most = check_most(most)
        self._prefix = prefix
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)

    def read(self, user_ids: Sequence[str]) -> list[UserPast]:
        """Returns what is known of each user; see `HistoryStore`."""
        if not user_ids:
            return []
        pipe = self._redis.pipeline(transaction=False)
        for user_id in user_ids:
            pipe.zrange(self._events(user_id), 0, -1, withscores=True)
        pipe.mget([self._segment(user_id) for user_id in user_ids])
        *rows, segments = pipe.execute()
        return [
            UserPast(tuple(_decoded(member, score) for member, score in events), (segment or b"").decode())
            for events, segment in zip(rows, segments, strict=True)
        ]

    def append(self, user_id: str, *events: HistoryEvent) -> None:
        """Adds events of a user; see `HistoryStore`."""
        if not events:
            return
        pipe = self._redis.pipeline(transaction=True)
        self._add(pipe, check_id("user_id", user_id), events)
        pipe.execute()

    def replace(self, pasts: Mapping[str, UserPast], *, until: dt.datetime) -> None:
        """Puts pasts in place of what was kept from before a moment; see `HistoryStore`."""
        pipe = self._redis.pipeline(transaction=True)
        for user_id, past in pasts.items():
            pipe.zremrangebyscore(self._events(check_id("user_id", user_id)), "-inf", f"({to_microseconds(until)}")
            if past.events:
                self._add(pipe, user_id, past.events)
            pipe.delete(self._segment(user_id))
            if past.segment:
                pipe.set(self._segment(user_id), past.segment)
        pipe.execute()

    def close(self) -> None:
        """Closes the connections."""
        self._redis.close()

    def _add(self, pipe: Any, user_id: str, events: Sequence[HistoryEvent]) -> None:
        key = self._events(user_id)
        pipe.zadd(key, {_encoded(event, place): event.microseconds for place, event in enumerate(events)})
        pipe.zremrangebyrank(key, 0, -self.most - 1)

    def _events(self, user_id: str) -> str:
        return f"{self._prefix}:events:{user_id}"

    def _segment(self, user_id: str) -> str:
        return f"{self._prefix}:segment:{user_id}"


def _encoded(event: HistoryEvent, place: int) -> str:
    """Returns the member of an event: of one moment Redis sorts members by their text, so the place comes first."""
    text = json.dumps([event.item_id, event.event_type, event.order], ensure_ascii=False, separators=(",", ":"))
    return f"{place:07d}{text}"


def _decoded(member: bytes, score: float) -> HistoryEvent:
    item_id, event_type, order = json.loads(member[7:])
    return HistoryEvent(item_id, from_microseconds(int(score)), event_type, order)
