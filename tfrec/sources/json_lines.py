"""Reads JSON lines as text: every value as it stands in the file, so that no id or number changes."""

import itertools
import json
from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tfrec.errors import SourceError
from tfrec.sources.csv_layout import as_utf8, open_bytes
from tfrec.sources.engine import literal
from tfrec.sources.file_format import NOT_UTF8, BadLine, FileFormat, StoreTask
from tfrec.sources.nested import nested_message

_BATCH = 50_000


def _store(task: StoreTask) -> list[BadLine]:
    text = as_utf8(task.path, task.how.encoding, task.scratch("utf8.jsonl"))
    files, bad = write_json_lines(text, wanted=task.wanted, folder=task.scratch("json"))
    listed = ", ".join(literal(str(file)) for file in files)
    task.create(f"SELECT * FROM read_parquet([{listed}], union_by_name = true)")
    return bad


JSON_LINES = FileFormat("jsonl", (".jsonl", ".ndjson"), _store)
"""One JSON object a line."""


def write_json_lines(path: Path, *, wanted: Collection[str], folder: Path) -> tuple[list[Path], list[BadLine]]:
    """Writes the objects of a file as Parquet files of text columns, a column for each key; returns them in order.

    A number keeps its digits (`5.50`, `18446744073709551629`), a boolean is `true` or `false`, null and an absent key
    are null, and a nested value that is not wanted is JSON text with its numbers in quotes.

    Args:
        path: one JSON object a line, plain or compressed by gzip.
        wanted: keys that the recipe maps; they must hold plain values.
        folder: receives the Parquet files, whose columns may differ.

    Returns:
        The Parquet files, and the lines that are no objects.

    Raises:
        SourceError: a wanted key holds a list or an object, or not one line is an object.
    """
    folder.mkdir()
    bad: list[BadLine] = []
    rows = _read_objects(path, frozenset(wanted), bad)
    parts: list[Path] = []
    num_rows = 0
    while batch := list(itertools.islice(rows, _BATCH)):
        num_rows += len(batch)
        part = folder / f"{len(parts):06}.parquet"
        names = dict.fromkeys(name for row in batch for name in row)
        arrays = {name: pa.array([row.get(name) for row in batch], pa.string()) for name in names}
        pq.write_table(pa.table(arrays), part, compression="lz4")
        parts.append(part)
    damaged = [line for line in bad if line.reason == NOT_UTF8]
    if damaged and len(damaged) * 100 > len(damaged) + num_rows:
        raise SourceError(
            f"{path} is not UTF-8: {len(damaged):,} lines hold other bytes, the first is line {damaged[0].line}. Name "
            'its encoding in the recipe: usual ones are encoding = "cp1252", "latin-1" or "utf-16".'
        )
    if not parts:
        example = f" Line {bad[0].line} is {bad[0].text[:80]!r}." if bad else ""
        raise SourceError(
            f"{path} must hold one JSON object a line; not one line is.{example} "
            "An array is turned into lines by: jq -c '.[]' FILE"
        )
    return parts, bad


def _read_objects(path: Path, wanted: frozenset[str], bad: list[BadLine]) -> Iterator[dict[str, str | None]]:
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
    with open_bytes(path) as stream:
        for number, raw in enumerate(_raw_lines(stream, path), start=1):
            if not raw.strip():
                continue
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                decoded = decoder.decode(line)
                if not isinstance(decoded, dict):
                    raise ValueError("not an object")
                row = {name: _text(value, name, number, path, wanted) for name, value in decoded.items()}
            except UnicodeError:
                bad.append(BadLine(number, NOT_UTF8, raw.decode("utf-8", errors="replace").rstrip("\r\n")))
            except (ValueError, RecursionError):
                bad.append(BadLine(number, "broken JSON", line))
            else:
                yield row


def _raw_lines(stream: Iterator[bytes], path: Path) -> Iterator[bytes]:
    try:
        yield from stream
    except (OSError, EOFError) as error:
        raise SourceError(f"{path} cannot be unpacked: {error}. Get the data again.") from error


def _text(value: object, name: str, line: int, path: Path, wanted: frozenset[str]) -> str | None:
    """Returns a value as text, null as None.

    Raises:
        SourceError: the value is nested and the key is wanted.
        UnicodeError: the text holds half of a surrogate pair.
    """
    if isinstance(value, str):
        if not value.isascii():
            value.encode("utf-8")
        return value
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if name in wanted:
        raise SourceError(nested_message(path, name, "list" if isinstance(value, list) else "object", line=line))
    return json.dumps(value, ensure_ascii=True)
