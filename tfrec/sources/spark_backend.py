"""Runs Ibis expressions on Spark, with the values that DuckDB would give."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis.backends.pyspark import Backend
from ibis.backends.pyspark.datatypes import PySparkSchema, PySparkType
from pyspark.sql import DataFrame
from pyspark.sql.functions import arrow_udf

from tfrec.sources.spark_plan import ComputedValue, divided
from tfrec.sources.spark_sql import SparkCompiler
from tfrec.sources.spark_values import function_of_query

_RESULT = "result"  # name of the rows that are handed out


class SparkBackend(Backend):
    """Ibis' backend of Spark, whose values within a row are computed by DuckDB; see `divided`."""

    compiler = SparkCompiler()

    def do_connect(self, *args: Any, **kwargs: Any) -> None:
        """Connects to a session."""
        self.register_options()
        super().do_connect(*args, **kwargs)
        self._functions: set[str] = set()
        self.driver = ibis.duckdb.connect()

    def compile(self, expr: ir.Expr, /, **kwargs: Any) -> str:
        """Returns Spark's SQL; the functions that it calls are registered."""
        relation = divided(expr.as_table().op())
        for value in relation.find(ComputedValue):
            self._register(value)
        with _unfused():
            return super().compile(relation.to_expr(), **kwargs)

    def frame(self, expr: ir.Expr) -> DataFrame:
        """Returns an expression as Spark's frame, with the types that the expression states."""
        table = expr.as_table()
        self._run_pre_execute_hooks(table)
        return self.raw_sql(self.compile(table)).to(PySparkSchema.from_ibis(table.schema()))

    def to_pyarrow(self, expr: ir.Expr, /, **kwargs: Any) -> Any:
        """Returns the rows in memory."""
        rows = self.frame(expr).toArrow().cast(expr.as_table().schema().to_pyarrow())
        return expr.__pyarrow_result__(rows)

    def execute(self, expr: ir.Expr, /, **kwargs: Any) -> Any:
        """Returns the rows with the types that DuckDB's backend gives."""
        table = expr.as_table()
        rows: pa.Table = self.to_pyarrow(table)
        self.driver.con.register(_RESULT, rows)
        try:
            found: pd.DataFrame = self.driver.table(_RESULT).cast(table.schema()).execute()
        finally:
            self.driver.con.unregister(_RESULT)
        return expr.__pandas_result__(found)

    def write(self, expr: ir.Table, folder: Path) -> list[Path]:
        """Writes the rows as Parquet files, which executors and driver must both see; returns them in order."""
        self.frame(expr).write.mode("overwrite").parquet(url_of(folder))
        return sorted(folder.glob("part-*.parquet"))

    def to_parquet(self, expr: ir.Table, /, path: str | Path, **kwargs: Any) -> None:
        """Writes the rows, in their order, as the one file that DuckDB would write."""
        folder = Path(path).with_suffix(".parts")
        files = self.write(expr, folder)
        rows = self.driver.read_parquet(list(map(str, files)))
        self.driver.to_parquet(rows.cast(expr.schema()), path)
        shutil.rmtree(folder)

    def view(self, name: str, *paths: Path) -> ir.Table:
        """Returns the rows of Parquet files as a table."""
        self._session.read.parquet(*map(url_of, paths)).createOrReplaceTempView(name)
        return self.table(name)

    def forget(self, name: str) -> None:
        """Removes a table that `view` made, and not its files."""
        self._session.catalog.dropTempView(name)

    def _register_in_memory_table(self, op: Any) -> None:
        rows = op.data.to_pyarrow(op.schema)
        self._session.createDataFrame(rows, schema=PySparkSchema.from_ibis(op.schema)).createOrReplaceTempView(op.name)

    def _make_memtable_finalizer(self, name: str) -> None:
        """Returns none: a view ends with its session."""

    def _register(self, value: ComputedValue) -> None:
        if value.function in self._functions:
            return
        kinds = [given.dtype.to_pyarrow() for given in value.inputs]
        compute = function_of_query(value.query, kinds, value.to.to_pyarrow())
        # Its hints state the kind of function, which the stubs of PySpark ask for.
        function = arrow_udf(compute, PySparkType.from_ibis(value.to))  # type: ignore[call-overload]
        self._session.udf.register(value.function, function)
        self._functions.add(value.function)


def url_of(path: Path) -> str:
    """Returns a path as Spark reads it, whatever its default file system."""
    return f"file://{path.absolute()}"


@contextlib.contextmanager
def _unfused() -> Iterator[None]:
    """Keeps selections apart: merged ones would compute a value as often as it is used."""
    before = ibis.options.sql.fuse_selects
    ibis.options.sql.fuse_selects = False
    try:
        yield
    finally:
        ibis.options.sql.fuse_selects = before
