"""Turns the URL of a database into connections; what the URL takes from the environment appears in no message."""

import contextlib
import dataclasses
import functools
import os
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfrec.errors import EnvironmentSetupError, RecipeError, SourceError, install_hint

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):(.*)(?=@)")
_SECRET_SETTING = re.compile(r"(?i)([?&][^=&]*(?:pass|secret|token|key)[^=&]*)=([^&]*)")
_DRIVERS = {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql", "postgresql": "postgresql+pg8000"}
"""Where a URL names no driver: those of the extra `sql`."""
_SESSION = {"mysql": "SET time_zone = '+00:00'", "mariadb": "SET time_zone = '+00:00'", "postgresql": "SET TIME ZONE 0"}
_TIMEOUTS = {"pymysql": {"connect_timeout": 20}, "pg8000": {"timeout": None}}
_SHORTEST_MASKED = 4
"""Characters of a secret that can be found in a text; a text that may hold a shorter one is not shown at all."""


@dataclasses.dataclass(frozen=True)
class Database:
    """A database by its URL.

    Attributes:
        written: SQLAlchemy's URL, in which `${NAME}` stands for a value of the environment.
    """

    written: str

    def __post_init__(self) -> None:
        if "://" not in self.written and not _VARIABLE.fullmatch(self.written):
            raise RecipeError(
                "url must be of the form dialect://user:${PASSWORD}@host/database, or ${NAME} for all of it; got "
                f"{self.shown!r}."
            )

    @property
    def shown(self) -> str:
        """The URL for messages: names of variables instead of their values, `***` for a password that is written."""
        text = _PASSWORD.sub(lambda match: f"{match[1]}:{_hidden(match[2])}", self.written)
        return _SECRET_SETTING.sub(lambda match: f"{match[1]}={_hidden(match[2])}", text)

    @functools.cached_property
    def url(self) -> "URL":
        """The URL with the values of the environment.

        Raises:
            SourceError: a variable is not set, or the URL cannot be understood.
        """
        _check_installed()
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        absent = [name for name in _VARIABLE.findall(self.written) if name not in os.environ]
        if absent:
            raise SourceError(
                f"{self.shown} needs the environment variable {absent[0]}, which is not set. "
                f"Set it for this command: export {absent[0]}=..."
            )
        access, at, place = self.written.rpartition("@")
        whole = _VARIABLE.fullmatch(self.written)
        expanded = os.environ[whole[1]] if whole else _quoted(access) + at + _plain(place)
        try:
            url = make_url(expanded)
        except (ArgumentError, ValueError):
            raise SourceError(
                f"{self.shown} is no URL of a database; expected dialect://user:password@host:port/database."
            ) from None
        return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))

    @property
    def dialect(self) -> str:
        """Kind of database, such as `mysql`."""
        return self.url.get_backend_name()

    def masked(self, text: str) -> str:
        """Returns a text, such as that of a driver's error, without what the URL holds of secrets."""
        secrets = {os.environ.get(name, ""): f"${{{name}}}" for name in _VARIABLE.findall(self.written)}
        secrets[str(self.url.password or "")] = "***"
        secrets |= {str(value): "***" for name, value in self.url.query.items() if _SECRET_SETTING.match(f"?{name}=")}
        secrets.pop("", None)
        if any(len(secret) < _SHORTEST_MASKED and secret in text for secret in secrets):
            return "(the driver's message may hold a secret and is not shown)"
        for secret, name in sorted(secrets.items(), key=lambda entry: -len(entry[0])):
            for form in (secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)):
                text = text.replace(form, name)
        return text

    @contextlib.contextmanager
    def reporting(self, doing: str) -> Iterator[None]:
        """Turns errors of SQLAlchemy and drivers inside the block into ones that show no secret.

        Args:
            doing: what the block does, for the message.

        Raises:
            SourceError: the block failed.
        """
        from sqlalchemy.exc import SQLAlchemyError

        # PyMySQL raises RuntimeError where a password needs a library that is missing.
        errors: tuple[type[BaseException], ...] = (SQLAlchemyError, RuntimeError, *self._driver_errors())
        try:
            yield
        except errors as error:
            cause = getattr(error, "orig", None) or error
            reason = self.masked(" ".join(str(cause).split()))
            # Without its cause, which a traceback would show.
            raise SourceError(f"{self.shown}: {doing} failed: {reason}") from None

    def _driver_errors(self) -> tuple[type[BaseException], ...]:
        """Returns what the driver raises where it is used without SQLAlchemy."""
        try:
            error: type[BaseException] = self.url.get_dialect().import_dbapi().Error
            return (error,)
        except Exception:  # no such driver
            return ()

    def engine(self) -> "Engine":
        """Returns an engine whose connections commit each statement; close it with `dispose`.

        Raises:
            SourceError: a variable is not set, or a file of SQLite is not there.
            EnvironmentSetupError: the driver is not installed.
        """
        url = self.url
        from sqlalchemy import create_engine, event
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
        from sqlalchemy.pool import NullPool

        if self.dialect == "sqlite" and url.database and not Path(url.database).is_file():
            raise SourceError(f"{self.shown}: there is no such file. Correct the path in `url`.")
        try:
            driver = url.get_dialect().driver
            engine = create_engine(
                url,
                isolation_level="AUTOCOMMIT",
                hide_parameters=True,
                poolclass=NullPool,
                connect_args=_TIMEOUTS.get(driver, {}),
            )
        except ModuleNotFoundError as error:
            raise EnvironmentSetupError(
                f"{self.shown} needs the driver {error.name}, which is not installed. {install_hint('sql')}, or "
                "install that driver."
            ) from None
        except (ArgumentError, NoSuchModuleError):
            raise SourceError(
                f"{self.shown}: SQLAlchemy knows no such dialect or driver. Use mysql+pymysql, postgresql+pg8000 or "
                "one that is installed."
            ) from None
        if statement := _SESSION.get(self.dialect):

            @event.listens_for(engine, "connect")
            def _set_session(connection: Any, record: object) -> None:
                cursor = connection.cursor()
                cursor.execute(statement)
                cursor.close()

        return engine

    @contextlib.contextmanager
    def connection(self, doing: str) -> Iterator["Connection"]:
        """Yields a connection; errors inside the block are as of `reporting`."""
        with self.reporting(doing):
            engine = self.engine()
            try:
                with engine.connect() as connection:
                    yield connection
            finally:
                engine.dispose()


def names_database(place: str) -> bool:
    """Returns whether a place is the URL of a database, whole or as `${NAME}` of the environment, and no folder."""
    return "://" in place or place.startswith("${")


def _check_installed() -> None:
    try:
        import sqlalchemy  # noqa: F401
    except ModuleNotFoundError:
        raise EnvironmentSetupError(f"Databases need SQLAlchemy. {install_hint('sql')}.") from None


def _hidden(value: str) -> str:
    return value if _VARIABLE.fullmatch(value) else "***"


def _quoted(text: str) -> str:
    return _VARIABLE.sub(lambda match: urllib.parse.quote(os.environ[match[1]], safe=""), text)


def _plain(text: str) -> str:
    return _VARIABLE.sub(lambda match: os.environ[match[1]], text)
