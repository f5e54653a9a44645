"""Keeps events in the tables of `datasets/collector.sql`, each once by its id."""

import contextlib
import dataclasses
import datetime as dt
import hashlib
import importlib.resources
import itertools
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tfrec.collect.batches import (
    COLUMNS,
    EVENT_COLUMNS,
    IMPRESSION,
    IMPRESSION_COLUMNS,
    Batch,
    Collected,
    Position,
    Rejected,
    Row,
)
from tfrec.collect.sql_values import SqlRows, write_columns, write_rows
from tfrec.errors import SourceError
from tfrec.sources.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Engine

logger = logging.getLogger(__name__)

_AGAIN = {1205, 1213, 2006, 2013, 1927, 1053}
"""Errors after which a transaction is tried again: lost locks, lost connections. None of it was kept, or all."""
_ATTEMPTS = 8
_LONGEST_WAIT = 10.0
_SESSION = (
    "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', "
    "transaction_isolation = 'READ-COMMITTED', innodb_lock_wait_timeout = 20"
)
_SESSION_MARIADB = _SESSION.replace("transaction_isolation", "tx_isolation")
_TABLES = ("events", "impressions", "event_ids", "rejected_events", "collected_files")
_MARGIN = 65_536  # bytes of a statement beside its rows


@dataclasses.dataclass(frozen=True)
class _Written:
    """Events as SQL, each id once.

    Attributes:
        tables: table → its rows.
        ids: table → the id of each row.
        id_rows: rows of the ids and times of all, in order.
    """

    tables: Mapping[str, SqlRows]
    ids: Mapping[str, Sequence[str]]
    id_rows: Sequence[str]

    @property
    def count(self) -> int:
        """Number of events."""
        return len(self.id_rows)


def read_sql() -> str:
    """Returns the statements that make the tables."""
    return (importlib.resources.files("tfrec") / "datasets" / "collector.sql").read_text(encoding="utf-8")


def split_sql(text: str) -> list[str]:
    """Returns the statements of a script for the client `mysql`, which may change the delimiter."""
    statements: list[str] = []
    delimiter, current = ";", list[str]()
    for line in text.splitlines():
        if line.startswith("DELIMITER "):
            delimiter = line.split()[1]
        elif line.startswith("--") or not line.strip():
            continue
        elif line.rstrip().endswith(delimiter):
            statements.append("\n".join([*current, line.rstrip().removesuffix(delimiter)]).strip())
            current = []
        else:
            current.append(line)
    return statements


class MysqlTarget:
    """Keeps events in MySQL or MariaDB; several processes may do so at once.

    A batch is one transaction: the ids that are new, their events, rejected lines and positions in files.
    """

    def __init__(self, database: Database, *, create_tables: bool = False) -> None:
        """Connects.

        Args:
            database: MySQL or MariaDB.
            create_tables: makes the tables that are missing.

        Raises:
            SourceError: there is no such database, it is of another kind, or its tables are missing.
        """
        if database.dialect not in ("mysql", "mariadb"):
            raise SourceError(
                f"{database.shown}: events are collected into MySQL, MariaDB or a folder of Parquet files; this is "
                f"{database.dialect}."
            )
        self.database = database
        self._engine: Engine = database.engine()
        self._connection: Any = None
        self._limit = 0
        self._may_be_tried_again = False
        try:
            with database.reporting("connecting"):
                if create_tables:
                    self._run(*split_sql(read_sql()))
                names = {str(row[0]) for row in self._run("SHOW TABLES")}
        except SourceError:
            self.close()
            raise
        absent = [name for name in _TABLES if name not in names]
        if absent:
            self.close()
            raise SourceError(
                f"{database.shown} has no table {absent[0]}. Make the tables with `--create-tables`, or by "
                "tfrec/datasets/collector.sql."
            )

    def positions(self) -> Mapping[str, Position]:
        """Returns path of a file → how far it was read."""
        with self.database.reporting("reading positions"):
            rows = self._run("SELECT path, position, HEX(head), head_bytes FROM collected_files")
        return {str(path): Position(int(at), str(head).lower(), int(size)) for path, at, head, size in rows}

    def prepare(self, batch: Batch) -> Batch:
        """Returns the batch with its events as SQL."""
        return dataclasses.replace(batch, written=_write(batch.rows))

    def commit(self, batch: Batch) -> Collected:
        """Keeps a batch in one transaction, again after a lost lock or connection."""
        written = batch.written if batch.written is not None else _write(batch.rows)
        for attempt in itertools.count(1):
            try:
                with self.database.reporting("collecting"):
                    fresh = self._commit(written, batch)
                break
            except SourceError:
                if attempt >= _ATTEMPTS or not self._may_be_tried_again:
                    raise
                self._drop_connection()
                wait = min(_LONGEST_WAIT, 0.05 * 2**attempt) * (0.5 + secrets.randbelow(1000) / 1000)
                logger.warning("%s: a transaction is tried again in %.1f s", self.database.shown, wait)
                time.sleep(wait)
        return Collected(fresh, len(batch.rows) - fresh, Counter(line.reason for line in batch.rejected))

    def roll_if_due(self) -> None:
        """Does nothing: what is committed can be read."""

    def close(self) -> None:
        """Closes the connection."""
        self._drop_connection()
        self._engine.dispose()

    def _commit(self, written: _Written, batch: Batch) -> int:
        self._may_be_tried_again = False
        with self._transaction() as execute:
            now = f"'{_now()}'"
            is_new = self._keep_ids(execute, written)
            for table, part in written.tables.items():
                rows = part.rows
                if is_new is not None:
                    rows = [row for row, event_id in zip(rows, written.ids[table], strict=True) if event_id in is_new]
                self._insert(execute, f"INSERT INTO {table} ({', '.join(part.columns)}, received_at)", rows, now)
            self._insert(
                execute,
                "INSERT IGNORE INTO rejected_events (digest, origin, place, reason, line, received_at)",
                [f"{_digest_of(line)},{row}" for line, row in zip(batch.rejected, _shortened(batch), strict=True)],
                now,
            )
            self._insert(
                execute,
                "INSERT INTO collected_files (path_digest, head, path, position, head_bytes, updated_at)",
                [
                    f"{_md(path)},x'{at.head}',{write_rows([(path, at.bytes_read, at.head_bytes)])[0]}"
                    for path, at in batch.positions.items()
                ],
                now,
                " ON DUPLICATE KEY UPDATE position = VALUES(position), head = VALUES(head), "
                "head_bytes = VALUES(head_bytes), updated_at = VALUES(updated_at)",
            )
        return written.count if is_new is None else len(is_new)

    def _keep_ids(self, execute: Callable[[str | bytes], Any], written: _Written) -> set[str] | None:
        """Inserts the ids that are new, in order, so that two processes rarely wait for each other.

        An id that another transaction is inserting is waited for.

        Returns:
            The new ids, or None where all are.
        """
        mine = str(secrets.randbits(63))  # another one in each attempt: an attempt that was lost may have been kept
        head = "INSERT IGNORE INTO event_ids (event_id, timestamp, batch)"
        if self._insert(execute, head, written.id_rows, mine) == written.count:
            return None
        listed = ",".join(write_rows([(event_id,) for part in written.ids.values() for event_id in part]))
        found = execute(f"SELECT event_id FROM event_ids WHERE event_id IN ({listed}) AND batch = {mine}").fetchall()
        return {str(row[0]) for row in found}

    def _insert(
        self, execute: Callable[[str | bytes], Any], head: str, rows: Sequence[str], last: str, tail: str = ""
    ) -> int:
        """Inserts rows in statements that the server takes; returns the number of rows that it reports.

        Args:
            execute: runs a statement.
            head: of the statement.
            rows: values, without brackets and without the last one.
            last: value of the last column, equal in all rows.
            tail: of the statement.
        """
        if not rows:
            return 0
        between = f",{last}),("
        text = f"{head} VALUES ({between.join(rows)},{last}){tail}".encode("utf-8", "surrogateescape")
        if len(text) <= self._limit or len(rows) == 1:
            return int(execute(text).rowcount)
        middle = len(rows) // 2
        return sum(self._insert(execute, head, half, last, tail) for half in (rows[:middle], rows[middle:]))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Callable[[str | bytes], Any]]:
        """Yields what executes a statement; commits at the end.

        The driver's own cursor is used: a statement of a megabyte is not looked through for parameters.
        """
        with self._translated():
            raw = self._raw()
            with raw.cursor() as cursor:

                def execute(statement: str | bytes) -> Any:
                    cursor.execute(statement)
                    return cursor

                cursor.execute("START TRANSACTION")
                try:
                    yield execute
                    cursor.execute("COMMIT")
                except BaseException:
                    with contextlib.suppress(Exception):
                        cursor.execute("ROLLBACK")
                    raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Turns errors of the driver into SQLAlchemy's, and notes whether the work may be tried again."""
        from sqlalchemy.exc import DBAPIError

        try:
            yield
        except Exception as error:
            cause = getattr(error, "orig", None) or error
            code = _code_of(cause)
            if code is None:
                raise
            self._may_be_tried_again = code in _AGAIN
            raise DBAPIError("", None, cause) from error

    def _raw(self) -> Any:
        """Returns the driver's connection, made where there is none."""
        if self._connection is None:
            self._connection = self._engine.connect()
            self._set_session()
        return self._connection.connection.dbapi_connection

    def _set_session(self) -> None:
        with self._connection.connection.dbapi_connection.cursor() as cursor:
            cursor.execute("SELECT VERSION(), @@max_allowed_packet")
            version, packet = cursor.fetchone()
            cursor.execute(_SESSION_MARIADB if "mariadb" in str(version).lower() else _SESSION)
        self._limit = min(int(packet) // 2, 4_000_000) - _MARGIN

    def _run(self, *statements: str) -> list[Any]:
        with self._translated(), self._raw().cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.invalidate()
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None


def _write(rows: Sequence[Row]) -> _Written:
    first = {row[0]: row for row in reversed(rows)}  # of rows with one id the first
    unique = list(first.values())[::-1]
    tables, ids = {}, {}
    for table, columns, is_impression in (
        ("events", EVENT_COLUMNS, False),
        ("impressions", IMPRESSION_COLUMNS, True),
    ):
        mine = [row for row in unique if (row[1] == IMPRESSION) is is_impression]
        if mine:
            values = dict(zip(COLUMNS, zip(*mine, strict=True), strict=True))
            tables[table] = write_columns(columns, [values[name] for name in columns])
            ids[table] = [str(event_id) for event_id in values["event_id"]]
    return _Written(tables, ids, write_rows(sorted((row[0], row[2]) for row in unique)))


def _now() -> str:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _code_of(error: BaseException) -> int | None:
    """Returns the number of an error of a driver, None of any other error."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if not kinds & {"MySQLError", "DatabaseError", "InterfaceError", "Error"}:
        return None
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def _shortened(batch: Batch) -> list[str]:
    return write_rows(
        [(line.origin[:512], line.place, line.reason[:255], line.line[:4_000]) for line in batch.rejected]
    )


def _digest_of(line: Rejected) -> str:
    return _md(f"{line.origin}\n{line.place}\n{line.reason}\n{line.line}")


def _md(text: str) -> str:
    return f"x'{hashlib.blake2b(text.encode('utf-8', 'replace'), digest_size=16).hexdigest()}'"
