"""A preparation after a log has grown reads what is new, and gives what a preparation of the whole log gives."""

import contextlib
import functools
import re
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.ingest.small_shop import HEADER, RECIPE, ROWS, write_small_shop
from tests.interruptions import stop_tfrec
from tfrec.ingest.prepare import prepare_shop
from tfrec.sources.kept_tables import KeptTables, kept_folder

PARTS = RECIPE.replace('files = "log.csv"', 'files = "part-*.csv"')
CANCELLED = '\n[[clean.drop]]\ncolumn = "order_id"\npattern = "^C"\nreason = "cancelled"\n'
WHOLE_ORDERS = f"{CANCELLED}whole_order = true\n"
CLOCKED = f'{CANCELLED}[clean.clock]\nopened = "2023-06-01"\n[privacy]\nkeep_days = 300\n'
BY_DAY = '\n[orders]\nby = "user_day"\n[clean]\nduplicates = "merge"\n[clean.robots]\nmax_views_per_hour = 1\n'
CHANGES = {"cancelled": CANCELLED, "whole orders": WHOLE_ORDERS, "clocks": CLOCKED, "orders by day": BY_DAY}

ROW = st.builds(
    ",".join,
    st.tuples(
        st.sampled_from(["1", "2", "C3", "4", ""]),
        st.sampled_from(["7", "8.0", "9", "", "1.2E+05"]),
        st.sampled_from(["A", "B", "b", "", "="]),
        st.sampled_from(
            ["2024-01-05 10:00:00", "2024-01-05 10:20:00", "2024-02-11", "2024-03-05T12:00:00+01:00", "", "never"]
        ),
        st.sampled_from(["1", "2", "0", "-1", "x"]),
        st.sampled_from(["1", "1.234", "2.50", "1.234,50", "€ 3", "-1", ""]),
        st.sampled_from(["apple", "Apple", "call +49 30 1234567", ""]),
        st.sampled_from(["DE", ""]),
    ),
)
"""Late, repeated, faulty and ambiguous rows: one alone may change how a column of all files is read."""


def write_parts(folder: Path, parts: Mapping[int, Sequence[str]], *, extra: str = "") -> Path:
    """Writes files of these rows in place of those that are there, and the recipe; returns the recipe's path."""
    path = write_small_shop(folder, rows=[], recipe=PARTS, extra=extra)
    for old in folder.glob("part-*.csv"):
        if int(old.stem.removeprefix("part-")) not in parts:
            old.unlink()
    for number, rows in parts.items():
        (folder / f"part-{number}.csv").write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def prepared(folder: Path) -> dict[str, bytes]:
    """Returns the files of a prepared shop, without the times of its raw files."""
    files = contents(folder)
    del files[".tfrec.json"]  # states the digest of the manifest, which is looked at without times
    files["manifest.json"] = re.sub(rb'"mtime_ns": \d+', b"", files["manifest.json"])
    return files


def whole_run(recipe: Path) -> dict[str, bytes]:
    """Returns the files of a preparation that knows of no earlier one."""
    out = recipe.parent / "whole"
    shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(kept_folder(out), ignore_errors=True)
    prepare_shop(recipe, out)
    return prepared(out)


def prepare(recipe: Path, **settings: object) -> list[str]:
    """Prepares into `out` beside the recipe; returns what was announced."""
    lines: list[str] = []
    prepare_shop(recipe, recipe.parent / "out", announce=lines.append, **settings)
    return lines


@pytest.mark.slow
@settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes seconds: shrinking would take minutes
)
@given(
    parts=st.lists(st.lists(ROW, min_size=1, max_size=8), min_size=1, max_size=2),
    changed=st.lists(ROW, min_size=1, max_size=4),
    rules=st.sampled_from(sorted(CHANGES)),
)
def test_runs_file_by_file_give_the_bytes_of_one_run(parts: list[list[str]], changed: list[str], rules: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfrec.ingest.write_events.ROWS", 3)  # several parts
        check_runs_file_by_file(parts, changed, rules)


def check_runs_file_by_file(parts: list[list[str]], changed: list[str], rules: str) -> None:
    folder = Path(tempfile.mkdtemp())
    log = {0: ROWS * 2}
    for number, rows in enumerate([[], *parts]):
        log[number] = rows or log[number]
        recipe = write_parts(folder, log, extra=CHANGES[rules])
        prepare(recipe)
    assert prepared(folder / "out") == whole_run(recipe)
    log = {number: rows for number, rows in log.items() if number != 1} | {3: changed}
    log[0] = [*log[0], *changed]
    recipe = write_parts(folder, log, extra=CHANGES[rules])
    prepare(recipe)
    assert prepared(folder / "out") == whole_run(recipe), "a changed file, one that is gone and a new one"
    recipe = write_parts(folder, log)
    prepare(recipe)
    assert prepared(folder / "out") == whole_run(recipe), "another recipe"


@pytest.mark.slow
def test_only_new_and_changed_files_are_read(tmp_path: Path) -> None:
    log = {0: ROWS[:3], 1: ROWS[3:5], 2: ROWS[5:]}
    assert prepare(write_parts(tmp_path, log)) == ["read 3 new files, 7 rows"]
    log[3] = [ROWS[0].replace("1,7.0", "9,7.0")]
    assert prepare(write_parts(tmp_path, log)) == ["3 of 4 files unchanged: re-used; read 1 new file, 1 rows"]
    log[3] = [*log[3], ROWS[0]]
    assert prepare(write_parts(tmp_path, log)) == ["3 of 4 files unchanged: re-used; read 1 changed file, 2 rows"]
    del log[3]
    assert prepare(write_parts(tmp_path, log)) == ["3 of 3 files unchanged: re-used; 1 file gone since the last run"]
    recipe = write_parts(tmp_path, log)
    assert prepare(recipe) == []
    assert prepare(recipe, force=True) == ["read all 3 files, 7 rows, as a whole run was wanted"]


@pytest.mark.slow
def test_a_recipe_that_reads_files_otherwise_reads_them_again(tmp_path: Path) -> None:
    log = {0: ROWS[:3], 1: ROWS[3:]}
    prepare(write_parts(tmp_path, log))
    recipe = write_parts(tmp_path, log)
    recipe.write_text(recipe.read_text().replace('quantity = "qty"\n', ""))
    assert prepare(recipe) == [
        "read 2 files, 7 rows again, as what was kept is damaged, or of another recipe or program"
    ]
    assert prepared(tmp_path / "out") == whole_run(recipe)


@pytest.mark.slow
def test_a_day_more_leaves_the_files_of_earlier_days_alone_and_a_late_event_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfrec.ingest.write_events.ROWS", 4)
    log = {
        number: [f"{number}{at},{at},A,2024-01-{number + 1:02} 10:0{at}:00,1,2,apple,DE" for at in range(4)]
        for number in range(9)
    }
    prepare(write_parts(tmp_path, log))
    before = inodes(tmp_path / "out")
    log[9] = ["99,3,A,2024-01-10 10:00:00,1,2,apple,DE"]
    recipe = write_parts(tmp_path, log)
    prepare(recipe)
    assert prepared(tmp_path / "out") == whole_run(recipe)
    after = inodes(tmp_path / "out")
    same = [name for name in before if after.get(name) == before[name]]
    assert [f"events.parquet/2024-01-0{day}.parquet" for day in range(1, 8)] == same[:7]
    assert "events.parquet/2024-01-10.parquet" in after.keys() - before.keys()
    log[9] = [*log[9], "98,2,A,2024-01-03 10:30:00,1,2,apple,DE"]
    recipe = write_parts(tmp_path, log)
    prepare(recipe)
    assert prepared(tmp_path / "out") == whole_run(recipe)
    late = inodes(tmp_path / "out")
    same = [name for name in after if late.get(name) == after[name]]
    assert same == ["events.parquet/2024-01-01.parquet", "events.parquet/2024-01-02.parquet"]


def inodes(folder: Path) -> dict[str, int]:
    """Returns file of events → its number in the file system, by which the same file under two names is known."""
    paths = sorted(path for name in ("events", "test_events") for path in (folder / f"{name}.parquet").iterdir())
    return {str(path.relative_to(folder)): path.stat().st_ino for path in paths}


@pytest.mark.slow
def test_what_is_kept_is_for_its_owner_and_holds_no_file_that_is_gone(tmp_path: Path) -> None:
    prepare(write_parts(tmp_path, {0: ROWS, 1: ["77,secret,A,2024-01-06 10:00:00,1,2,apple,DE"]}))
    kept = kept_folder(tmp_path / "out")
    assert kept.stat().st_mode & 0o777 == 0o700
    assert any(b"secret" in content for content in contents(kept).values())
    prepare(write_parts(tmp_path, {0: ROWS, 2: ROWS[2:]}))
    assert kept.exists() and not any(b"secret" in content for content in contents(kept).values())


@pytest.mark.slow
def test_nothing_is_kept_of_one_file_nor_beside_pseudonyms(tmp_path: Path) -> None:
    prepare(write_parts(tmp_path, {0: ROWS}))
    assert not contents(kept_folder(tmp_path / "out"))
    (tmp_path / "key").write_bytes(bytes(range(32)))
    prepare(write_parts(tmp_path, {0: ROWS, 1: ROWS[:1]}, extra='\n[privacy]\nkey_file = "key"\n'))
    assert not contents(kept_folder(tmp_path / "out"))


@pytest.mark.slow
def test_a_damaged_kept_table_is_made_again(tmp_path: Path) -> None:
    recipe = write_parts(tmp_path, {0: ROWS, 2: ROWS[2:]})
    prepare(recipe)
    for path in kept_folder(tmp_path / "out").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-9])
    recipe = write_parts(tmp_path, {0: ROWS, 1: ROWS[:1], 2: ROWS[2:]})
    assert prepare(recipe) == [
        "read 1 new file, 1 rows; "
        "read 2 files, 12 rows again, as what was kept is damaged, or of another recipe or program"
    ]
    assert prepared(tmp_path / "out") == whole_run(recipe)


def test_nothing_is_kept_of_a_file_whose_content_is_not_known(tmp_path: Path) -> None:
    kept = KeptTables(tmp_path, {"a.csv": "digest"})
    assert kept.place("rows", "a.csv", stored="a.csv", how=[]) is not None
    assert kept.place("rows", "b.csv", stored="b.csv", how=[]) is None


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_files_that_it_had_read(tmp_path: Path) -> None:
    many = {number: [row.replace(",1,", f",{number + 1},") for row in ROWS] * 500 for number in range(9)}
    recipe = write_parts(tmp_path, many)
    kept = kept_folder(tmp_path / "out")
    for enough in (2, 6):
        stop_tfrec(
            "prepare", recipe, "--out", tmp_path / "out",
            once=functools.partial(lambda least: len([*kept.glob("rows-*[0-9a-f]")]) >= least, enough),
            by=signal.SIGKILL,
        )  # fmt: skip
        assert not (tmp_path / "out").exists()
    were_read = {path: path.stat().st_mtime_ns for path in kept.glob("rows-*[0-9a-f]")}
    (line,) = prepare(recipe)
    assert line.startswith(f"{len(were_read)} of 9 files unchanged: re-used")
    assert were_read == {path: path.stat().st_mtime_ns for path in were_read}
    assert prepared(tmp_path / "out") == whole_run(recipe)


@pytest.mark.slow
def test_a_grown_table_is_read_from_its_last_key_on_where_rows_are_never_changed(tmp_path: Path) -> None:
    names = HEADER.replace("order", '"order"', 1).replace("when", '"when"')
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None)) as shop:
        shop.execute(f"CREATE TABLE log (id INTEGER PRIMARY KEY, {names})")

        def add(rows: Sequence[str]) -> None:
            values = [row.split(",") for row in rows]
            shop.executemany(f"INSERT INTO log ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

        add(ROWS[:5])
        url = f'url = "sqlite:///{tmp_path}/shop.db"\ntable = "log"\nkey = "id"\nappend_only = true'
        recipe = tmp_path / "small.toml"
        recipe.write_text(RECIPE.replace('files = "log.csv"', url))
        origin = f"sqlite:///{tmp_path}/shop.db, table log"
        assert prepare(recipe) == [f"{origin}: read 5 rows"]
        add(ROWS[5:])
        assert prepare(recipe) == [f"{origin}: 5 rows unchanged: re-used; read 2 rows"]
        assert prepared(tmp_path / "out") == whole_run(recipe)
        shop.execute("DELETE FROM log WHERE id = 2")
        (line,) = prepare(recipe)
        assert line.startswith(f"{origin}: read 6 rows, all of them, as there are not the same rows")
        assert prepared(tmp_path / "out") == whole_run(recipe)
