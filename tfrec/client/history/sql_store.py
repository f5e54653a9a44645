"""`SqlHistoryStore`: users' latest events in two tables of any database that SQLAlchemy knows."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tfrec.client.history.events import (
    HistoryEvent,
    UserPast,
    check_id,
    check_most,
    from_microseconds,
    to_microseconds,
)
from tfrec.sources.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData


class SqlHistoryStore:
    """Users' events as rows, the latest of each user.

    Args:
        url: of MariaDB, MySQL, PostgreSQL ...; `${NAME}` stands for a value of the environment.
        most: events kept of each user, the latest.
        create_tables: makes the tables that are missing.
        timeout: seconds until the database is given up, in connecting and in each answer.

    Raises:
        EnvironmentSetupError: the extra `sql` is not installed.
        SourceError: the URL cannot be understood, or the database does not answer.
        SchemaError: `most` is below 1.
    """

    def __init__(self, url: str, *, most: int = 1000, create_tables: bool = False, timeout: float = 1.0) -> None:
        self.most = check_most(most)
        self.database = Database(url)
        self._engine = _connections(self.database, timeout)
        tables = _tables()
        self._events, self._segments = tables.tables["tfrec_history"], tables.tables["tfrec_history_segments"]
        if create_tables:
            with self.database.reporting("making the tables of the history"):
                tables.create_all(self._engine)

    def read(self, user_ids: Sequence[str]) -> list[UserPast]:
        """Returns what is known of each user; see `HistoryStore`."""
        events, segments = self._events.c, self._segments.c
        wanted = list(dict.fromkeys(user_ids))
        found: dict[str, list[HistoryEvent]] = {user_id: [] for user_id in wanted}
        with self._engine.connect() as connection:
            rows = connection.execute(
                self._events.select()
                .where(events.user_id.in_(wanted))
                .order_by(events.user_id, events.moment, events.number)
            )
            for row in rows:
                event = HistoryEvent(row.item_id, from_microseconds(row.moment), row.event_type, row.order_id)
                found[row.user_id].append(event)
            segment_rows = connection.execute(self._segments.select().where(segments.user_id.in_(wanted)))
            segment_of = {row.user_id: row.segment for row in segment_rows}
        return [UserPast(tuple(found[user_id][-self.most :]), segment_of.get(user_id, "")) for user_id in user_ids]

    def append(self, user_id: str, *events: HistoryEvent) -> None:
        """Adds events of a user; see `HistoryStore`."""
        if not events:
            return
        with self._engine.begin() as connection:
            self._insert(connection, {check_id("user_id", user_id): UserPast(events)})
            self._drop_oldest(connection, user_id)

    def replace(self, pasts: Mapping[str, UserPast], *, until: dt.datetime) -> None:
        """Puts pasts in place of what was kept from before a moment; see `HistoryStore`."""
        users = [check_id("user_id", user_id) for user_id in pasts]
        if not users:
            return
        events, segments = self._events.c, self._segments.c
        with self._engine.begin() as connection:
            connection.execute(
                self._events.delete().where(events.user_id.in_(users), events.moment < to_microseconds(until))
            )
            later = self._events.select().with_only_columns(events.user_id).where(events.user_id.in_(users))
            kept = set(connection.scalars(later.distinct()))
            self._insert(connection, {user: UserPast(past.events[-self.most :]) for user, past in pasts.items()})
            for user in kept:
                self._drop_oldest(connection, user)
            connection.execute(self._segments.delete().where(segments.user_id.in_(users)))
            rows = [{"user_id": user, "segment": past.segment} for user, past in pasts.items() if past.segment]
            if rows:
                connection.execute(self._segments.insert(), rows)

    def close(self) -> None:
        """Closes the connections."""
        self._engine.dispose()

    def _insert(self, connection: "Connection", pasts: Mapping[str, UserPast]) -> None:
        rows = [
            {
                "user_id": user_id,
                "moment": event.microseconds,
                "item_id": event.item_id,
                "event_type": event.event_type,
                "order_id": event.order,
            }
            for user_id, past in pasts.items()
            for event in past.events
        ]
        if rows:
            connection.execute(self._events.insert(), rows)

    def _drop_oldest(self, connection: "Connection", user_id: str) -> None:
        """Deletes what a user has beyond the bound; MySQL reads no table in a subquery of a deletion from it."""
        events = self._events.c
        surplus = list(
            connection.scalars(
                self._events.select()
                .with_only_columns(events.number)
                .where(events.user_id == user_id)
                .order_by(events.moment.desc(), events.number.desc())
                .limit(100_000)
                .offset(self.most)
            )
        )
        if surplus:
            connection.execute(self._events.delete().where(events.number.in_(surplus)))


def _connections(database: Database, timeout: float) -> "Engine":
    """Returns a pool of connections; unlike a reader of tables, a shop asks many times a second, in transactions."""
    url = database.url
    from sqlalchemy import create_engine

    limits = {
        "pymysql": {"connect_timeout": timeout, "read_timeout": timeout, "write_timeout": timeout},
        "pg8000": {"timeout": timeout},
    }
    return create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_timeout=timeout,
        connect_args=limits.get(url.get_dialect().driver, {}),
    )


def _tables() -> "MetaData":
    """Returns the two tables; ids are compared byte by byte."""
    from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table
    from sqlalchemy.dialects import mysql

    def text(length: int) -> Any:
        exact = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
        return String(length).with_variant(exact, "mysql", "mariadb")

    tables = MetaData()
    Table(
        "tfrec_history",
        tables,
        Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("user_id", text(191), nullable=False),
        Column("moment", BigInteger, nullable=False, comment="microseconds since 1970-01-01 UTC"),
        Column("item_id", text(191), nullable=False),
        Column("event_type", String(16), nullable=False),
        Column("order_id", text(191), nullable=False),
        Index("tfrec_history_of_user", "user_id", "moment"),
    )
    Table(
        "tfrec_history_segments",
        tables,
        Column("user_id", text(191), primary_key=True),
        Column("segment", text(191), nullable=False),
    )
    return tables
