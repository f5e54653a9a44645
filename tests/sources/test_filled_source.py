"""Empty cells take the value that another row of the group states."""

from pathlib import Path

import pytest

from tests.sources.raw_files import cells, read_raw
from tfrec.errors import RecipeError, SourceError

ORDERS = "Name,Email,Paid,Item\n#1,a@x,paid,A\n#1,, ,B\n#2,,NULL,C\n#2,b@x,open,D\n#1,,,E\n,,,F\n#3,,,G\n"


def test_the_first_value_of_the_group_fills_its_empty_cells(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(ORDERS)
    raw = read_raw(tmp_path, files="t.csv", fill={"by": "Name", "columns": ["Email", "Paid"]})
    assert cells(raw) == [
        ["#1", "a@x", "paid", "A"],
        ["#1", "a@x", "paid", "B"],
        ["#2", "b@x", "open", "C"],
        ["#2", "b@x", "open", "D"],
        ["#1", "a@x", "paid", "E"],
        [None, None, None, "F"],
        ["#3", None, None, "G"],
    ]
    assert not raw.notes


def test_filled_cells_may_be_the_key_of_a_join(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(ORDERS)
    (tmp_path / "u.csv").write_text("mail,id\na@x,7\nb@x,8\n")
    join = {"files": "u.csv", "on": {"Email": "mail"}}
    raw = read_raw(tmp_path, files="t.csv", fill={"by": "Name", "columns": ["Email"]}, join=join)
    assert [row[0] for row in cells(raw, "id")] == ["7", "7", "8", "8", "7", None, None]


def test_wrong_fill_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(ORDERS)
    with pytest.raises(SourceError, match=r"no column 'Mail'.*Did you mean 'Paid'|no column 'Mail'"):
        read_raw(tmp_path, files="t.csv", fill={"by": "Name", "columns": ["Mail"]})
    with pytest.raises(RecipeError, match="must not name 'Name'"):
        read_raw(tmp_path, files="t.csv", fill={"by": "Name", "columns": ["Name"]})
    (note,) = read_raw(tmp_path, files="t.csv", fill={"by": "Item", "columns": ["Email"]}).notes
    assert note.code == "nothing_filled"
