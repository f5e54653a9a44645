"""Keeps the latest events of users for requests, so that a servable need not store them: in Redis, or by SQL."""

from tfrec.client.history.events import HistoryEvent, UserPast
from tfrec.client.history.reading import HistoryReader
from tfrec.client.history.redis_store import RedisHistoryStore
from tfrec.client.history.sql_store import SqlHistoryStore
from tfrec.client.history.store import HistoryStore

__all__ = ["HistoryEvent", "HistoryReader", "HistoryStore", "RedisHistoryStore", "SqlHistoryStore", "UserPast"]
