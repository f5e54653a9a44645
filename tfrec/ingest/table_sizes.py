"""Estimates how many bytes the tables of a preparation need, from the sizes of its raw files."""

from collections.abc import Sequence
from pathlib import PurePath

from tfrec.ingest.prepared import SourceFile
from tfrec.ingest.raw_files import RawFiles

_OF_TEXT, _OF_PARQUET, _OF_PACKED, _OF_ROW = 14, 30, 90, 600
"""Bytes for a byte of text (the raw and the checked rows, 16 bytes or more a text), of Parquet (the checked rows
alone), of what else is packed, and for a row of a database: measured on logs of eight columns, and rounded up."""
_TEXT, _PARQUET = (".csv", ".txt", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".xml"), (".parquet", ".pq")


def expected_bytes(files: RawFiles, described: Sequence[SourceFile]) -> int:
    """Returns a generous estimate of the bytes that the tables between raw files and prepared folder take in memory.

    Args:
        files: the located files.
        described: description of each of them, and behind these of each table of a database.
    """
    tables = [path for sources in files.sources.values() for source in sources for path in source.inputs]
    rows = described[len(files.all) :]
    of_files = sum(
        about.size * _factor(PurePath(str(path)).suffix.lower())
        for path, about in zip(tables, described, strict=False)  # files.all begins with the tables
    )
    return of_files + _OF_ROW * sum(state.size for state in rows)


def _factor(ending: str) -> int:
    return _OF_TEXT if ending in _TEXT else _OF_PARQUET if ending in _PARQUET else _OF_PACKED
