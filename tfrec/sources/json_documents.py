"""Reads a JSON file that is one list of objects, or objects one after the other, as text."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfrec.errors import SourceError
from tfrec.sources.csv_layout import as_utf8, open_bytes
from tfrec.sources.file_format import BadLine, FileFormat, StoreTask
from tfrec.sources.json_lines import write_json_lines
from tfrec.sources.json_rows import DECODER, Row, RowMaker, union_query, write_json_rows

_BLANK = " \t\r\n,"
_NO_OBJECT = "no JSON object"


def _store(task: StoreTask) -> list[BadLine]:
    path = as_utf8(task.path, task.how.encoding, task.scratch("utf8.json"))
    bad: list[BadLine] = []
    text = _read_text(path)
    if _is_lines(text):
        parts, bad = write_json_lines(path, wanted=task.wanted, folder=task.scratch("json"))
    else:
        rows = _read_rows(text, path, RowMaker(path, task.wanted), bad)
        parts, _ = write_json_rows(rows, task.scratch("json"))
    if not parts:
        raise SourceError(f"{path} must hold a list of JSON objects; it holds none. Get the data again.")
    task.create(union_query(parts))
    return bad


JSON_DOCUMENT = FileFormat("json", (".json",), _store)
"""A list of objects."""


def _read_text(path: Path) -> str:
    try:
        with open_bytes(path) as stream:
            return stream.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8: {error.reason}. Name its `encoding` in the recipe.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path} cannot be unpacked: {error}. Get the data again.") from error


def _is_lines(text: str) -> bool:
    """Returns whether the file holds an object a line, as exports of warehouses do under this ending."""
    first, _, rest = text.lstrip().partition("\n")
    try:
        return bool(rest.strip()) and isinstance(json.loads(first), dict)
    except ValueError:
        return False


def _read_rows(text: str, path: Path, maker: RowMaker, bad: list[BadLine]) -> Iterator[Row]:
    for start, value in _read_values(text, path):
        line = text.count("\n", 0, start) + 1 if not isinstance(value, dict) else 0
        if not isinstance(value, dict):
            bad.append(BadLine(line, _NO_OBJECT, json.dumps(value, ensure_ascii=False)))
            continue
        yield from maker.rows(value, line)


def _read_values(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    """Yields the entries of the list, or the values of the file, each with the place of its start."""
    at = _skip(text, 0)
    is_list = text[at : at + 1] == "["
    at = _skip(text, at + is_list)
    while at < len(text) and not (is_list and text[at] == "]"):
        try:
            value, end = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            line = text.count("\n", 0, getattr(error, "pos", at)) + 1
            raise SourceError(f"{path}: line {line:,} is broken JSON ({error}). Get the data again.") from error
        yield at, value
        at = _skip(text, end)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at
