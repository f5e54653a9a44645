from .engine import Workspace
from .file_format import FILE, ROW, FileFormat, StoreTask
from .file_source import FileSource
from .filled_source import FilledSource
from .formats import FORMATS, format_of
from .joined_source import JoinedSource
from .locate import data_homes, locate
from .notes import Note
from .open_source import open_source
from .raw_table import RawTable, RowSource, Unreadable
from .source import Source
from .table_files import Fill, Join, TableFiles

__all__ = [
    "FILE",
    "FORMATS",
    "ROW",
    "FileFormat",
    "FileSource",
    "Fill",
    "FilledSource",
    "Join",
    "JoinedSource",
    "Note",
    "RawTable",
    "RowSource",
    "Source",
    "StoreTask",
    "TableFiles",
    "Unreadable",
    "Workspace",
    "data_homes",
    "format_of",
    "locate",
    "open_source",
]
