"""Cells of a spreadsheet come as what they mean: ids whole, dates as dates, numbers as shown."""

import datetime as dt
from pathlib import Path

import pytest

from tests.sources.raw_files import cells, read_raw
from tests.sources.spreadsheets import write_xlsx
from tfrec.errors import SourceError

HEADER = ["Invoice", "Customer", "When", "Price", "Paid"]


def test_cells_are_what_they_mean(tmp_path: Path) -> None:
    rows = [
        HEADER,
        [536365, 17850.0, dt.datetime(2024, 3, 1, 10, 0, 0), 2.55, True],
        ["C1", "007", dt.datetime(2024, 3, 2), 0.1 + 0.2, False],
        [1, 12345678901234567890, dt.datetime(2024, 3, 2, 23, 59, 59), -3, None],
    ]
    write_xlsx(tmp_path / "t.xlsx", {"Orders": rows})
    raw = read_raw(tmp_path, "Invoice", files="t.xlsx")
    assert cells(raw) == [
        ["536365", "17850", "2024-03-01 10:00:00", "2.55", "true"],
        ["C1", "007", "2024-03-02", "0.3", "false"],
        ["1", "1.23456789012346E+19", "2024-03-02 23:59:59", "-3", None],
    ]
    assert not raw.notes


def test_title_rows_and_empty_rows_are_skipped(tmp_path: Path) -> None:
    rows = [["Orders of May"], [], ["printed", "today"], ["a", "b"], [1, 2], [], [3, 4]]
    write_xlsx(tmp_path / "t.xlsx", {"s": rows})
    assert cells(read_raw(tmp_path, "a b", files="t.xlsx"), "a b") == [["1", "2"], ["3", "4"]]
    stated = read_raw(tmp_path, files="t.xlsx", skip_lines=3)
    assert cells(stated, "a b") == [["1", "2"], ["3", "4"]]
    named = read_raw(tmp_path, files="t.xlsx", skip_lines=4, header=["p", "q"])
    assert cells(named, "p q") == [["1", "2"], ["3", "4"]]


def test_the_first_visible_sheet_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    sheets = {"notes": [["x"], [1]], "May": [["a"], [1]], "June": [["a"], [2]]}
    write_xlsx(tmp_path / "t.xlsx", sheets, hidden=["notes"])
    raw = read_raw(tmp_path, "a", files="t.xlsx")
    assert cells(raw, "a") == [["1"]]
    (note,) = raw.notes
    assert "'May', was read; there are also 'June'" in note.text
    assert cells(read_raw(tmp_path, "a", files="t.xlsx", sheet="June"), "a") == [["2"]]
    assert not read_raw(tmp_path, "a", files="t.xlsx", sheet="June").notes
    with pytest.raises(SourceError, match="no sheet 'Juni'; it has 'notes', 'May', 'June'"):
        read_raw(tmp_path, files="t.xlsx", sheet="Juni")


def test_row_with_more_cells_than_the_header_is_reported(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "t.xlsx", {"s": [["a", "b"], [1, 2], [3, 4, 5], [6]]})
    raw = read_raw(tmp_path, "a b", files="t.xlsx")
    assert cells(raw, "a b column3") == [["1", "2", None], ["3", "4", "5"], ["6", None, None]]
    raw = read_raw(tmp_path, files="t.xlsx", skip_lines=1, header=["p", "q"])
    assert cells(raw) == [["1", "2"], ["6", None]]
    assert [(line.line, line.text) for line in raw.unreadable] == [(3, "3\t4\t5")]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"?", "cannot be read as a spreadsheet"), (b"PK\x03\x04 no", "cannot be read as a spreadsheet")],
    ids=["text", "cut archive"],
)
def test_other_content_is_a_clear_error(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.xlsx").write_bytes(content)
    with pytest.raises(SourceError, match=words):
        read_raw(tmp_path, files="t.xlsx")


def test_empty_sheet_is_a_clear_error(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "t.xlsx", {"s": []})
    with pytest.raises(SourceError, match=r"t\.xlsx is empty"):
        read_raw(tmp_path, files="t.xlsx")
