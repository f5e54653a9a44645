"""Lists the formats of raw files, and finds that of a file."""

from collections.abc import Mapping
from pathlib import PurePath

from tfrec.errors import SourceError
from tfrec.sources.csv_files import CSV
from tfrec.sources.excel_files import EXCEL
from tfrec.sources.file_format import FileFormat
from tfrec.sources.json_documents import JSON_DOCUMENT
from tfrec.sources.json_lines import JSON_LINES
from tfrec.sources.parquet_files import PARQUET
from tfrec.sources.special_layouts import SPECIAL_LAYOUTS
from tfrec.sources.xml_files import XML

_ALL = (CSV, JSON_LINES, JSON_DOCUMENT, PARQUET, EXCEL, XML, *SPECIAL_LAYOUTS)
FORMATS: Mapping[str, FileFormat] = {form.name: form for form in _ALL}
"""Word of a recipe's `format` → format."""

_BY_ENDING = {ending: form for form in FORMATS.values() for ending in form.endings}


def format_of(name: str, *, stated: str = "") -> FileFormat:
    """Returns the format of a file of this name: the stated one, else by the ending.

    Raises:
        SourceError: the ending says nothing.
    """
    if stated:
        return FORMATS[stated]
    for suffix in reversed(PurePath(name).suffixes):
        if suffix.lower() in _BY_ENDING:
            return _BY_ENDING[suffix.lower()]
    raise SourceError(f"The ending of {name} names no format. Add `format = ...` (one of {', '.join(FORMATS)}).")


def is_known(name: str) -> bool:
    """Returns whether the ending of a file's name states its format."""
    return any(suffix.lower() in _BY_ENDING for suffix in PurePath(name).suffixes)
