"""One reader for all tables: a spec alone makes a table of a file."""

import dataclasses
from pathlib import Path

import ibis
import pandas as pd
import pytest
from ibis import _

from tfrec.errors import SourceError
from tfrec.ingest.number_styles import notes_of_numbers
from tfrec.ingest.privacy import pseudonyms
from tfrec.ingest.read_table import collect_table, read_table
from tfrec.ingest.rejected import CheckedTable, count_incomplete, count_reasons
from tfrec.ingest.table_source import TableSource
from tfrec.ingest.table_spec import Check, Column, TableSpec, is_empty, is_unreadable
from tfrec.sources.engine import Workspace
from tfrec.sources.file_source import FileSource

LINES = "who;score;note\n7.0;1,5;good\n8;-1;low\n9;x;bad\n;1,0;none\n7;2,5;again\n10;400;high\n11;;NULL\n12\n"
KEY = bytes(range(32))


SPEC = TableSpec(
    name="scores",
    types={"user_id": "str", "score": "float32"},
    section=TableSource(columns={"user_id": "who", "score": "score", "note": "note"}),
    columns=(
        Column(name="user_id", kind="id"),
        Column(name="score", kind="number", is_optional=True, high=100, fill=0),
        Column(name="note"),
    ),
    checks=(is_empty("user_id"), Check("score below 0", _["score"] < 0)),
    unique=("user_id",),
    repeated="duplicate user_id",
    note_makers=(notes_of_numbers,),
    user_ids=("user_id",),
    order=("user_id",),
)


def read(folder: Path, spec: TableSpec, *, key: bytes | None = None) -> CheckedTable:
    (folder / "scores.csv").write_text(LINES)
    source = FileSource(spec.section, (folder / "scores.csv",))
    return read_table((spec,), (source,), Workspace(ibis.duckdb.connect(), folder), key=key)


def test_a_spec_alone_makes_a_table_of_a_file(tmp_path: Path) -> None:
    checked = read(tmp_path, SPEC)
    frame = collect_table(checked)
    assert frame.values.tolist() == [["10", 0, "high"], ["11", 0, ""], ["7", 1.5, "good"], ["9", 0, "bad"]]
    assert frame["score"].dtype == "float32"
    assert count_reasons([checked]) == {
        "duplicate user_id": 1,
        "missing user_id": 1,
        "score below 0": 1,
        "unreadable line (1 fields in place of 3)": 1,
    }
    assert count_incomplete([checked]) == {"impossible score": 1, "unreadable score": 1}


def test_good_rows_those_set_aside_and_unreadable_lines_are_all_there_is(tmp_path: Path) -> None:
    checked = read(tmp_path, SPEC)
    good = int(checked.good.count().execute())
    assert good + sum(count_reasons([checked]).values()) == LINES.count("\n") - 1


def test_a_check_rejects_what_an_optional_column_would_only_lose(tmp_path: Path) -> None:
    columns = (Column(name="user_id", kind="id"), Column(name="score", kind="number"), Column(name="note"))
    checked = read(tmp_path, dataclasses.replace(SPEC, columns=columns, checks=(is_unreadable("score"),), unique=()))
    assert count_reasons([checked])["unreadable score"] == 1
    assert count_incomplete([checked]) == {}


def test_what_is_derived_is_checked(tmp_path: Path) -> None:
    checked = read(tmp_path, dataclasses.replace(SPEC, derive=lambda rows: rows.mutate(score=rows["score"] * 100)))
    assert count_incomplete([checked])["impossible score"] == 2


def test_ids_of_users_become_pseudonyms_and_their_raw_column_is_hidden(tmp_path: Path) -> None:
    checked = read(tmp_path, SPEC, key=KEY)
    expected = pseudonyms(pd.Series(["7", "9", "10", "11"]), key=KEY)
    assert set(collect_table(checked)["user_id"]) == set(expected)
    assert checked.hidden == ("who",)


def test_a_missing_column_is_named_with_its_nearest(tmp_path: Path) -> None:
    section = TableSource(columns={"user_id": "whom", "score": "score", "note": "note"})
    with pytest.raises(SourceError, match=r"scores\.csv has no column 'whom'.*`user_id`.*'who'"):
        read(tmp_path, dataclasses.replace(SPEC, section=section))
