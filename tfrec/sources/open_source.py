"""Turns what a recipe states of a table into the source of its rows."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tfrec.sources.database import Database
from tfrec.sources.file_source import FileSource
from tfrec.sources.raw_table import RowSource
from tfrec.sources.source import Source
from tfrec.sources.sql_rows import SqlRows
from tfrec.sources.sql_source import SqlSource


def open_source(how: Source, *, located: Callable[[Sequence[str]], tuple[Path, ...]], reading: Path) -> RowSource:
    """Returns the source of a table.

    Args:
        how: names files or a database.
        located: finds files by name.
        reading: folder for what is read of databases, see `chunk_folder`.

    Raises:
        SourceError: a file is missing, or a variable of the environment is not set.
    """
    if not how.url:
        return FileSource(how, located(how.files))
    database = Database(how.url)
    _ = database.url  # a variable that is not set is found before any work
    return SqlSource(SqlRows(database, how.table, how.query, how.key, how.changed), reading)
