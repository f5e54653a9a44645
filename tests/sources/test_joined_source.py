"""Columns of further files reach the rows of equal keys; no row is lost or added."""

import gzip
import json
from pathlib import Path

import pytest

from tests.sources.raw_files import cells, read_raw
from tfrec.errors import RecipeError, SourceError
from tfrec.sources import FILE, ROW

LINES = "order,sku,price\n1,A,2\n1,B,3\n2,A,2\n9,C,1\n,D,1\n"
HEADS = "id,customer,price\n1.0,ann,5\n2,bob,2\n3,cem,1\n2,bert,7\n"
JOIN = {"files": "heads.csv", "on": {"order": "id"}, "prefix": "order."}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "lines.csv").write_text(LINES)
    (tmp_path / "heads.csv").write_text(HEADS)
    return tmp_path


def test_each_row_has_its_partners_columns_under_the_prefix(shop: Path) -> None:
    raw = read_raw(shop, "sku order.customer", files="lines.csv", join=JOIN)
    assert cells(raw, "sku price order.customer order.price") == [
        ["A", "2", "ann", "5"],
        ["B", "3", "ann", "5"],
        ["A", "2", "bob", "2"],
        ["C", "1", None, None],
        ["D", "1", None, None],
    ]
    assert raw.files == ("lines.csv",)
    assert raw.table.execute()[[FILE, ROW]].sort_values(ROW).values.tolist() == [[0, row] for row in range(1, 6)]


def test_rows_without_partner_and_repeated_keys_are_noted(shop: Path) -> None:
    notes = {note.code: note for note in read_raw(shop, files="lines.csv", join=JOIN).notes}
    alone, again = notes["joined_without_partner"], notes["joined_keys_repeated"]
    assert alone.count == 2
    assert "2 of 5 rows" in alone.text
    assert "1 of them have no key" in alone.text
    assert "row 4 of lines.csv" in alone.text
    assert again.count == 1
    assert "heads.csv" in again.text


def test_joins_follow_one_another_and_keys_may_be_compound(shop: Path) -> None:
    (shop / "names.csv").write_text("who,shop,mail\nann,n,a@n\nann,s,a@s\nbob,n,b@n\n")
    (shop / "lines.csv").write_text("order,shop,sku\n1,s,A\n2,n,B\n")
    second = {"files": "names.csv", "on": {"order.customer": "who", "shop": "shop"}}
    raw = read_raw(shop, "mail", files="lines.csv", join=[JOIN, second])
    assert cells(raw, "sku order.customer mail") == [["A", "ann", "a@s"], ["B", "bob", "b@n"]]


def test_joined_file_may_be_of_any_format(shop: Path) -> None:
    heads = [{"id": 1, "customer": "ann"}, {"id": 2, "customer": "bob"}]
    (shop / "heads.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, heads)).encode() + b"\nno json\n"))
    raw = read_raw(shop, files="lines.csv", join={"files": "heads.jsonl.gz", "on": {"order": "id"}})
    assert [row[0] for row in cells(raw, "customer")] == ["ann", "ann", "bob", None, None]
    (broken,) = [note for note in raw.notes if note.code == "joined_lines_unreadable"]
    assert "line 3 of heads.jsonl.gz: broken JSON" in broken.text
    assert not raw.unreadable


def test_words_for_no_value_join_nothing(shop: Path) -> None:
    (shop / "lines.csv").write_text("order,sku\nNULL,A\n1,B\n")
    (shop / "heads.csv").write_text("id,customer\nNULL,dora\n1,ann\n")
    raw = read_raw(shop, files="lines.csv", join={"files": "heads.csv", "on": {"order": "id"}})
    assert [row[0] for row in cells(raw, "customer")] == [None, "ann"]


@pytest.mark.parametrize(
    ("join", "words"),
    [
        ({"on": {"ordr": "id"}}, ["'ordr'", "rows", "'order'"]),
        ({"on": {"order": "ids"}}, ["'ids'", "joined file", "'id'"]),
        ({"on": {"sku": "customer"}}, ["not one of 5 rows", "sku = customer"]),
        ({"prefix": ""}, ["both have a column 'price'", "prefix"]),
        ({"files": "absent.csv"}, ["absent.csv"]),
    ],
    ids=["no key in the rows", "no key in the file", "other values", "same name", "no file"],
)
def test_wrong_join_says_what_is_wrong(shop: Path, join: dict, words: list[str]) -> None:
    with pytest.raises(SourceError) as raised:
        read_raw(shop, "sku price", files="lines.csv", join={**JOIN, **join})
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize(
    ("join", "words"),
    [({"files": "heads.csv", "on": {}}, "`on` must name"), ({"on": {"order": "id"}}, "`files` must name")],
    ids=["no key", "no files"],
)
def test_a_join_needs_a_key_and_files(shop: Path, join: dict, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        read_raw(shop, files="lines.csv", join=join)
