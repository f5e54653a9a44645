"""A log is cut into parts that later days leave alone, and each part's sessions go on from the part before."""

import itertools
from pathlib import Path

import ibis
import pandas as pd
import pytest

from tfrec.ingest.event_parts import Day, Part, cut_parts, describe_days, digest_of
from tfrec.ingest.session_parts import SessionParts
from tfrec.ingest.sessions import Sessions, number_sessions
from tfrec.sources.engine import Workspace
from tfrec.sources.kept_tables import KeptTables

EVENTS = pd.DataFrame(
    {
        "_file": pd.Series([0, 0, 0, 1, 1, 1, 1, 2], dtype="int32"),
        "_row": pd.Series([1, 2, 3, 1, 2, 3, 4, 1], dtype="int64"),
        "user_id": ["ann", "bob", "ann", "ann", "bob", "", "cid", "ann"],
        "session_id": ["", "", "", "", "", "", "own", ""],
        "timestamp": pd.to_datetime(
            [
                *("2024-01-01 23:50", "2024-01-01 08:00", "2024-01-01 10:00", "2024-01-02 00:10", "2024-01-02 09:00"),
                *("2024-01-02 09:00", "2024-01-02 09:00", "2024-01-03 12:00"),
            ]
        ).astype("datetime64[us]"),
    }
)
NUMBERS = {"2024-01-01": [2, 1, 1], "2024-01-02": [2, 2], "2024-01-03": [3]}
"""Ann's visit from 23:50 to 00:10 is one session, whose number the second day takes over."""


def day(text: str, rows: int, digest: str = "", last_file: int = 0) -> Day:
    return Day(pd.Timestamp(text), rows, digest, last_file)


def opened(folder: Path) -> tuple[Workspace, ibis.Table]:
    folder.mkdir(exist_ok=True)
    kept = KeptTables(folder / "kept")
    workspace = Workspace(ibis.duckdb.connect(), folder, kept)
    return workspace, workspace.store("events", ibis.memtable(EVENTS))


def test_a_part_has_whole_days_and_later_days_move_no_cut() -> None:
    days = [day(f"2024-01-{at:02}", rows) for at, rows in enumerate([3, 1, 9, 2, 2, 5], start=1)]
    cuts = [[part.name for part in cut_parts(days[:number], rows=4)] for number in range(1, 7)]
    assert cuts[-1] == ["2024-01-01", "2024-01-03", "2024-01-04", "2024-01-06"]
    assert all(later[: len(earlier)] == earlier for earlier, later in itertools.pairwise(cuts))


def test_all_moments_lie_in_one_part() -> None:
    first, second = cut_parts([day("2024-01-01", 5), day("2024-03-01", 5)], rows=5)
    assert first.end_us == pd.Timestamp("2024-03-01").as_unit("ns").value // 1_000
    assert first.holds(pd.Timestamp("2024-02-29")) and not first.holds(pd.Timestamp("2024-03-01"))
    assert second.holds(pd.Timestamp("2099-01-01"))


def test_the_digest_of_a_part_depends_on_its_rows_their_moments_and_the_files_up_to_them(tmp_path: Path) -> None:
    _workspace, events = opened(tmp_path)
    later = events.mutate(
        timestamp=ibis.ifelse(events["_row"] == 4, events["timestamp"] + ibis.interval(minutes=1), events["timestamp"])
    )
    days, moved = (describe_days(table, has_digest=True) for table in (events, later))
    assert [(found.rows, found.last_file) for found in days] == [(3, 0), (4, 1), (1, 2)]
    parts = cut_parts(days, rows=1)

    def digests(found: list[Day], files: list[str]) -> list[str]:
        return [digest_of(part, found, files=files) for part in parts]

    base = digests(days, ["a", "b", "c"])
    assert len({*base}) == 3
    assert [one == other for one, other in zip(base, digests(moved, ["a", "b", "c"]), strict=True)] == [
        True, False, True,
    ]  # fmt: skip
    assert [one == other for one, other in zip(base, digests(days, ["a", "B", "c"]), strict=True)] == [
        True, False, False,
    ]  # fmt: skip
    assert digests(days, []) == ["", "", ""]


@pytest.mark.parametrize("wanted", [[0, 1, 2], [2], [1], [0, 2]])
def test_parts_are_numbered_from_where_kept_ones_ended(tmp_path: Path, wanted: list[int]) -> None:
    workspace, events = opened(tmp_path / "first")
    parts = cut_parts(describe_days(events, has_digest=False), rows=1)
    tails = {part: tmp_path / "first" / "kept" / f"tail-{part.name}" for part in parts[:-1]}
    whole = SessionParts(events, parts, tails, [], Sessions(), workspace).number(parts)
    assert numbers_of(whole) == NUMBERS
    assert all(place.is_file() for place in tails.values())
    whole_log = number_sessions(events, Sessions(), workspace).order_by("_file", "_row").execute()["_number"]
    assert sorted(whole_log) == sorted(itertools.chain(*NUMBERS.values()))

    again, events = opened(tmp_path / "again")
    found = SessionParts(events, parts, tails, [*tails], Sessions(), again).number([parts[at] for at in wanted])
    assert numbers_of(found) == {parts[at].name: NUMBERS[parts[at].name] for at in wanted}


def test_a_part_whose_end_is_not_known_is_numbered_for_those_behind_it(tmp_path: Path) -> None:
    workspace, events = opened(tmp_path)
    parts = cut_parts(describe_days(events, has_digest=False), rows=1)
    found = SessionParts(events, parts, {}, [], Sessions(), workspace).number([parts[2]])
    assert numbers_of(found) == {"2024-01-03": [3]}


def numbers_of(found: dict[Part, Path]) -> dict[str, list[int]]:
    return {
        part.name: pd.read_parquet(path).sort_values(["_file", "_row"])["_number"].tolist()
        for part, path in sorted(found.items(), key=lambda item: item[0].first)
    }
