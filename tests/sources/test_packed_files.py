"""Files that are packed, lie in archives, folders or object stores, or begin with lines that are no header."""

import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from tests.sources.raw_files import cells, read_raw
from tfrec.errors import RecipeError, SourceError
from tfrec.sources import FILE, ROW, TableFiles, open_source

CSV = "a,b\n1,x\n2,y\n"
ROWS = [["1", "x"], ["2", "y"]]


def write_zip(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_zstd(path: Path, content: str) -> Path:
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        stream.write(content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv.zst", CSV),
        ("t.jsonl.zst", '{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n'),
        ("t.csv.zst", CSV.replace("2,", '"2",')),
    ],
    ids=["csv", "jsonl", "quoted"],
)
def test_zstandard_is_unpacked(tmp_path: Path, name: str, content: str) -> None:
    write_zstd(tmp_path / name, content)
    assert cells(read_raw(tmp_path, "a b", files=name)) == ROWS


def test_cut_zstandard_is_a_clear_error(tmp_path: Path) -> None:
    path = write_zstd(tmp_path / "t.csv.zst", "".join(f"{at},{at * at}\n" for at in range(9_000)))
    path.write_bytes(path.read_bytes()[:2_000])
    with pytest.raises(SourceError, match=r"t\.csv\.zst cannot be unpacked"):
        read_raw(tmp_path, files="t.csv.zst")


@pytest.mark.parametrize("name", ["export.zip", "export.zip/in/t.csv", "export.zip/in/*.csv", "*.zip"])
def test_file_in_an_archive_is_read(tmp_path: Path, name: str) -> None:
    write_zip(tmp_path / "export.zip", {"in/t.csv": CSV, "__MACOSX/t.csv": "?", ".DS_Store": "?"})
    raw = read_raw(tmp_path, "a b", files=name)
    assert cells(raw) == ROWS
    assert raw.files == ("t.csv",)
    assert raw.origin.endswith("export.zip/in/t.csv")


def test_archive_of_several_files_asks_which_one(tmp_path: Path) -> None:
    write_zip(tmp_path / "export.zip", {"t.csv": CSV, "u.csv": "a\n"})
    with pytest.raises(SourceError, match=r"2 files: 't.csv', 'u.csv'.*export.zip/t.csv"):
        read_raw(tmp_path, files="export.zip")
    assert cells(read_raw(tmp_path, files="export.zip/t.csv")) == ROWS
    with pytest.raises(SourceError, match=r"no file 'v.csv', but 't.csv', 'u.csv'"):
        read_raw(tmp_path, files="export.zip/v.csv")


def test_encrypted_and_damaged_archives_are_clear_errors(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "export.zip", {"t.csv": CSV})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the mark of an encrypted member
    path.write_bytes(content)
    with pytest.raises(SourceError, match="is encrypted"):
        read_raw(tmp_path, files="export.zip")
    path.write_bytes(b"PK no")
    with pytest.raises(SourceError, match="no zip archive"):
        read_raw(tmp_path, files="export.zip")


def test_error_in_an_archive_names_the_file_as_the_recipe_does(tmp_path: Path) -> None:
    write_zip(tmp_path / "export.zip", {"t.csv": "a,a\n1,2\n"})
    with pytest.raises(SourceError) as raised:
        read_raw(tmp_path, "a", files="export.zip")
    assert str(raised.value).startswith(str(tmp_path / "export.zip" / "t.csv"))


def test_the_archive_decides_on_the_rows(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "export.zip", {"t.csv": CSV, "u.csv": CSV})
    assert open_source(TableFiles(files=("export.zip/*.csv",)), homes=[tmp_path]).inputs == (path,)


def test_folder_of_parquet_has_its_partitions_as_columns(tmp_path: Path) -> None:
    for month, rows in {
        "01": {"a": [1], "b": ["x"]},
        "02": {"b": ["y", "z"], "a": [2, 3], "new": [True, None]},
    }.items():
        folder = tmp_path / "log" / f"month={month}"
        folder.mkdir(parents=True)
        pd.DataFrame(rows).to_parquet(folder / "part.parquet", index=False)
    (tmp_path / "log" / "_SUCCESS").write_text("")
    (tmp_path / "log" / ".part.parquet.crc").write_text("?")
    raw = read_raw(tmp_path, "a b month", files="log")
    assert cells(raw, "a b month new") == [
        ["1", "x", "01", None],
        ["2", "y", "02", "true"],
        ["3", "z", "02", None],
    ]
    numbers = raw.table.order_by(FILE, ROW).select(FILE, ROW).execute().values.tolist()
    assert numbers == [[0, 1], [1, 1], [1, 2]]
    assert [Path(name).parent.name for name in raw.files] == ["month=01", "month=02"]


def test_folder_whose_files_lack_a_mapped_column_is_refused(tmp_path: Path) -> None:
    for name, rows in {"1": {"a": [1], "b": [1]}, "2": {"a": [1]}}.items():
        (tmp_path / "log").mkdir(exist_ok=True)
        pd.DataFrame(rows).to_parquet(tmp_path / "log" / f"{name}.parquet")
    assert len(cells(read_raw(tmp_path, "a", files="log"))) == 2
    with pytest.raises(SourceError, match=r"2\.parquet has no column 'b', which the recipe maps and .*1\.parquet has"):
        read_raw(tmp_path, "a b", files="log")


def test_folder_of_several_formats_is_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "1.csv").write_text(CSV)
    pd.DataFrame({"a": [3], "b": ["z"]}).to_parquet(tmp_path / "log" / "2.parquet")
    raw = read_raw(tmp_path, "a b", files="log")
    assert cells(raw, "a b") == [*ROWS, ["3", "z"]]
    assert raw.files == ("1.csv", "2.parquet")
    assert raw.table.order_by(FILE, ROW).execute()[FILE].tolist() == [0, 0, 1]


def test_stated_lines_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a;b;title\n\nsep=;\na;b\n1;x\n2;y\n")
    raw = read_raw(tmp_path, "a b", files="t.csv", skip_lines=2)
    assert cells(raw) == ROWS
    assert cells(read_raw(tmp_path, files="t.csv", skip_lines=4, header=["a", "b"], delimiter=";")) == ROWS
    with pytest.raises(SourceError, match="`skip_lines`"):
        read_raw(tmp_path, files="t.csv", skip_lines=99)
    with pytest.raises(RecipeError, match="skip_lines must be 0 or more"):
        read_raw(tmp_path, files="t.csv", skip_lines=-1)


def test_files_of_an_object_store_are_brought_here(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    for month in ("01", "02"):
        store.pipe_file(f"/shop-log/month={month}/t.csv", f"a,b\n{month},x\n".encode())
    try:
        url = "memory://shop-log/**/*.csv"
        raw = read_raw(tmp_path, "a b", files=url)
        assert cells(raw) == [["01", "x"], ["02", "x"]]
        assert raw.origin.startswith("memory://")
        source = open_source(TableFiles(files=(url,)), homes=[])
        before = [file.version for file in source.inputs]
        store.pipe_file("/shop-log/month=02/t.csv", b"a,b\n1,longer\n")
        after = [file.version for file in open_source(TableFiles(files=(url,)), homes=[]).inputs]
        assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]
        with pytest.raises(SourceError, match=r"no file 'memory://shop-log/none\.csv'"):
            read_raw(tmp_path, files="memory://shop-log/none.csv")
        with pytest.raises(SourceError, match="no URL of a store"):
            read_raw(tmp_path, files="nostore://shop/t.csv")
    finally:
        store.rm("/shop-log", recursive=True)
