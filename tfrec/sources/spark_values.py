"""Computes values of rows on Spark's executors by DuckDB, so that both engines make the same of the same text."""

import functools
from collections.abc import Callable, Sequence

import duckdb
import pyarrow as pa

ROWS, VALUE = "batch", "value"
"""Names that a query uses: its table, whose columns are `input_name`, and its only column."""


def input_name(at: int) -> str:
    """Returns the name of an argument in the query."""
    return f"input_{at}"


def function_of_query(query: str, kinds: Sequence[pa.DataType], result: pa.DataType) -> Callable[..., pa.Array]:
    """Returns a function of Arrow arrays that computes a query of DuckDB, row by row.

    Args:
        query: SELECT of one column, see `ROWS`.
        kinds: types of the arguments.
        result: type of the value.
    """

    def compute(*columns: pa.Array) -> pa.Array:
        arrays = [
            column if column.type == kind else column.cast(kind) for column, kind in zip(columns, kinds, strict=True)
        ]
        engine = _engine()
        engine.register(ROWS, pa.table(arrays, names=[input_name(at) for at in range(len(arrays))]))
        try:
            value = engine.sql(query).to_arrow_table().column(VALUE)
        finally:
            engine.unregister(ROWS)
        # Unchecked, as the engine's hashes are unsigned and Spark has no such type.
        value = value if value.type == result else value.cast(result, safe=False)
        return pa.concat_arrays(value.chunks) if value.num_chunks else pa.array([], result)

    return compute


@functools.cache
def _engine() -> duckdb.DuckDBPyConnection:
    """Returns the engine of this process; Spark runs one process for each core."""
    return duckdb.connect(config={"threads": 1})
