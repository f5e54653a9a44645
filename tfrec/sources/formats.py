"""Lists the formats of raw files, and finds that of a file."""

from collections.abc import Mapping
from pathlib import Path

from tfrec.errors import SourceError
from tfrec.sources.csv_files import CSV
from tfrec.sources.file_format import FileFormat
from tfrec.sources.json_lines import JSON_LINES
from tfrec.sources.parquet_files import PARQUET
from tfrec.sources.special_layouts import SPECIAL_LAYOUTS

FORMATS: Mapping[str, FileFormat] = {form.name: form for form in (CSV, JSON_LINES, PARQUET, *SPECIAL_LAYOUTS)}
"""Word of a recipe's `format` → format."""

_BY_ENDING = {ending: form for form in FORMATS.values() for ending in form.endings}


def format_of(path: Path, *, stated: str = "") -> FileFormat:
    """Returns the format of a file: the stated one, else by the ending.

    Raises:
        SourceError: the ending says nothing.
    """
    if stated:
        return FORMATS[stated]
    for suffix in reversed(path.suffixes):
        if suffix.lower() in _BY_ENDING:
            return _BY_ENDING[suffix.lower()]
    raise SourceError(f"The ending of {path} names no format. Add `format = ...` (one of {', '.join(FORMATS)}).")
