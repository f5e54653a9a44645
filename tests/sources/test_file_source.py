import gzip
import tempfile
from collections.abc import Sequence
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfrec.errors import SourceError
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.file_source import FileSource
from tfrec.sources.kept_tables import KeptTables
from tfrec.sources.locate import data_homes, locate
from tfrec.sources.source import Source

TABLE = pd.DataFrame({"a": ["1", "x"], "b": ["2.5", "ü"]})


def read(tmp_path: Path, *paths: Path, wanted: Sequence[str] = (), **settings: object) -> tuple[pd.DataFrame, list]:
    source = Source(files=tuple(map(str, paths)), **settings)
    scratch = Path(tempfile.mkdtemp(dir=tmp_path))
    raw = FileSource(source, paths).read(Workspace(ibis.duckdb.connect(), scratch), name="raw", wanted=wanted)
    return raw.table.execute(), [*raw.unreadable]


def write(path: Path, kind: str) -> Path:
    if kind == "parquet":
        TABLE.to_parquet(path)
    elif kind == "jsonl":
        TABLE.to_json(path, orient="records", lines=True)
    else:
        TABLE.to_csv(path, index=False)
    return path


def read_kept(tmp_path: Path, *paths: Path) -> tuple[pd.DataFrame, list, KeptTables]:
    """Reads files by way of what is kept of each in `tmp_path / "kept"`."""
    kept = KeptTables(tmp_path / "kept", {str(path): str(hash(path.read_bytes())) for path in paths})
    workspace = Workspace(ibis.duckdb.connect(), Path(tempfile.mkdtemp(dir=tmp_path)), kept)
    raw = FileSource(Source(files=tuple(map(str, paths))), paths).read(workspace, name="raw", wanted=("a",))
    assert len(raw.kept) == len(paths)
    return raw.table.order_by(FILE, ROW).execute(), [*raw.unreadable], kept


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.jsonl"])
def test_every_format_gives_the_same_text(tmp_path: Path, name: str) -> None:
    table, lines = read(tmp_path, write(tmp_path / name, name.split(".")[1]))
    assert table[["a", "b"]].to_dict() == TABLE.to_dict()
    assert table[ROW].tolist() == [1, 2]
    assert not lines


@pytest.mark.parametrize("encoding", ["latin-1", "gb18030", "utf-16"])
def test_other_encodings_and_delimiters(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress("a;b\n1;ü\n".encode(encoding)))
    table, _ = read(tmp_path, path, encoding=encoding, delimiter=";")
    assert table["b"].tolist() == ["ü"]


def test_wrong_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a\nü\n".encode("latin-1"))
    with pytest.raises(SourceError, match="is not ascii"):
        read(tmp_path, path, encoding="ascii")


def test_headerless_file_takes_the_recipes_names(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("1,2\n3,4\n")
    table, _ = read(tmp_path, path, header=("p", "q"))
    assert table["q"].tolist() == ["2", "4"]


def test_files_follow_one_another(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1.csv", "csv"), tmp_path / "2.csv"
    two.write_text("b,a\n9,8\n")  # another order of columns
    table, _ = read(tmp_path, one, two)
    assert table[["a", FILE, ROW]].values.tolist() == [["1", 0, 1], ["x", 0, 2], ["8", 1, 1]]


ODD_DAYS = {
    "plain": "a,b\n1,2\n3,4\n",
    "line break in quotes": 'a,b\n"x\ny",2\n3,4\n',
    "stray quote": 'a,b\n"x,2\n3,4\n',
    "too many fields": "a,b\n1,2,3\n3,4\n",
    "blank lines": "a,b\n\n1,2\n\n3,4\n\n",
    "line ends of Windows": "a,b\r\n1,2\r\n3,4\r\n",
    "no row": "a,b\n",
}


def test_kept_files_hold_the_rows_of_files_that_are_not_kept(tmp_path: Path) -> None:
    paths = [tmp_path / f"{at:02}.csv" for at in range(3 * len(ODD_DAYS))]  # more than are read at once
    for path, text in zip(paths, [*ODD_DAYS.values()] * 3, strict=True):
        path.write_text(text)
    wanted, lines = read(tmp_path, *paths)
    assert len(lines) == 3 and len(wanted) == 3 * 11
    for states in ({"new"}, {"reused"}):
        table, kept_lines, kept = read_kept(tmp_path, *paths)
        assert table[[*wanted.columns]].to_dict() == wanted.sort_values([FILE, ROW], ignore_index=True).to_dict()
        assert kept_lines == lines and {*kept.states.values()} == states
        kept.sweep()
    assert not [*(tmp_path / "kept").glob("*.part")]


def test_of_several_kept_files_the_first_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    paths = [tmp_path / f"{at}.csv" for at in range(8)]
    for at, path in enumerate(paths):
        path.write_text("" if at in (2, 5) else "a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"2\.csv is empty"):
        read_kept(tmp_path, *paths)


def test_newer_file_may_have_more_columns_but_none_that_is_mapped_less(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1.csv", "csv"), tmp_path / "2.csv"
    two.write_text("a,new\n1,2\n")
    table, _ = read(tmp_path, one, two)
    assert table["new"].isna().tolist() == [True, True, False]
    with pytest.raises(SourceError, match=r"2\.csv has no column 'b'"):
        read(tmp_path, one, two, wanted=["a", "b"])


def test_packed_file_of_tabs_is_one(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv.gz"
    path.write_bytes(gzip.compress(b"a\tb\n1,5\t2\n"))
    table, _ = read(tmp_path, path)
    assert table[["a", "b"]].values.tolist() == [["1,5", "2"]]


def test_column_that_stands_twice_is_refused_where_it_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b,b\n1,2,3\n")
    assert read(tmp_path, path)[0].columns.tolist()[:3] == ["a", "b", "b_2"]
    with pytest.raises(SourceError, match="'b' twice"):
        read(tmp_path, path, wanted=["b"])
    doubled = tmp_path / "t.parquet"
    pq.write_table(pa.table([pa.array(["1"]), pa.array(["2"])], names=["b", "b"]), doubled)
    with pytest.raises(SourceError, match="'b' twice"):
        read(tmp_path, doubled, wanted=["b"])


JSON = r"""
{"id": 10000, "big": 18446744073709551629, "price": 5.50, "flag": true, "uuid": "A0EE-bc", "when": "02-01-24"}
{"id": "10000", "price": 1e3, "new": null, "tags": ["x", {"y": 1}]}
{"id": "O1", "price":
[1, 2]
"""


def test_json_values_come_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(JSON)
    table, lines = read(tmp_path, path, wanted=["id", "big", "price"])
    assert table["id"].tolist() == ["10000", "10000"]
    first = table.iloc[0]
    assert [first[name] for name in ("big", "price", "flag", "uuid", "when")] == [
        *("18446744073709551629", "5.50", "true", "A0EE-bc", "02-01-24")
    ]
    assert table["price"].tolist() == ["5.50", "1e3"]
    assert table["tags"].tolist()[1] == '["x", {"y": "1"}]'
    assert [(line.line, line.reason) for line in lines] == [(4, "broken JSON"), (5, "broken JSON")]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_nested_column_is_refused_by_name_where_it_is_mapped(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"t.{kind}"
    if kind == "jsonl":
        path.write_text('{"a": "1", "items": [{"item_id": "x"}]}\n')
    else:
        pq.write_table(pa.table({"a": ["1"], "items": [[{"item_id": "x"}]]}), path)
    assert read(tmp_path, path, wanted=["a"])[0]["a"].tolist() == ["1"]
    with pytest.raises(SourceError, match=r"'items'.*nested(.|\n)*items\[\]"):
        read(tmp_path, path, wanted=["items"])


def test_line_that_is_no_row_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,2\n3\n4,5,6\n"7\n7",8\n')
    table, lines = read(tmp_path, path)
    assert table["a"].tolist() == ["1", "7\n7"]
    assert [line.line for line in lines] == [3, 4]
    assert all(line.reason.startswith("unreadable line") for line in lines)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"\n", "empty"),
        ("t.csv", b"a,b\n", "no row"),
        ("t.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 9_000)[:60], "cannot be"),
        ("t.parquet", b"PAR1 no", "cannot be read as parquet"),
        ("t.jsonl", b"{no json\n", "one JSON object a line"),
        ("t.doc", b"?", "names no format"),
    ],
    ids=["blank", "header alone", "cut short", "no parquet", "no json", "unknown ending"],
)
def test_bad_file_is_a_clear_error(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=words) as raised:
        read(tmp_path, path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(("name", "is_packed"), [("t.csv.gz", False), ("t.csv", True)])
def test_packing_is_seen_in_the_file_not_in_its_name(tmp_path: Path, name: str, is_packed: bool) -> None:
    content = b"a,b\n1,2\n"
    (tmp_path / name).write_bytes(gzip.compress(content) if is_packed else content)
    assert read(tmp_path, tmp_path / name)[0][["a", "b"]].values.tolist() == [["1", "2"]]


def test_json_lines_of_another_encoding_are_read_or_named(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes('{"a": "ü"}\n{"a": "é"}\n'.encode("latin-1"))
    assert read(tmp_path, path, encoding="latin-1")[0]["a"].tolist() == ["ü", "é"]
    with pytest.raises(SourceError, match=r"not UTF-8.*encoding"):
        read(tmp_path, path)


def test_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as raised:
        locate("shop/log.csv", homes=[tmp_path], source_url="https://example.org/data")
    for word in (str(tmp_path / "shop/log.csv"), "TFREC_DATA_HOME", "--data-home", "https://example.org/data"):
        assert word in str(raised.value)


def test_pattern_stands_for_all_files_that_match(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).write_text("x\n1\n")
    assert [path.name for path in locate("*.csv", homes=[tmp_path], source_url="")] == ["a.csv", "b.csv"]
    with pytest.raises(SourceError, match="no file"):
        locate("*.parquet", homes=[tmp_path], source_url="")
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(SourceError, match=r"a\.csv is empty"):
        locate("*.csv", homes=[tmp_path], source_url="")


def test_mark_of_a_windows_export_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffa,b\r\n1,2\r\n".encode())
    table, _ = read(tmp_path, path)
    assert table[["a", "b"]].values.tolist() == [["1", "2"]]


def test_data_home_goes_before_the_recipes_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFREC_DATA_HOME", str(tmp_path / "env"))
    assert data_homes(tmp_path, None) == [tmp_path / "env", tmp_path]
    assert data_homes(tmp_path, tmp_path / "arg") == [tmp_path / "arg", tmp_path]
    monkeypatch.delenv("TFREC_DATA_HOME")
    assert data_homes(tmp_path, None) == [tmp_path]
