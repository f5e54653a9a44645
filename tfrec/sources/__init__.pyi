from .database import Database
from .engine import Workspace
from .file_format import FILE, ROW, FileFormat, StoreTask
from .file_source import FileSource
from .formats import FORMATS, format_of
from .locate import data_homes, locate
from .open_source import open_source
from .raw_table import RawTable, RowSource, RowsState, Unreadable
from .source import Source
from .sql_rows import SqlRows
from .sql_source import SqlSource

__all__ = [
    "FILE",
    "FORMATS",
    "ROW",
    "Database",
    "FileFormat",
    "FileSource",
    "RawTable",
    "RowSource",
    "RowsState",
    "Source",
    "SqlRows",
    "SqlSource",
    "StoreTask",
    "Unreadable",
    "Workspace",
    "data_homes",
    "format_of",
    "locate",
    "open_source",
]
