"""Whole lines of files, from where an earlier reading ended."""

import gzip

import pytest

from tfrec.collect import line_files
from tfrec.collect.batches import Position
from tfrec.collect.line_files import find_files, read_blocks
from tfrec.errors import SourceError


def lines_of(path, known=None, *, is_growing=False):
    blocks = list(read_blocks(path, known or Position(), is_growing=is_growing))
    return [line for block in blocks for line in block.lines], blocks[-1].position if blocks else known


@pytest.fixture(params=[1, 7, 1_000_000])
def block_size(request, monkeypatch):
    monkeypatch.setattr(line_files, "BLOCK", request.param)


@pytest.mark.usefixtures("block_size")
def test_lines_are_read_once_with_their_places(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a": 1}\n\n {"b": 2}\r\n{"c"')
    found, position = lines_of(path, is_growing=True)
    assert found == [(0, b'{"a": 1}'), (10, b' {"b": 2}\r')]
    assert position.bytes_read == 21
    with path.open("ab") as file:
        file.write(b': 3}\n{"d": 4}')
    assert lines_of(path, position, is_growing=True)[0] == [(21, b'{"c": 3}')]
    found, last = lines_of(path, position)
    assert found == [(21, b'{"c": 3}'), (30, b'{"d": 4}')]
    assert lines_of(path, last) == ([], last)


def test_an_unfinished_last_line_waits(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": ')
    assert lines_of(path)[1].bytes_read == 9


@pytest.mark.usefixtures("block_size")
def test_a_line_that_is_too_long_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(line_files, "LONGEST_LINE", 20)
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a": 1}\n' + b"x" * 95 + b'\n{"b": 2}\n' + b"y" * 50)
    assert lines_of(path)[0] == [(0, b'{"a": 1}'), (9, None), (105, b'{"b": 2}'), (114, None)]
    assert lines_of(path)[1].bytes_read == 164
    assert lines_of(path, is_growing=True)[1].bytes_read == 114


def test_another_file_in_the_same_place_is_read_from_its_start(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": 2}\n')
    _, position = lines_of(path)
    path.write_bytes(b'{"c": 3}\n{"d": 4}\n{"e": 5}\n')
    assert len(lines_of(path, position)[0]) == 3
    path.write_bytes(b'{"a": 1}\n')
    assert len(lines_of(path, position)[0]) == 1


def test_a_packed_file_is_read_as_its_text(tmp_path):
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n'))
    found, position = lines_of(path)
    path.write_bytes(gzip.compress(b'{"a": 1}\n') + gzip.compress(b'{"b": 2}\n'))
    assert found == [(0, b'{"a": 1}')] and lines_of(path, position)[0] == [(9, b'{"b": 2}')]


def test_files_of_a_folder_are_those_with_lines_of_json(tmp_path):
    for name in ("b.jsonl", "a.ndjson", "c.jsonl.gz", "d.csv", ".part"):
        (tmp_path / name).touch()
    assert [path.name for path in find_files([tmp_path])] == ["a.ndjson", "b.jsonl", "c.jsonl.gz"]
    with pytest.raises(SourceError, match="There is no file or folder"):
        find_files([tmp_path / "absent"])
