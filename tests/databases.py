"""Database servers of their own for tests: started on a socket and loopback, stopped by their process at the end."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PASSWORD = "Quiet-Harbour-71"
"""What the tests look for in everything that is printed and written; no server outside a test knows it."""
_PATIENCE = 60.0  # seconds in which a server must answer
_PLACES = ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/libexec")


class Server(NamedTuple):
    """A running server.

    Attributes:
        dialect: SQLAlchemy's name of dialect and driver.
        port: on 127.0.0.1.
        user: may do everything.
        process: number of the server's process.
    """

    dialect: str
    port: int
    user: str
    process: int

    def url(self, database: str) -> str:
        """Returns the address of a database with the password in it."""
        return f"{self.dialect}://{self.user}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def public_url(self, database: str) -> str:
        """Returns the address as a recipe has it: the password is in the environment."""
        return f"{self.dialect}://{self.user}:${{DB_PASSWORD}}@127.0.0.1:{self.port}/{database}"

    def execute(self, database: str, *statements: str) -> list[tuple[Any, ...]]:
        """Runs statements; returns the rows of the last one, if it has any."""
        from sqlalchemy import create_engine

        engine = create_engine(self.url(database), isolation_level="AUTOCOMMIT")
        rows: list[tuple[Any, ...]] = []
        try:
            with engine.connect() as connection:
                for statement in statements:
                    result = connection.exec_driver_sql(statement.replace("%", "%%"))
                    rows = [tuple(row) for row in result] if result.returns_rows else []
        finally:
            engine.dispose()
        return rows


def require(program: str, package: str) -> str:
    """Returns the path of a server's program; without it a test skips, and fails in CI."""
    debian = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    found = shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", ""), *_PLACES, *debian)))
    if found is None:
        message = f"there is no {program}: apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextlib.contextmanager
def running_mariadb(*settings: str) -> Iterator[Server]:
    """Yields a MariaDB server with an empty data directory; `settings` are further options of `mariadbd`."""
    program, install = require("mariadbd", "mariadb-server"), require("mariadb-install-db", "mariadb-server")
    user = getpass.getuser()
    with tempfile.TemporaryDirectory(prefix="tfrec-mariadb-") as place:
        folder, port = Path(place), _free_port()
        made = subprocess.run(
            [install, "--no-defaults", f"--datadir={folder / 'data'}", f"--user={user}", "--skip-test-db"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        setup = folder / "setup.sql"
        setup.write_text(
            f"CREATE USER 'shop'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON *.* TO 'shop'@'127.0.0.1' WITH GRANT OPTION;\nCREATE DATABASE shop CHARACTER SET utf8mb4;\n"
        )
        command = [
            *(program, "--no-defaults", f"--user={user}", f"--datadir={folder / 'data'}"),
            *(f"--socket={folder / 'socket'}", "--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve"),
            *(f"--init-file={setup}", f"--pid-file={folder / 'pid'}", *settings),
        ]
        log = folder / "log.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        server = Server("mysql+pymysql", port, "shop", process.pid)
        with _stopped(process):
            _await_answer(server, "shop", process, log)
            yield server


@contextlib.contextmanager
def running_redis() -> Iterator[str]:
    """Yields the URL of a Redis server that keeps everything in memory."""
    import redis

    program, port = require("redis-server", "redis-server"), _free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with _stopped(process):
        until = time.monotonic() + _PATIENCE
        with redis.Redis(port=port) as connection:
            while True:
                try:
                    connection.ping()
                    break
                except redis.ConnectionError as error:
                    if process.poll() is not None or time.monotonic() > until:
                        raise AssertionError(f"redis-server does not answer: {error}") from error
                    time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def running_postgres() -> Iterator[Server]:
    """Yields a PostgreSQL server with an empty data directory.

    The server refuses to run as root; it then runs as the user `postgres`, whom Debian's package makes.
    """
    initdb, postgres = require("initdb", "postgresql"), require("postgres", "postgresql")
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="tfrec-postgres-") as place:
        folder, port = Path(place), _free_port()
        (folder / "password").write_text(PASSWORD)
        if as_user:
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres")
        made = subprocess.run(
            [
                *(*as_user, initdb, "-D", folder / "data", "-U", "shop", "--auth=scram-sha-256", "-E", "UTF8"),
                *("--pwfile", folder / "password", "--no-sync"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        command = [*as_user, postgres, "-D", folder / "data", "-p", str(port), "-c", "listen_addresses=127.0.0.1"]
        command += ["-c", f"unix_socket_directories={folder}"]
        log = folder / "log.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
        server = Server("postgresql+pg8000", port, "shop", process.pid)
        with _stopped(process):
            _await_answer(server, "postgres", process, log)
            yield server


@contextlib.contextmanager
def _stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Ends a process when the block ends, however it ends."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_answer(server: Server, database: str, process: subprocess.Popen[bytes], log: Path) -> None:
    from sqlalchemy.exc import SQLAlchemyError

    until = time.monotonic() + _PATIENCE
    while True:
        try:
            server.execute(database, "SELECT 1")
            return
        except SQLAlchemyError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"the server does not answer: {error}\n{log.read_text()}") from error
            time.sleep(0.05)
