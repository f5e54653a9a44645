"""Makes the source of a table's rows from what its recipe states."""

from collections.abc import Sequence
from pathlib import Path

from tfrec.sources.database import Database
from tfrec.sources.file_source import FileSource
from tfrec.sources.filled_source import FilledSource
from tfrec.sources.joined_source import JoinedSource
from tfrec.sources.locate import locate
from tfrec.sources.raw_table import RowSource
from tfrec.sources.source import Source
from tfrec.sources.sql_rows import SqlRows
from tfrec.sources.sql_source import SqlSource
from tfrec.sources.table_files import TableFiles
from tfrec.sources.unpacked_source import UnpackedSource


def open_source(
    how: TableFiles, *, homes: Sequence[Path], source_url: str = "", reading: Path | None = None
) -> RowSource:
    """Returns where the rows of a table come from, its files located, filled, joined and unpacked as stated.

    Args:
        how: what the recipe states.
        homes: folders where relative names are looked for.
        source_url: where to get the data, for messages.
        reading: folder for what is read of databases, see `chunk_folder`; without it a killed reading begins again.

    Raises:
        SourceError: a file is missing or empty, or a variable of the environment is not set.
    """
    rows = _open(how, homes, reading, source_url)
    if how.fill is not None:
        rows = FilledSource(rows, how.fill, how.missing)
    if how.join:
        rows = JoinedSource(rows, how, tuple(_open(join, homes, reading, source_url) for join in how.join))
    if how.unpack is not None:
        rows = UnpackedSource(rows, how.unpack)
    return rows


def _open(how: Source, homes: Sequence[Path], reading: Path | None, source_url: str) -> RowSource:
    """Returns the source of one table of raw rows: files or a database."""
    if how.url:
        database = Database(how.url)
        _ = database.url  # a variable that is not set is found before any work
        rows = SqlRows(database, how.table, how.query, how.key, how.changed)
        return SqlSource(rows, reading, is_append_only=how.append_only)
    return FileSource(
        how, tuple(path for name in how.files for path in locate(name, homes=homes, source_url=source_url))
    )
