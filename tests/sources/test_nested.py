"""Paths name values in nested records; each entry of a list becomes a row."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.sources.raw_files import cells, read_raw
from tfrec.errors import SourceError
from tfrec.sources import FILE, ROW

ORDERS = [
    {
        "id": 1,
        "customer": {"id": "ann", "home": {"city": "Ulm"}},
        "items": [{"sku": "A", "n": 2}, {"sku": "B", "n": 1}],
    },
    {"id": 2, "customer": {"id": "bob", "home": None}, "items": []},
    {"id": 3, "customer": None, "items": None},
    {"id": 4, "customer": {"id": "cem", "home": {"city": "Bonn"}}, "items": [{"sku": "C", "n": None}]},
]
EVENTS = [
    {
        "event": "view",
        "params": [
            {"key": "page", "value": {"text": "/lamp", "number": None}},
            {"key": "session", "value": {"text": None, "number": 17}},
        ],
    },
    {"event": "open", "params": []},
]
KINDS = ["jsonl", "json", "parquet"]


def write(folder: Path, kind: str, records: list[dict]) -> str:
    path = folder / f"t.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    elif kind == "json":
        path.write_text(json.dumps(records, indent=2))
    else:
        pq.write_table(pa.Table.from_pylist(records), path)
    return path.name


@pytest.mark.parametrize("kind", KINDS)
def test_each_entry_of_a_list_is_a_row(tmp_path: Path, kind: str) -> None:
    name = write(tmp_path, kind, ORDERS)
    raw = read_raw(tmp_path, "id customer.id customer.home.city items[].sku items[].n", files=name)
    assert cells(raw, "id customer.id customer.home.city items[].sku items[].n") == [
        ["1", "ann", "Ulm", "A", "2"],
        ["1", "ann", "Ulm", "B", "1"],
        ["2", "bob", None, None, None],
        ["3", None, None, None, None],
        ["4", "cem", "Bonn", "C", None],
    ]
    assert raw.table.execute().sort_values(ROW)[[FILE, ROW]].values.tolist() == [[0, row] for row in range(1, 6)]
    assert not {"customer", "items"} & set(raw.table.columns)  # ids in there would stand in the ledger


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_is_chosen_by_one_of_its_fields(tmp_path: Path, kind: str) -> None:
    name = write(tmp_path, kind, EVENTS)
    page, session = "params[key=page].value.text", "params[key=session].value.number"
    raw = read_raw(tmp_path, f"event {page} {session}", files=name)
    assert cells(raw, f"event {page} {session}") == [["view", "/lamp", "17"], ["open", None, None]]


@pytest.mark.parametrize("kind", KINDS)
def test_lists_in_lists_and_lists_of_plain_values(tmp_path: Path, kind: str) -> None:
    records = [{"o": [{"n": 1, "tags": ["x", "y"]}, {"n": 2, "tags": []}]}, {"o": [{"n": 3, "tags": ["z"]}]}]
    raw = read_raw(tmp_path, "o[].n o[].tags[]", files=write(tmp_path, kind, records))
    assert cells(raw, "o[].n o[].tags[]") == [["1", "x"], ["1", "y"], ["2", None], ["3", "z"]]


@pytest.mark.parametrize("kind", KINDS)
def test_two_lists_in_one_table_are_refused(tmp_path: Path, kind: str) -> None:
    name = write(tmp_path, kind, [{"a": [{"x": 1}], "b": [{"y": 2}]}])
    with pytest.raises(SourceError, match=r"'a\[\]\.x' and 'b\[\]\.y', which go through two different lists"):
        read_raw(tmp_path, "a[].x b[].y", files=name)


@pytest.mark.parametrize("kind", KINDS)
def test_nested_value_is_refused_with_the_path_that_helps(tmp_path: Path, kind: str) -> None:
    name = write(tmp_path, kind, ORDERS)
    with pytest.raises(SourceError, match=r"'items'.*nested values(.|\n)*items\[\]\.FIELD"):
        read_raw(tmp_path, "items", files=name)
    with pytest.raises(SourceError, match=r"'customer\.home'.*nested values(.|\n)*customer\.home\.FIELD"):
        read_raw(tmp_path, "customer.home", files=name)


def test_wrong_path_into_parquet_names_the_nearest_field(tmp_path: Path) -> None:
    name = write(tmp_path, "parquet", ORDERS)
    with pytest.raises(SourceError, match=r"'idd'.*'id'"):
        read_raw(tmp_path, "customer.idd", files=name)
    with pytest.raises(SourceError, match="Leave out the brackets"):
        read_raw(tmp_path, "customer[].id", files=name)


def test_a_column_of_this_very_name_goes_before_a_path(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("customer.id,items[].n\n7,2\n")
    assert cells(read_raw(tmp_path, "customer.id items[].n", files="t.csv")) == [["7", "2"]]
    (tmp_path / "t.jsonl").write_text('{"customer.id": 7, "customer": {"id": 8}}\n')
    assert cells(read_raw(tmp_path, "customer.id", files="t.jsonl"), "customer.id") == [["7"]]


def test_single_object_stands_for_a_list_of_one(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"items": {"n": 1}}\n{"items": [{"n": 2}, {"n": 3}]}\n')
    assert cells(read_raw(tmp_path, "items[].n", files="t.jsonl")) == [["1"], ["2"], ["3"]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[{"a": 1.50},\n {"a": "x"}]', [["1.50"], ["x"]]),
        ('{"a": 1}\n{"a": 2}\n', [["1"], ["2"]]),
        ('{\n "a": 1\n}\n{\n "a": 2\n}', [["1"], ["2"]]),
        ('\ufeff[{"a": "\u00fc"}]', [["\u00fc"]]),
    ],
    ids=["list", "lines", "objects one after the other", "mark"],
)
def test_json_documents_are_read(tmp_path: Path, content: str, expected: list) -> None:
    (tmp_path / "t.json").write_text(content, encoding="utf-8")
    assert cells(read_raw(tmp_path, "a", files="t.json")) == expected


def test_entry_that_is_no_object_is_reported_and_broken_json_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('[{"a": 1},\n 7,\n {"a": 2}]')
    raw = read_raw(tmp_path, "a", files="t.json")
    assert cells(raw) == [["1"], ["2"]]
    assert [(line.line, line.reason, line.text) for line in raw.unreadable] == [(2, "no JSON object", '"7"')]
    for broken in ('[{"a": 1},\n {"a": }]', '[{"a": 1},\n {"a": 2'):
        (tmp_path / "t.json").write_text(broken)
        with pytest.raises(SourceError, match="line 2 is broken JSON"):
            read_raw(tmp_path, "a", files="t.json")
    (tmp_path / "t.json").write_text("[]")
    with pytest.raises(SourceError, match="list of JSON objects"):
        read_raw(tmp_path, "a", files="t.json")
