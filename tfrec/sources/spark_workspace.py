"""Keeps tables in between on Spark."""

import contextlib
import dataclasses
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from tfrec.sources.engine import Workspace
from tfrec.sources.spark_backend import SparkBackend

_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
"""What decides on values; all else is as Spark's own configuration has it."""


@dataclasses.dataclass(frozen=True)
class SparkWorkspace(Workspace):
    """Tables in between as Parquet files in `scratch`, which executors and driver must both see.

    Attributes:
        files: workspace of DuckDB, in which raw files become rows.
    """

    connection: SparkBackend
    files: Workspace = dataclasses.field(kw_only=True)

    @property
    def of_files(self) -> Workspace:
        """Workspace of DuckDB in which raw files become rows."""
        return self.files

    def store(self, name: str, expression: ir.Table) -> ir.Table:
        """Returns the stored rows of an expression."""
        folder = self._folder(name)
        self.connection.write(expression, folder)
        return self.connection.view(name, folder)

    def name_of_table(self, rows: ir.Table) -> str:
        """Returns `""`: rows are files, which are not changed."""
        return ""

    def adopt(self, name: str, rows: ir.Table) -> ir.Table:
        """Returns the rows of a table of `of_files` on this engine."""
        path = self._folder(name).with_suffix(".parquet")
        self.files.connection.to_parquet(rows, path)
        return self.connection.view(name, path)

    def open_file(self, name: str, path: Path) -> ir.Table:
        """Returns the rows of a Parquet file."""
        return self.connection.view(name, path)

    def read_in_parts(self, expression: ir.Table, *, rows: int) -> Iterator[pa.RecordBatch]:
        """Yields the rows of an expression, so many at once; memory does not grow with their number."""
        folder = self._folder("in_parts")
        for path in self.connection.write(expression, folder):
            yield from pq.ParquetFile(path).iter_batches(rows)
        shutil.rmtree(folder)

    def drop(self, name: str) -> None:
        """Frees the space of a stored table."""
        self.connection.forget(name)
        shutil.rmtree(self._folder(name), ignore_errors=True)

    def _folder(self, name: str) -> Path:
        (self.scratch / "spark").mkdir(exist_ok=True)
        return self.scratch / "spark" / name


@contextlib.contextmanager
def open_spark(files: Workspace) -> Iterator[SparkWorkspace]:
    """Yields a workspace in a session of its own.

    The session is of the Spark application that runs in this process, or else of a new one, as Spark's own
    configuration describes it, which ends with the session.

    Args:
        files: workspace of DuckDB, in which raw files become rows.
    """
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    is_ours = not _is_running()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")  # frames stay in Arrow
        application = SparkSession.builder.appName("tfrec prepare").getOrCreate()
        session = application.newSession()
        for name, value in _SETTINGS.items():
            session.conf.set(name, value)
        try:
            yield SparkWorkspace(SparkBackend().connect(session), files.scratch, files=files)
        finally:
            if is_ours:
                application.stop()


def _is_running() -> bool:
    """Returns whether a Spark application runs in this process."""
    try:
        SparkSession.active()
    except PySparkRuntimeError:
        return False
    return True
