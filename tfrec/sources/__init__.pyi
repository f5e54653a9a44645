from .engine import Workspace
from .file_format import FILE, ROW, FileFormat, StoreTask
from .file_source import FileSource
from .formats import FORMATS, format_of
from .locate import data_homes, locate
from .raw_table import RawTable, RowSource, Unreadable
from .source import Source

__all__ = [
    "FILE",
    "FORMATS",
    "ROW",
    "FileFormat",
    "FileSource",
    "RawTable",
    "RowSource",
    "Source",
    "StoreTask",
    "Unreadable",
    "Workspace",
    "data_homes",
    "format_of",
    "locate",
]
