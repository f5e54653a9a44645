"""What a terminal gets: nothing it cannot show, nothing it would obey; and sentences where disk or memory ran out."""

import contextlib
import errno
import json
import os
import subprocess
import sys

import pytest

from tfrec.cli import associations, main
from tfrec.errors import SourceError
from tfrec.schema.text_columns import text_table

EVIL = "\x1b[31mred\x07\x9b2J\u202egnp\r"


def run_python(code, *, shell="", **environment):
    command = [sys.executable, "-c", code]
    if shell:
        command = ["sh", "-c", f'exec "$@" {shell}', "sh", *command]
    return subprocess.run(command, capture_output=True, check=False, env={**os.environ, **environment})


FAKED = """
import argparse, logging, sys
from tqdm import tqdm
import tfrec.cli as cli
from tfrec.errors import SourceError
def run(options):
    print("Beschläge ─ „größer“ → 10 € 彩灯 \\udcff")
    logging.getLogger("tfrec.x").warning("Küche ✓ 彩灯")
    for _ in tqdm(range(2), desc="Übung 彩"): pass
    raise SourceError("kein Zugriff auf „Übersicht“ 彩灯")
cli.associations.run = run
sys.exit(cli.main(["associations", "x"]))
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "cp1252"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "utf-8"},
    ],
    ids=["cp1252", "latin-1", "ascii", "locale C", "utf-8"],
)
def test_what_an_encoding_lacks_is_replaced(environment, tmp_path):
    (tmp_path / "faked.py").write_text(FAKED, encoding="utf-8")
    said = run_python(f"import runpy; runpy.run_path({str(tmp_path / 'faked.py')!r})", **environment)
    assert said.returncode == 2
    assert b"Traceback" not in said.stderr
    assert b"kein Zugriff auf" in said.stderr
    assert b"che " in said.stderr  # the log line
    assert b"10 " in said.stdout
    if environment.get("PYTHONIOENCODING") == "ascii":
        assert said.stdout.decode("ascii") == 'Beschlage - "gro?er" -> 10 EUR ?? ?\n'
    if environment.get("PYTHONIOENCODING") == "utf-8":
        assert "彩灯" in said.stdout.decode()


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_end_nothing_and_no_file_takes_their_number(closed, tmp_path):
    code = f"""
import os, sys
import tfrec.cli as cli
def run(options):
    with open({str(tmp_path / "data")!r}, "w") as file:
        assert file.fileno() > 2
        os.write(2, b"from a library")
        print("printed")
        sys.stderr.write("printed too")
        file.write("whole")
cli.associations.run = run
sys.exit(cli.main(["associations", "x"]))
"""
    said = run_python(code, shell=closed)
    assert said.returncode == 0, said.stderr
    assert (tmp_path / "data").read_text() == "whole"


def test_a_full_disk_behind_standard_output_is_a_sentence():
    said = run_python(
        "import tfrec.cli as c, sys; c.associations.run = lambda o: print('x'); "
        'sys.exit(c.main(["associations", "x"]))',
        shell="> /dev/full",
    )
    assert said.returncode == 2
    assert b"The disk is full" in said.stderr
    assert b"Traceback" not in said.stderr
    assert b"ignored" not in said.stderr


class OutOfMemoryException(Exception):  # noqa: N818
    """As DuckDB calls its own."""


def caused(error, cause):
    error.__cause__ = cause
    return error


FULL = {
    "errno": OSError(errno.ENOSPC, "No space left on device", "out/x"),
    "quota": OSError(errno.EDQUOT, "Disk quota exceeded"),
    "array": OSError("1024 requested and 512 written"),
    "words": RuntimeError("IO Error: Could not write file: No space left on device"),
    "SQLite": RuntimeError("(sqlite3.OperationalError) database or disk is full"),
    "behind ours": caused(SourceError("x cannot be written"), OSError(errno.ENOSPC, "No space left on device")),
}
MEMORY = {
    "Python": MemoryError(),
    "DuckDB": OutOfMemoryException("Out of Memory Error: failed to allocate data of size 1.0 GiB"),
    "system": OSError(errno.ENOMEM, "Cannot allocate memory"),
    "words": RuntimeError("std::bad_alloc"),
}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        *(pytest.param(error, "The disk is full", id=f"disk: {name}") for name, error in FULL.items()),
        *(pytest.param(error, "The memory does not suffice", id=f"memory: {name}") for name, error in MEMORY.items()),
    ],
)
def test_what_ran_out_is_a_sentence(error, sentence, monkeypatch, capsys):
    def fail(options):
        raise error

    monkeypatch.setattr(associations, "run", fail)
    assert main(["associations", "x"]) == 2
    assert sentence in capsys.readouterr().err


def test_other_errors_keep_their_traceback(monkeypatch):
    def fail(options):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(associations, "run", fail)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        main(["associations", "x"])


def test_a_disk_that_fills_while_writing_leaves_the_old_result(tmp_path, monkeypatch, capsys):
    from tests.ingest.small_shop import write_small_shop

    recipe, out = write_small_shop(tmp_path / "raw"), tmp_path / "out"
    assert main(["prepare", str(recipe), "--out", str(out)]) == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    def fail(*arguments, **how):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pandas.DataFrame.to_parquet", fail)
    assert main(["prepare", str(recipe), "--out", str(out), "--force"]) == 2
    assert "The disk is full" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw"]


def test_control_characters_do_not_reach_the_terminal(monkeypatch, capsys, caplog):
    import logging

    def run(options):
        print(EVIL)
        logging.getLogger("tfrec.x").warning(EVIL)
        raise SourceError(EVIL)

    monkeypatch.setattr(associations, "run", run)
    with contextlib.ExitStack() as stack:
        handlers = logging.getLogger().handlers[:]
        logging.getLogger().handlers.clear()
        stack.callback(lambda: setattr(logging.getLogger(), "handlers", handlers))
        assert main(["associations", "x"]) == 2
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert "red" in text
        assert not set(text) & set("\x1b\x07\x9b\u202e\r")
    assert printed.err.count("red") == 2


def test_a_title_takes_one_line_of_a_table():
    lines = text_table(["item", "title"], [["a", "two\nlines\tand \x1b[2J"], ["b", "plain"]]).splitlines()
    assert len(lines) == 4
    assert "\x1b" not in lines[2]
    assert "two lines and" in lines[2]


def test_json_escapes_what_a_terminal_would_obey_and_keeps_its_value(capsys):
    from tfrec.cli.analyses import print_json

    print_json({"title": EVIL + "ü\x7f"})
    printed = capsys.readouterr().out
    assert not set(printed) & set("\x1b\x07\x9b\u202e\r\x7f")
    assert json.loads(printed) == {"title": EVIL + "ü\x7f"}
