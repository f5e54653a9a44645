"""Keeps events in the tables of `datasets/collector.sql`, each once by its id."""

import contextlib
import dataclasses
import datetime as dt
import hashlib
import importlib.resources
import itertools
import json
import logging
import operator
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
_SAFE = re.compile(r"[A-Za-z0-9_.:-]*").fullmatch
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


_PICK_EVENT, _PICK_IMPRESSION = (
    operator.itemgetter(*(COLUMNS.index(name) for name in columns)) for columns in (EVENT_COLUMNS, IMPRESSION_COLUMNS)
)
_Written = tuple[Row, str]
"""A row, and the same as SQL."""


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
        """Returns the batch with its rows as SQL."""
        now = _now()
        written = []
        for row in batch.rows:
            pick = _PICK_IMPRESSION if row[1] == IMPRESSION else _PICK_EVENT
            written.append(_literal((*pick(row), now)))
        return dataclasses.replace(batch, written=tuple(written))

    def commit(self, batch: Batch) -> Collected:
        """Keeps a batch in one transaction, again after a lost lock or connection."""
        batch = batch if batch.written is not None else self.prepare(batch)
        rows: dict[str, _Written] = {}
        for row, text in zip(batch.rows, batch.written or (), strict=True):
            rows.setdefault(str(row[0]), (row, text))
        for attempt in itertools.count(1):
            try:
                with self.database.reporting("collecting"):
                    fresh = self._commit(rows, batch)
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

    def _commit(self, rows: Mapping[str, _Written], batch: Batch) -> int:
        self._may_be_tried_again = False
        with self._transaction() as execute:
            now = _now()
            fresh = self._keep_ids(execute, rows)
            for table, columns, is_impression in (
                ("events", EVENT_COLUMNS, False),
                ("impressions", IMPRESSION_COLUMNS, True),
            ):
                values = (text for row, text in fresh if (row[1] == IMPRESSION) == is_impression)
                self._insert(execute, f"INSERT INTO {table} ({', '.join(columns)}, received_at) VALUES ", values)
            self._insert(
                execute,
                "INSERT IGNORE INTO rejected_events (digest, received_at, origin, place, reason, line) VALUES ",
                (_literal((now, *_shortened(line)), _digest_of(line)) for line in batch.rejected),
            )
            self._insert(
                execute,
                "INSERT INTO collected_files (path_digest, head, path, position, head_bytes, updated_at) VALUES ",
                (
                    _literal((path, at.bytes_read, at.head_bytes, now), _md(path), bytes.fromhex(at.head))
                    for path, at in batch.positions.items()
                ),
                " ON DUPLICATE KEY UPDATE position = VALUES(position), head = VALUES(head), "
                "head_bytes = VALUES(head_bytes), updated_at = VALUES(updated_at)",
            )
        return len(fresh)

    def _keep_ids(self, execute: Callable[[str], Any], rows: Mapping[str, _Written]) -> list[_Written]:
        """Inserts the ids that are new, in order, so that two processes rarely wait for each other; returns their rows.

        An id that another transaction is inserting is waited for.
        """
        if not rows:
            return []
        mine = secrets.randbits(63)
        ordered = sorted(rows)
        inserted = self._insert(
            execute,
            "INSERT IGNORE INTO event_ids (event_id, batch, timestamp) VALUES ",
            (f"({_quoted(event_id)},{mine},'{rows[event_id][0][2]}')" for event_id in ordered),
        )
        if inserted == len(rows):
            return list(rows.values())
        listed = ",".join(map(_quoted, ordered))
        found = execute(f"SELECT event_id FROM event_ids WHERE event_id IN ({listed}) AND batch = {mine}").fetchall()
        known = {str(row[0]) for row in found}
        return [row for event_id, row in rows.items() if event_id in known]

    def _insert(self, execute: Callable[[str], Any], head: str, rows: Iterable[str], tail: str = "") -> int:
        """Inserts rows in statements that the server takes; returns the number of rows that it reports."""
        reported, size, values = 0, 0, list[str]()
        for text in rows:
            length = len(text) if text.isascii() else len(text.encode())
            if values and size + length > self._limit:
                reported += execute(head + ",".join(values) + tail).rowcount
                values, size = [], 0
            values.append(text)
            size += length + 1
        if values:
            reported += execute(head + ",".join(values) + tail).rowcount
        return reported

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Callable[[str], Any]]:
        """Yields what executes a statement; commits at the end.

        The driver's own cursor is used: a statement of a megabyte is not looked through for parameters.
        """
        with self._translated():
            raw = self._raw()
            with raw.cursor() as cursor:

                def execute(statement: str) -> Any:
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


def _literal(row: Sequence[Any], *binary: bytes) -> str:
    """Returns values as a row of SQL, for a session without ANSI_QUOTES and NO_BACKSLASH_ESCAPES; bytes come first.

    JSON's quoted text is MySQL's, but for the escapes of control characters, and its `null` and numbers are, too.
    """
    text = _ENCODER.encode(row)
    if "\\u" in text or "\\f" in text:
        text = re.sub(r"\\(u00([0-9a-f]{2})|f|.)", _as_mysql, text)
    first = "".join(f"x'{value.hex()}'," for value in binary)
    return f"({first}{text[1:-1]})"


def _now() -> str:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _quoted(text: str) -> str:
    """Returns a text as a literal of SQL."""
    return f"'{text}'" if _SAFE(text) else _literal([text])[1:-1]


def _as_mysql(match: re.Match[str]) -> str:
    if match[1] == "f":
        return "\f"
    return chr(int(match[2], 16)) if match[2] else match[0]


def _code_of(error: BaseException) -> int | None:
    """Returns the number of an error of a driver, None of any other error."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if not kinds & {"MySQLError", "DatabaseError", "InterfaceError", "Error"}:
        return None
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def _shortened(line: Rejected) -> tuple[str, int, str, str]:
    return line.origin[:512], line.place, line.reason[:255], line.line[:4_000]


def _digest_of(line: Rejected) -> bytes:
    return _md(f"{line.origin}\n{line.place}\n{line.reason}\n{line.line}")


def _md(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
