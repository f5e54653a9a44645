"""Turns decoded JSON objects into rows of text: every value as it stands, so that no id or number changes."""

import itertools
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tfrec.errors import SourceError
from tfrec.sources.engine import literal
from tfrec.sources.nested import EACH, Paths, find_paths, nested_message, rows_of

_BATCH = 50_000

DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
"""Keeps the digits of numbers."""

Row = dict[str, str | None]


class RowMaker:
    """Makes the rows of objects, one after the other."""

    def __init__(self, path: Path, wanted: Collection[str]) -> None:
        self._path, self._wanted = path, frozenset(wanted)
        self._may_be_paths = {name for name in wanted if "." in name or EACH in name or "[" in name}
        self._paths: dict[frozenset[str], Paths] = {}

    def rows(self, record: dict[str, Any], line: int) -> list[Row]:
        """Returns the rows of an object: one, or one for each entry of the list that wanted columns go through.

        Raises:
            SourceError: a wanted value is nested.
            UnicodeError: a text holds half of a surrogate pair.
        """
        if not self._may_be_paths:
            return [{name: self._text(value, name, line) for name, value in record.items()}]
        paths = self._paths_in(record)
        rows = rows_of(record, paths) if paths.steps else [record]
        return [{name: self._text(value, name, line) for name, value in row.items()} for row in rows]

    def _paths_in(self, record: dict[str, Any]) -> Paths:
        known = frozenset(record)
        if known not in self._paths:
            if len(self._paths) > 1_000:  # records of ever other keys
                self._paths.clear()
            self._paths[known] = find_paths(self._may_be_paths, known=known, origin=self._path)
        return self._paths[known]

    def _text(self, value: object, name: str, line: int) -> str | None:
        if isinstance(value, str):
            if not value.isascii():
                value.encode("utf-8")
            return value
        if value is None:
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if name in self._wanted:
            if isinstance(value, list) and all(map(_is_number, value)):
                return f"[{', '.join(value)}]" if value else None
            kind = "list" if isinstance(value, list) else "object"
            raise SourceError(nested_message(self._path, name, kind, line=line))
        return json.dumps(value, ensure_ascii=True)


def _is_number(entry: object) -> bool:
    """Returns whether an entry of a list is a number, which `DECODER` leaves as text, so that the list is a vector."""
    if not isinstance(entry, str):
        return False
    try:
        float(entry)
    except ValueError:
        return False
    return True


def write_json_rows(rows: Iterator[Row], folder: Path) -> tuple[list[Path], int]:
    """Writes rows as Parquet files of text columns, whose columns may differ; returns them in order, and their rows."""
    folder.mkdir()
    parts: list[Path] = []
    num_rows = 0
    while batch := list(itertools.islice(rows, _BATCH)):
        num_rows += len(batch)
        part = folder / f"{len(parts):06}.parquet"
        names = dict.fromkeys(name for row in batch for name in row)
        arrays = {name: pa.array([row.get(name) for row in batch], pa.string()) for name in names}
        pq.write_table(pa.table(arrays), part, compression="lz4")
        parts.append(part)
    return parts, num_rows


def union_query(parts: list[Path]) -> str:
    """Returns the query of all rows of the files."""
    listed = ", ".join(literal(str(part)) for part in parts)
    return f"SELECT * FROM read_parquet([{listed}], union_by_name = true)"
