"""Reads Parquet files as text."""

from collections.abc import Collection
from pathlib import Path

import ibis
import pyarrow.parquet as pq

from tfrec.errors import SourceError
from tfrec.sources.engine import literal
from tfrec.sources.file_format import BadLine, FileFormat, StoreTask
from tfrec.sources.nested import nested_message

_NESTED = ("STRUCT", "MAP", "LIST", "UNION", "ARRAY")


def _store(task: StoreTask) -> list[BadLine]:
    _check(task.workspace.connection, task.path, task.wanted)
    task.create(f"SELECT COLUMNS(*)::VARCHAR FROM read_parquet({literal(str(task.path))})")
    return []


PARQUET = FileFormat("parquet", (".parquet",), _store)
"""Columns of any type, as text."""


def _check(connection: ibis.BaseBackend, path: Path, wanted: Collection[str]) -> None:
    described = connection.raw_sql(f"DESCRIBE SELECT * FROM read_parquet({literal(str(path))})").fetchall()
    names = pq.read_schema(path).names
    for name in wanted:
        if names.count(name) > 1:
            raise SourceError(f"{path} has the column {name!r} twice. Rename one of them.")
    for name, kind, *_ in described:
        if name in wanted and (kind.endswith("]") or kind.startswith(_NESTED)):
            raise SourceError(nested_message(path, name, kind))
