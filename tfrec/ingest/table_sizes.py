"""Estimates how many bytes the tables of a preparation need, from the sizes of its raw files."""

from collections.abc import Sequence
from pathlib import PurePath

from tfrec.ingest.prepared import SourceFile
from tfrec.ingest.raw_files import RawFiles

_OF_TEXT, _OF_PACKED, _OF_ROW = 14, 70, 600
"""Bytes for a byte of text (the raw and the checked rows, a text of 16 bytes or more each), for a byte of what is
packed, and for a row of a database: measured on logs of eight columns, and rounded up."""
_TEXT = (".csv", ".txt", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".xml")


def expected_bytes(files: RawFiles, described: Sequence[SourceFile]) -> int:
    """Returns a generous estimate of the bytes that the tables between raw files and prepared folder take in memory.

    Args:
        files: the located files.
        described: description of each of them, and behind these of each table of a database.
    """
    tables = [path for sources in files.sources.values() for source in sources for path in source.inputs]
    rows = described[len(files.all) :]
    of_files = sum(
        about.size * (_OF_TEXT if PurePath(str(path)).suffix.lower() in _TEXT else _OF_PACKED)
        for path, about in zip(tables, described, strict=False)  # files.all begins with the tables
    )
    return of_files + _OF_ROW * sum(state.size for state in rows)
