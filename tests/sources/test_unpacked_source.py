"""Cells that hold several entries become a row for each; what is no entry is counted, and no row is lost."""

from pathlib import Path

import ibis
import pytest

from tfrec.errors import RecipeError, SourceError
from tfrec.sources import FileSource, Source, Workspace
from tfrec.sources.unpack import Unpack
from tfrec.sources.unpacked_source import UnpackedSource

_PRODUCTS = Unpack(columns=("products",), begin=r"\d+× ", pattern=r"(?s)^(?P<qty>\d+)× (?P<name>.*?)(?:, )?$")


def unpacked(folder: Path, text: str, unpack: Unpack):
    path = folder / "orders.csv"
    path.write_text(text, encoding="utf-8")
    workspace = Workspace(ibis.duckdb.connect(), folder)
    source = UnpackedSource(FileSource(Source(), (path,)), unpack)
    return source.read(workspace, name="orders", wanted=("order", *(f"unpack.{name}" for name in unpack.groups)))


def rows_of(raw, *names: str) -> list[tuple]:
    return [tuple(row) for row in raw.table.order_by("_file", "_row").select(*names).execute().itertuples(index=False)]


def test_each_entry_is_a_row_with_the_columns_of_its_cell(tmp_path):
    text = 'order,products\n1,"2× Mug, large, 1× Plate"\n2,"3× Lamp"\n'
    raw = unpacked(tmp_path, text, _PRODUCTS)
    assert rows_of(raw, "_row", "order", "unpack.qty", "unpack.name") == [
        (1, "1", "2", "Mug, large"),
        (2, "1", "1", "Plate"),
        (3, "2", "3", "Lamp"),
    ]
    assert raw.notes == ()


def test_several_columns_hold_an_entry_each(tmp_path):
    unpack = Unpack(columns=("line_1", "line_2"), pattern=r"id:(?P<id>\w+)\|qty:(?P<qty>\d+)")
    raw = unpacked(tmp_path, "order,line_1,line_2\n1,id:A|qty:2,id:B|qty:1\n2,id:C|qty:5,\n", unpack)
    assert rows_of(raw, "order", "unpack.id", "unpack.qty") == [("1", "A", "2"), ("1", "B", "1"), ("2", "C", "5")]


def test_rows_without_an_entry_stay_and_entries_that_do_not_match_are_counted(tmp_path):
    text = "order,products\n1,2× Mug\n2,\n3,nothing of the kind\n"
    raw = unpacked(tmp_path, text, _PRODUCTS)
    assert rows_of(raw, "order", "unpack.name") == [("1", "Mug"), ("2", ""), ("3", "")]
    (note,) = raw.notes
    assert note.code == "entries_unmatched" and note.text.startswith("1 of 2 entries in products do not match")


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="not one of 1 entries in products matches"):
        unpacked(tmp_path, "order,products\n1,Mug\n", _PRODUCTS)


def test_a_column_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"no column 'products'.*Did you mean 'product'"):
        unpacked(tmp_path, "order,product\n1,Mug\n", _PRODUCTS)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"columns": (), "pattern": "(?P<id>.)"}, "at least one column"),
        ({"columns": ("a",), "pattern": "(?P<id>."}, "pattern is no regular expression"),
        ({"columns": ("a",), "pattern": "(?P<id>.)", "begin": "("}, "begin is no regular expression"),
        ({"columns": ("a",), "pattern": "."}, "a named group for each column"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(keys, words):
    with pytest.raises(RecipeError, match=words):
        Unpack(**keys)
