"""Reads JSON lines as text."""

from collections.abc import Collection, Iterator
from pathlib import Path

from tfrec.errors import EmptySourceError, SourceError
from tfrec.sources.csv_layout import as_utf8, open_bytes
from tfrec.sources.file_format import NOT_UTF8, BadLine, FileFormat, StoreTask
from tfrec.sources.json_rows import DECODER, Row, RowMaker, union_query, write_json_rows


def _store(task: StoreTask) -> list[BadLine]:
    text = as_utf8(task.path, task.how.encoding, task.scratch("utf8.jsonl"))
    files, bad = write_json_lines(text, wanted=task.wanted, folder=task.scratch("json"))
    task.create(union_query(files))
    return bad


JSON_LINES = FileFormat("jsonl", (".jsonl", ".ndjson"), _store)
"""One JSON object a line."""


def write_json_lines(path: Path, *, wanted: Collection[str], folder: Path) -> tuple[list[Path], list[BadLine]]:
    """Writes the objects of a file as Parquet files of text columns, a column for each key; returns them in order.

    A number keeps its digits (`5.50`, `18446744073709551629`), a boolean is `true` or `false`, null and an absent key
    are null, and a nested value that is not wanted is JSON text with its numbers in quotes. An object is one row, or
    one for each entry of the list that wanted paths (`items[].price`) go through.

    Args:
        path: one JSON object a line, plain or packed.
        wanted: keys that the recipe maps, or paths; they must hold plain values or lists of numbers.
        folder: receives the Parquet files, whose columns may differ.

    Returns:
        The Parquet files, and the lines that are no objects.

    Raises:
        SourceError: a wanted key holds a list of other values or an object, or not one line is an object.
    """
    bad: list[BadLine] = []
    parts, num_rows = write_json_rows(_read_objects(path, RowMaker(path, wanted), bad), folder)
    damaged = [line for line in bad if line.reason == NOT_UTF8]
    if damaged and len(damaged) * 100 > len(damaged) + num_rows:
        raise SourceError(
            f"{path} is not UTF-8: {len(damaged):,} lines hold other bytes, the first is line {damaged[0].line}. Name "
            'its encoding in the recipe: usual ones are encoding = "cp1252", "latin-1" or "utf-16".'
        )
    if not parts:
        example = f" Line {bad[0].line} is {bad[0].text[:80]!r}." if bad else ""
        error = SourceError if bad else EmptySourceError
        raise error(
            f"{path} must hold one JSON object a line; not one line is.{example} "
            'A file that is one list of objects is read by format = "json".'
        )
    return parts, bad


def _read_objects(path: Path, maker: RowMaker, bad: list[BadLine]) -> Iterator[Row]:
    with open_bytes(path) as stream:
        for number, raw in enumerate(_raw_lines(stream, path), start=1):
            if not raw.strip():
                continue
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                decoded = DECODER.decode(line)
                if not isinstance(decoded, dict):
                    raise ValueError("not an object")
                rows = maker.rows(decoded, number)
            except UnicodeError:
                bad.append(BadLine(number, NOT_UTF8, raw.decode("utf-8", errors="replace").rstrip("\r\n")))
            except (ValueError, RecursionError):
                bad.append(BadLine(number, "broken JSON", line))
            else:
                yield from rows


def _raw_lines(stream: Iterator[bytes], path: Path) -> Iterator[bytes]:
    try:
        yield from stream
    except (OSError, EOFError) as error:
        raise SourceError(f"{path} cannot be unpacked: {error}. Get the data again.") from error
