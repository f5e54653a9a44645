"""Opens the workspace of an engine: DuckDB in this process, or Spark."""

import contextlib
import importlib.util
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import ibis
from ibis.backends.duckdb import Backend as DuckDBBackend

from tfrec.errors import ConfigError, EnvironmentSetupError, install_hint, nearest_hint
from tfrec.sources.engine import Workspace
from tfrec.sources.kept_tables import KeptTables

DUCKDB, SPARK = "duckdb", "spark"
ENGINES = (DUCKDB, SPARK)
"""What tables in between may be computed by."""

_SHARE = 0.4  # of the memory limit for tables; sorting and joining need the rest
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def check_engine(engine: str) -> None:
    """Checks that an engine can be used, before anything is read.

    Raises:
        ConfigError: it is unknown.
        EnvironmentSetupError: Spark or Java is missing.
    """
    if engine not in ENGINES:
        raise ConfigError(f"engine must be one of {', '.join(ENGINES)}; got {engine!r}.{nearest_hint(engine, ENGINES)}")
    if engine != SPARK:
        return
    if importlib.util.find_spec("pyspark") is None:
        raise EnvironmentSetupError(f"The engine `spark` needs PySpark. {install_hint('spark')}.")
    home = os.environ.get("JAVA_HOME")
    has_java = bool(shutil.which("java")) or bool(home and (Path(home) / "bin" / "java").is_file())
    if not has_java and "SPARK_REMOTE" not in os.environ:  # a client of Spark Connect needs none
        raise EnvironmentSetupError(
            "The engine `spark` needs Java 17 or newer, and neither `java` nor $JAVA_HOME/bin/java was found. "
            "Install it (Debian: apt-get install default-jre-headless), or set JAVA_HOME."
        )


@contextlib.contextmanager
def open_workspace(
    scratch: Path, *, engine: str = DUCKDB, memory: str = "", kept: KeptTables | None = None, expected: float = math.inf
) -> Iterator[Workspace]:
    """Yields a workspace whose tables are gone at the end.

    Args:
        scratch: empty folder; with Spark, on a file system that its executors see under the same path.
        engine: one of `ENGINES`.
        memory: what DuckDB may take, e.g. `4GB`.
        kept: see `Workspace`.
        expected: bytes that the tables may need. Where the memory holds them with ease they lie in it, which takes a
            third of the time: on the disk they are compressed.
    """
    connection, is_in_memory = _connect(scratch, memory=memory, expected=expected)
    workspace = Workspace(connection, scratch, kept, is_in_memory)
    try:
        if engine == DUCKDB:
            yield workspace
            return
        from tfrec.sources.spark_workspace import open_spark  # Spark takes seconds to import

        with open_spark(workspace) as on_spark:
            yield on_spark
    finally:
        connection.disconnect()


def _connect(scratch: Path, *, memory: str, expected: float) -> tuple[DuckDBBackend, bool]:
    """Returns an empty database, and whether it lies in memory; what that does not hold it writes into `scratch`."""
    settings = {"temp_directory": str(scratch / "spilled"), **({"memory_limit": memory} if memory else {})}
    connection = ibis.duckdb.connect(**settings)
    ((limit,),) = connection.raw_sql("SELECT current_setting('memory_limit')").fetchall()
    if expected <= _SHARE * _bytes_of(limit):
        return connection, True
    connection.disconnect()
    connection = ibis.duckdb.connect(scratch / "tables.duckdb", **settings)
    # The database is gone at the end: what is written to keep it would be wasted.
    connection.raw_sql("PRAGMA disable_checkpoint_on_shutdown")
    connection.raw_sql("SET checkpoint_threshold = '1TB'")
    return connection, False


def _bytes_of(size: str) -> float:
    """Returns a size as DuckDB shows it, such as `18.6 GiB`, in bytes.

    Examples:
        >>> _bytes_of("1.5 KiB")
        1536.0
    """
    number, unit = size.split()
    return float(number) * 1024.0 ** (_UNITS.index(unit) if unit in _UNITS else 0)
