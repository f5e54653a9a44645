"""Reads a sheet of a spreadsheet as text: whole numbers without `.0`, dates in ISO 8601."""

import datetime as dt
import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from tfrec.errors import EnvironmentSetupError, SourceError, install_hint
from tfrec.sources.csv_layout import unique_names
from tfrec.sources.engine import literal
from tfrec.sources.file_format import BadLine, FileFormat, StoreTask
from tfrec.sources.notes import Note
from tfrec.sources.text_tables import write_rows

_HEADER_SEARCH = 100  # rows: reports put a few title rows above the header
_EXACT = 10**15  # a spreadsheet keeps 15 digits: a longer whole number was rounded


def _store(task: StoreTask) -> list[BadLine]:
    rows = _read_sheet(task)
    for _ in range(task.how.skip_lines):
        next(rows, None)
    first = list(itertools.islice(rows, _HEADER_SEARCH))
    if not any(map(any, first)):
        raise SourceError(f"{task.path} is empty: the sheet has no header row. Name another one by `sheet`.")
    if task.how.header:
        columns, skipped = task.how.header, 0
    else:
        at = _find_header(first, task.wanted)
        columns = unique_names([cell.strip() for cell in first[at]], path=task.path, wanted=task.wanted)
        skipped = at + 1
    bad: list[BadLine] = []
    numbered = enumerate(itertools.chain(first, rows), start=task.how.skip_lines + 1)
    target = task.scratch("parquet")
    write_rows(_fitting(itertools.islice(numbered, skipped, None), len(columns), bad), columns, target)
    task.create(f"SELECT * FROM read_parquet({literal(str(target))})")
    return bad


EXCEL = FileFormat("excel", (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), _store)
"""A sheet of a spreadsheet."""


def _read_sheet(task: StoreTask) -> Iterator[list[str]]:
    """Yields the rows of the sheet as text.

    Raises:
        EnvironmentSetupError: the reader is not installed.
        SourceError: the file is no spreadsheet, is encrypted, or has no such sheet.
    """
    try:
        import python_calamine as calamine
    except ImportError as error:
        raise EnvironmentSetupError(
            f"Spreadsheets need python-calamine, which this environment lacks ({error}). {install_hint('analysis')}."
        ) from error
    path = task.path
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        for row in book.get_sheet_by_name(_choose_sheet(task, book)).iter_rows():
            yield [*map(_text, row)]
    except calamine.PasswordError as error:
        raise SourceError(f"{path} is protected by a password. Save it without one.") from error
    except (calamine.CalamineError, OSError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path} cannot be read as a spreadsheet: {error}. Save it as .xlsx or .csv.") from error


def _choose_sheet(task: StoreTask, book: Any) -> str:
    """Returns the name of the sheet that is read; a note names the others where none is stated.

    Raises:
        SourceError: there is no such sheet.
    """
    import python_calamine as calamine

    path = task.path
    visible = [
        sheet.name
        for sheet in book.sheets_metadata
        if sheet.visible == calamine.SheetVisibleEnum.Visible and sheet.typ == calamine.SheetTypeEnum.WorkSheet
    ]
    name = task.how.sheet or next(iter(visible), "")
    if name not in book.sheet_names:
        listed = ", ".join(map(repr, book.sheet_names))
        raise SourceError(f"{path} has no sheet {name!r}; it has {listed}. Correct `sheet` in the recipe.")
    if not task.how.sheet and len(visible) > 1:
        others = ", ".join(map(repr, visible[1:]))
        text = f"{path.name}: the first sheet, {name!r}, was read; there are also {others}. Choose one by `sheet`."
        task.notes.append(Note("first_sheet_read", len(visible) - 1, text))
    return name


def _find_header(rows: Sequence[Sequence[str]], wanted: Collection[str]) -> int:
    """Returns the number of the row that names most of the wanted columns; else of the first one that is not empty."""
    found = [len({cell.strip() for cell in row} & set(wanted)) for row in rows]
    if max(found):
        return found.index(max(found))
    return next(at for at, row in enumerate(rows) if any(row))


def _fitting(rows: Iterator[tuple[int, list[str]]], width: int, bad: list[BadLine]) -> Iterator[list[str]]:
    """Yields the rows that are not empty; one with more cells than the header is no row."""
    for number, row in rows:
        if not any(row):
            continue
        if any(row[width:]):
            bad.append(BadLine(number, f"unreadable line ({len(row)} fields in place of {width})", "\t".join(row)))
            continue
        yield [*row[:width], *[""] * (width - len(row))]


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int | float):
        if math.isfinite(cell) and cell == int(cell):
            return str(int(cell)) if abs(cell) < _EXACT else f"{cell:.14E}"
        return f"{cell:.15g}"  # what the spreadsheet shows: 0.1 + 0.2 is 0.3
    if isinstance(cell, dt.datetime):  # a fraction of a day, in binary: 10:00 may be 9:59:59.999999
        cell += dt.timedelta(microseconds=500)
        return cell.replace(microsecond=cell.microsecond // 1000 * 1000).isoformat(sep=" ")
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    return str(cell)
