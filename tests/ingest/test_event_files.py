"""Events become files of equal bytes however they come, and each gets the session of its place."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfrec.ingest import event_files
from tfrec.ingest.event_files import NumberOfPlace, in_order_of_time, write_event_file
from tfrec.ingest.sessions import SESSION_NUMBERS
from tfrec.schema.tables import EVENT_COLUMNS

NAMES = ["user_id", "session_id", "order_id", "_file", "_row"]
ROWS = [
    ("ann", "", "1", 0, 1),
    ("bob", "own", "", 0, 2),
    ("", "", "7", 0, 3),
    ("ann", "", "", 1, 1),
    ("", "", "", 1, 2),
    ("bob", "", "8", 1, 3),
]
NUMBERS = [(0, 1, 1), (1, 1, 2), (1, 3, 5)]
SESSIONS = ["ann/1", "own", "order/7", "ann/2", "", "bob/5"]


def events(rows: list[tuple]) -> pa.Table:
    frame = pd.DataFrame(rows, columns=NAMES)
    frame["timestamp"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(range(len(frame)), unit="s")
    for name, kind in EVENT_COLUMNS.items():
        if name not in frame:
            frame[name] = pd.Series([""] * len(frame) if kind == "str" else 1.0, dtype=kind)
    kinds = {"_file": "int32", "_row": "int64", **EVENT_COLUMNS}
    return pa.Table.from_pandas(frame.astype(kinds), preserve_index=False)


def numbers(folder: Path, rows: list[tuple[int, int, int]]) -> NumberOfPlace:
    path = folder / "numbers.parquet"
    columns = [
        pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), SESSION_NUMBERS.types, strict=True)
    ]
    pq.write_table(pa.table(columns, schema=SESSION_NUMBERS), path)
    return NumberOfPlace([path])


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]], ids=["in the order of the events", "in another order"])
def test_each_event_gets_the_session_of_its_place(order: list[int], tmp_path: Path) -> None:
    found = numbers(tmp_path, [NUMBERS[at] for at in order])
    write_event_file(tmp_path / "events.parquet", events(ROWS).to_batches(), found)
    written = pd.read_parquet(tmp_path / "events.parquet")
    assert written["session_id"].tolist() == SESSIONS
    assert [*written.columns] == [*EVENT_COLUMNS]


def test_a_file_of_later_events_begins_in_the_middle_of_the_numbers(tmp_path: Path) -> None:
    write_event_file(tmp_path / "late.parquet", events(ROWS[3:]).to_batches(), numbers(tmp_path, NUMBERS))
    assert pd.read_parquet(tmp_path / "late.parquet")["session_id"].tolist() == SESSIONS[3:]


def test_without_numbers_only_orders_name_sessions(tmp_path: Path) -> None:
    write_event_file(tmp_path / "events.parquet", events(ROWS).to_batches(), NumberOfPlace([]))
    written = pd.read_parquet(tmp_path / "events.parquet")["session_id"].tolist()
    assert written == ["order/1", "own", "order/7", "", "", "order/8"]


def test_batches_of_any_size_give_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_files, "GROUP", 4)
    contents = []
    for size in (1, 3, 6):
        path = tmp_path / f"{size}.parquet"
        write_event_file(path, events(ROWS).to_batches(size), numbers(tmp_path, NUMBERS))
        contents.append(path.read_bytes())
    assert contents[0] == contents[1] == contents[2]
    assert pq.ParquetFile(path).num_row_groups == 2


@pytest.mark.parametrize("shown", [[0, 1, 2, 3, 4, 5], [3, 5, 0, 4, 2, 1]], ids=["in order", "mixed"])
def test_events_are_put_in_the_order_of_time_and_then_of_their_place(shown: list[int]) -> None:
    moments = pa.array([0, 0, 7, 7, 7, 9], pa.timestamp("us"))
    table = events(ROWS)
    table = table.set_column(table.schema.get_field_index("timestamp"), "timestamp", moments).take(shown)
    ordered = pa.Table.from_batches(in_order_of_time(table.to_batches(2)))
    assert [*zip(ordered["_file"].to_pylist(), ordered["_row"].to_pylist(), strict=True)] == [row[3:] for row in ROWS]


def test_no_event_gives_a_file_with_the_columns(tmp_path: Path) -> None:
    write_event_file(tmp_path / "empty.parquet", [], NumberOfPlace([]))
    assert [*pd.read_parquet(tmp_path / "empty.parquet").columns] == [*EVENT_COLUMNS]
