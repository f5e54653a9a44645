"""Publishes a finished file in one step, and replaces only an output of the same kind.

A page carries a `meta` element that names its kind, a picture a `metadata` element, a Parquet file a key in its
schema's metadata, JSON a key, a text with comments its first line. CSV has room for none of these: it is recognised by
its header, the columns in order.
"""

import contextlib
import html
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfrec.errors import SourceError
from tfrec.publish.places import check_file_place, check_writable, followed
from tfrec.publish.workplaces import workplace

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_KEY = "tfrec"
_HEAD = 4096  # bytes within which a page's mark lies


@contextlib.contextmanager
def writing(
    target: Path, kind: str, *, inputs: Iterable[Path] = (), force: bool = False, columns: Iterable[str] | None = None
) -> Iterator[Path]:
    """Gives the path of a file to be written; on a clean exit it becomes `target`, on an error it vanishes.

    Args:
        target: the file; of a symbolic link, what the link leads to.
        kind: as `check_file`.
        inputs: as `check_file`.
        force: as `check_file`.
        columns: as `check_file`.

    Raises:
        SourceError: as `check_file`, before the work and again after it; or another process is writing `target`.
    """
    inputs, columns = tuple(inputs), None if columns is None else tuple(columns)
    check_file(target, kind, inputs=inputs, force=force, columns=columns)
    with replacing(target) as work:
        yield work
        check_file(target, kind, inputs=inputs, force=force, columns=columns)


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Replaces a file likewise but without a check, for what tfrec keeps in a folder of its own.

    Raises:
        SourceError: another process is writing `target`.
    """
    target = followed(target)
    with workplace(target) as work:
        yield work
        if target.exists():
            shutil.copymode(target, work)
        work.replace(target)


def check_file(
    target: Path, kind: str, *, inputs: Iterable[Path] = (), force: bool = False, columns: Iterable[str] | None = None
) -> None:
    """Refuses a file that may not be overwritten; verbs call it before they begin.

    Args:
        target: the file to be written.
        kind: what is to be written there, a few words.
        inputs: files and folders that are read: a file of theirs is never overwritten.
        force: overwrite a file of any other kind or origin.
        columns: of a CSV file; None = it is none.

    Raises:
        SourceError: `target` is a folder, a device or an input, or a file that tfrec did not write as this kind.
    """
    target = followed(target)
    inputs = tuple(inputs)
    check_file_place(target, inputs)
    check_writable(target)
    if not target.exists() or target.stat().st_size == 0 or is_ours(target, kind, columns=columns):
        return
    for folder in inputs:
        if folder.is_dir() and target.is_relative_to(folder.resolve()):
            raise SourceError(f"{target} is not overwritten: it lies in {folder}, which is read. Name another file.")
    if not force:
        raise SourceError(
            f"{target} is there already, and is not recognised as {kind} that tfrec wrote. Name another file, or "
            "overwrite this one with --force."
        )


def is_ours(path: Path, kind: str, *, columns: Iterable[str] | None = None) -> bool:
    """Returns whether a file was written by tfrec as this kind; of CSV its columns decide."""
    try:
        with path.open("rb") as file:
            first = file.readline(_HEAD)
            head = first + file.read(_HEAD - len(first))
        if head.startswith(b"PAR1"):
            return _parquet_kind(path) == kind
        text = head.decode("utf-8", errors="replace")
        if text.lstrip()[:1] == "{":
            return json.loads(path.read_text(encoding="utf-8")).get(_KEY) == kind
    except (OSError, ValueError):
        return False
    if columns is not None and first.decode("utf-8", errors="replace").rstrip("\r\n") == _header(columns):
        return True
    return _page_mark(kind) in text or _picture_mark(kind) in text or text.startswith(_text_mark(kind))


def write_page(target: Path, page: str, kind: str, *, inputs: Iterable[Path] = (), force: bool = False) -> None:
    """Writes an HTML page with the mark of its kind."""
    marked, num_heads = re.subn(r"<head>", lambda head: head.group() + _page_mark(kind), page, count=1)
    if not num_heads:
        raise ValueError("The page has no <head> to carry its mark.")
    with writing(target, kind, inputs=inputs, force=force) as work:
        work.write_text(marked, encoding="utf-8")


def write_picture(target: Path, svg: str, kind: str, *, inputs: Iterable[Path] = (), force: bool = False) -> None:
    """Writes an SVG picture, whose `metadata` element names its kind."""
    begin, end = svg.split("\n", 1)
    with writing(target, kind, inputs=inputs, force=force) as work:
        work.write_text(f"{begin}\n{_picture_mark(kind)}\n{end}", encoding="utf-8")


def write_json(
    target: Path, content: Mapping[str, Any], kind: str, *, inputs: Iterable[Path] = (), force: bool = False
) -> None:
    """Writes an object as JSON, with the key `tfrec` that names its kind."""
    with writing(target, kind, inputs=inputs, force=force) as work:
        text = json.dumps({_KEY: kind, **content}, indent=2, ensure_ascii=False)
        work.write_text(text + "\n", encoding="utf-8")


def write_text(target: Path, text: str, kind: str, *, inputs: Iterable[Path] = (), force: bool = False) -> None:
    """Writes a text in which `#` begins a comment: its first line names its kind."""
    with writing(target, kind, inputs=inputs, force=force) as work:
        work.write_text(_text_mark(kind) + text, encoding="utf-8")


def write_table(
    target: Path, frame: "pd.DataFrame", kind: str, *, inputs: Iterable[Path] = (), force: bool = False
) -> None:
    """Writes a table as CSV or Parquet, by the ending of its name."""
    columns = [str(name) for name in frame.columns]
    with writing(target, kind, inputs=inputs, force=force, columns=columns) as work:
        if target.suffix == ".parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            table = pa.Table.from_pandas(frame, preserve_index=False)
            pq.write_table(table.replace_schema_metadata(marked_schema(table.schema, kind).metadata), work)
        else:
            frame.to_csv(work, index=False)


def marked_schema(schema: "pa.Schema", kind: str) -> "pa.Schema":
    """Returns a schema with the mark of a Parquet file of this kind."""
    return schema.with_metadata({**(schema.metadata or {}), _KEY.encode(): kind.encode()})


def _parquet_kind(path: Path) -> str | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return None
    return metadata.get(_KEY.encode(), b"").decode("utf-8", errors="replace")


def _header(columns: Iterable[str]) -> str:
    import csv
    import io

    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(columns)
    return line.getvalue()


def _page_mark(kind: str) -> str:
    return f'<meta name="generator" content="tfrec: {html.escape(kind)}">'


def _picture_mark(kind: str) -> str:
    return f"<metadata>tfrec: {html.escape(kind)}</metadata>"


def _text_mark(kind: str) -> str:
    return f"# Written by tfrec: {kind}\n"
