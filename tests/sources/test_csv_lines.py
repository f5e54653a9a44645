"""Files written from known rows come back as these rows, or each missing line is reported; never as other values."""

import csv
import gzip
import io
import shutil
from pathlib import Path

import ibis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfrec.errors import SourceError
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.file_source import FileSource
from tfrec.sources.raw_table import Unreadable
from tfrec.sources.source import Source

TEXT = st.text(st.sampled_from(list("ab 1,;\"\\'é\n\t|")), max_size=8)
ANY_ROWS = st.integers(2, 5).flatmap(
    lambda width: st.lists(st.lists(TEXT, min_size=width, max_size=width), min_size=1, max_size=8)
)


def read(
    folder: Path, content: bytes, *, name: str = "t.csv", **keys: object
) -> tuple[list[list[str]], list[Unreadable]]:
    path = folder / name
    path.write_bytes(content)
    wanted = keys.pop("wanted", ())
    connection = ibis.duckdb.connect()
    scratch = folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    source = FileSource(Source(**keys), (path,))
    raw = source.read(Workspace(connection, scratch), name="t", wanted=wanted)
    frame = raw.table.order_by(FILE, ROW).drop(FILE, ROW).execute()
    return frame.astype(object).where(frame.notna(), "").values.tolist(), [*raw.unreadable]


def written(rows: list[list[str]], *, delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL, end: str = "\n") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow([f"column {at}" for at in range(len(rows[0]))])
    writer.writerows(["#" + row[0], *row[1:]] for row in rows)  # no row is a blank line
    return text.getvalue()


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=ANY_ROWS,
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_proper_files_come_back_or_are_reported(
    tmp_path: Path, rows: list[list[str]], delimiter: str, quoting: int, end: str, encoding: str
) -> None:
    content = written(rows, delimiter=delimiter, quoting=quoting, end=end)
    expected = [["#" + row[0], *row[1:]] for row in rows]
    names = [f"column {at}" for at in range(len(rows[0]))]
    try:
        found, lines = read(tmp_path, content.encode(encoding), wanted=names)
    except SourceError as error:
        assert "no row" in str(error)
        return
    assert all(row in expected for row in found)
    if not lines:
        assert found == expected


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), rows=st.integers(6, 30))
def test_a_damaged_line_costs_itself(tmp_path: Path, data: st.DataObject, rows: int) -> None:
    good = [[f"O{at}", f"I{at % 7}", f"Title, {at}", f"{at}.99"] for at in range(rows)]
    at = data.draw(st.integers(0, rows - 1))
    damaged = data.draw(
        st.sampled_from(
            ['O,I,"12 inch pan,1.00', 'O,I,"Pan "big" one",1.00', "O,I", "O,I,a,1,2,3", 'O,I,a"b"c",1"', 'O,"', '"']
        )
    )
    lines = written(good).splitlines(keepends=True)
    lines[at + 1 : at + 1] = [damaged + data.draw(st.sampled_from(["\n", "\r\n"]))]
    found, bad = read(tmp_path, "".join(lines).encode())
    known = [["#" + row[0], *row[1:]] for row in good]
    assert [row for row in found if row in known] == known
    assert len(found) - len(known) + len(bad) == 1  # read as it stands, or reported
    assert all(line.line == at + 2 for line in bad)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('a,b,c\n1,Pan 12" steel,3\n4,5,6\n', [["1", 'Pan 12" steel', "3"], ["4", "5", "6"]]),
        ('a,b,c\n1,"12 inch,3\n4,"blue lamp",6\n', [["1", '"12 inch', "3"], ["4", '"blue lamp"', "6"]]),
        ('a,b,c\n1,"x \\"y\\" z",3\n4,"t\\\\, u",\\N\n', [["1", 'x "y" z', "3"], ["4", "t\\, u", "\\N"]]),
        ("a,b\r\n1,2\n3,4\r\n", [["1", "2"], ["3", "4"]]),
        ("a,b\r1,2\r3,4\r", [["1", "2"], ["3", "4"]]),
        ('a,b\r"x\ny",2\r3,4\r', [["x\ny", "2"], ["3", "4"]]),
        ('a,b\n1,"say \\"a\\"\nhi"\n3,"4"\n', [["1", 'say "a"\nhi'], ["3", "4"]]),
        ("sep=;\na;b\n1,5;2\n", [["1,5", "2"]]),
        ("Orders of May\nprinted today\n\na;b\n1;2\n", [["1", "2"]]),
        ("a,b\n1,2,\n3,4,\n", [["1", "2"], ["3", "4"]]),
        ("a,b\n\n1,2\n \n3,4\n\n", [["1", "2"], ["3", "4"]]),
        ('a,b\n1,"two\nlines"\n3,4\n', [["1", "two\nlines"], ["3", "4"]]),
        ('a,b\r\n1,"two\r\nlines"\r\n3,4\r\n', [["1", "two\r\nlines"], ["3", "4"]]),
        ("a,b\n1,'2\n3,4'\n", [["1", "'2"], ["3", "4'"]]),
    ],
    ids=[
        "inch sign",
        "searches",
        "backslash",
        "mixed ends",
        "old Mac",
        "Macintosh with line breaks",
        "backslashes and line breaks",
        "Excel",
        "title lines",
        "delimiter at the end",
        "blank lines",
        "line break",
        "line break of Windows",
        "apostrophes",
    ],
)
def test_layouts_are_found(tmp_path: Path, content: str, expected: list[list[str]]) -> None:
    found, bad = read(tmp_path, content.encode(), wanted=("a", "b"))
    assert (found, bad) == (expected, [])


def test_runaway_quote_does_not_swallow_the_rest(tmp_path: Path) -> None:
    rows = [f'{at},"needed, quotes",x' for at in range(50)] + ['50,"12 inch,x'] + [f"{at},p,x" for at in range(51, 90)]
    rows += ['90,Pan 12",x'] + [f"{at},p,x" for at in range(91, 100)]
    found, bad = read(tmp_path, ("a,b,c\n" + "\n".join(rows)).encode())
    assert [row[0] for row in found] == [str(at) for at in range(100) if at != 50]
    assert [(line.line, line.text) for line in bad] == [(52, '50,"12 inch,x')]


def test_keys_settle_what_the_file_leaves_open(tmp_path: Path) -> None:
    assert read(tmp_path, b"a,b\n'1,2',3\n", quote="'")[0] == [["1,2", "3"]]
    assert read(tmp_path, b'a,b\n"1",3\n', quote="none")[0] == [['"1"', "3"]]
    assert read(tmp_path, b'a,b\n"1\\"",3\n', escape="backslash")[0] == [['1"', "3"]]
    assert read(tmp_path, b"a,b\r\n1\n2,3\r\n", line_end="crlf")[0] == [["1\n2", "3"]]
    assert read(tmp_path, b"a\tb\n1,2\t3\n", name="t.tsv")[0] == [["1,2", "3"]]


def test_wrong_encoding_is_an_error_and_a_damaged_byte_is_not(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not UTF-8"):
        read(tmp_path, "a,b\n1,Café\n2,Grün\n".encode("latin-1"))
    rows = b"".join(b"%d,x\n" % at for at in range(200))
    found, bad = read(tmp_path, b"a,b\n1,\xe9\n" + rows)
    assert len(found) == 200
    assert [(line.line, line.reason) for line in bad] == [(2, "not UTF-8")]


def test_damaged_byte_within_a_field_of_several_lines_costs_its_row(tmp_path: Path) -> None:
    rows = b"".join(b'%d,"x, y"\n' % at for at in range(300))
    found, bad = read(tmp_path, b'a,b\n1,"two\nl\xe9nes"\n' + rows)
    assert len(found) == 300
    assert [(line.line, line.reason) for line in bad] == [(2, "not UTF-8"), (3, "not UTF-8")]


def test_damaged_archive_of_another_encoding_is_a_clear_error(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress("a,b\n1,\u00fc\n".encode("latin-1")))
    packed[-6] ^= 255  # the checksum
    with pytest.raises(SourceError, match="cannot be unpacked"):
        read(tmp_path, bytes(packed), encoding="latin-1")
