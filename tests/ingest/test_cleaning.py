from collections.abc import Iterable, Iterator
from pathlib import Path

import ibis
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfrec.ingest.checked_rows import type_rows
from tfrec.ingest.cleaning import Cleaning, Rule, merge_order_lines
from tfrec.ingest.event_section import EventsRecipe
from tfrec.ingest.events import events_specs
from tfrec.ingest.numbers import NumberStyle
from tfrec.ingest.read_table import set_aside_repeated
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.table_spec import TableSpec
from tfrec.schema.tables import EVENT_COLUMNS
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW

GOOD = {
    "user_id": "7",
    "item_id": "A1",
    "event_type": "bought",
    "timestamp": "2024-01-05 10:00:00",
    "order_id": "1",
    "quantity": "2",
    "price": "3.5",
    "rating": "",
}
CLEANING = Cleaning(
    drop=(Rule(column="order_id", pattern="^C", reason="cancelled"),),
    keep=(Rule(column="item_id", pattern=r"^[A-Z]\d$", reason="no product code"),),
    free_items=False,
)


@pytest.fixture(scope="module")
def connection() -> Iterator[ibis.BaseBackend]:
    connection = ibis.duckdb.connect()
    yield connection
    connection.disconnect()


def spec_of(columns: Iterable[str], cleaning: Cleaning) -> TableSpec:
    mapped = {name: name for name in columns}
    return events_specs(
        Recipe(
            name="shop",
            events=(EventsRecipe(files=("log.csv",), columns=mapped, types={"bought": "purchase"}),),
            clean=cleaning,
        )
    )[0]


def typed(
    rows: list[dict[str, str]],
    cleaning: Cleaning = CLEANING,
    styles: dict[str, NumberStyle] | None = None,
    without: str = "",
) -> ibis.Table:
    frame = pd.DataFrame([{**GOOD, **row} for row in rows], dtype="str").drop(columns=without.split())
    spec = spec_of(frame.columns, cleaning)
    frame[FILE], frame[ROW] = 0, range(1, len(frame) + 1)
    return type_rows(spec, ibis.memtable(frame), styles or {})


def unique(connection: ibis.BaseBackend, events: ibis.Table) -> ibis.Table:
    workspace = Workspace(connection, Path())
    for name in ("events_typed", "events_doubled", "events_repeated"):
        connection.raw_sql(f"DROP TABLE IF EXISTS {name}")
    return set_aside_repeated(spec_of(GOOD, CLEANING), workspace.store("events_typed", events), workspace)


def test_repeated_rows_of_a_query_are_set_aside_as_those_of_a_table() -> None:
    connection = ibis.duckdb.connect()
    workspace = Workspace(connection, Path())
    table = workspace.store("events_typed", typed([{}, {"quantity": "9"}, {}]))
    query = table.filter(table[ROW] > 0)
    found = set_aside_repeated(spec_of(GOOD, CLEANING), query, workspace).order_by(ROW).execute()
    assert found["reason"].fillna("").tolist() == ["", "", "duplicate"]
    assert table.execute()["reason"].isna().all()  # what a query reads is left as it is


def reasons(connection: ibis.BaseBackend, rows: list[dict[str, str]], cleaning: Cleaning = CLEANING) -> list[str]:
    result = connection.execute(typed(rows, cleaning)).sort_values(ROW)
    return result["reason"].fillna("").tolist()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, ""),
        ({"order_id": "C1"}, "cancelled"),
        ({"order_id": "C1", "quantity": "-2"}, "cancelled"),
        ({"item_id": "POST"}, "no product code"),
        ({"item_id": ""}, "missing item_id"),
        ({"item_id": "4.00638E+12"}, "rounded item_id"),
        ({"user_id": "4.00638E+12"}, "rounded user_id"),
        ({"timestamp": ""}, "missing timestamp"),
        ({"timestamp": "05/01/2024"}, "unreadable timestamp"),
        ({"timestamp": "0001-01-01 00:00:00"}, "impossible timestamp"),
        ({"event_type": "stared"}, "unknown event type"),
        ({"quantity": "0"}, "impossible quantity"),
        ({"quantity": "-1"}, "quantity below 0"),
        ({"quantity": "two"}, "unreadable quantity"),
        ({"quantity": ""}, ""),
        ({"price": "0"}, "impossible price"),
        ({"price": "nan"}, ""),
        ({"price": "inf"}, ""),
        ({"price": ""}, ""),
        ({"rating": "9"}, "impossible rating"),
        ({"user_id": ""}, ""),
    ],
    ids=lambda value: str(value) or "good",
)
def test_row_is_set_aside_for_its_first_reason(connection: ibis.BaseBackend, row: dict[str, str], reason: str) -> None:
    assert reasons(connection, [row]) == [reason]


def test_free_items_may_cost_nothing(connection: ibis.BaseBackend) -> None:
    assert reasons(connection, [{"price": "0"}, {"price": "-1"}], Cleaning()) == ["", "impossible price"]


def test_search_needs_no_item(connection: ibis.BaseBackend) -> None:
    assert reasons(connection, [{"event_type": "search", "item_id": ""}], Cleaning()) == [""]


def test_ids_are_text_without_the_spreadsheets_zero(connection: ibis.BaseBackend) -> None:
    rows = [{"user_id": one} for one in ("17850.0", "17850", "x.0", "1.05", "0")]
    result = connection.execute(typed(rows, Cleaning(guest_ids=("0",))))
    assert result.sort_values(ROW)["user_id"].tolist() == ["17850", "17850", "x.0", "1.05", ""]


def test_decimal_comma_is_understood(connection: ibis.BaseBackend) -> None:
    result = connection.execute(typed([{"price": "1.234,50"}]))
    assert result["price"].tolist() == [1234.5]


def test_line_total_is_shared_by_the_pieces(connection: ibis.BaseBackend) -> None:
    rows = [
        {"line_total": total, "quantity": quantity}
        for total, quantity in [("7,5", "3"), ("7,5", ""), ("7,5", "0"), ("", "3"), ("much", "3")]
    ]
    events = typed(rows, styles={"line_total": NumberStyle(",")}, without="price")
    result = connection.execute(events).sort_values(ROW)
    assert result["price"].fillna(-1).tolist()[:2] == [2.5, 7.5]
    assert result["reason"].fillna("").tolist() == ["", "", "impossible quantity", "", ""]
    assert result["incomplete"].fillna("").tolist() == ["", "", "", "", "unreadable price"]


def test_upper_case_ids_make_one_item_of_two(connection: ibis.BaseBackend) -> None:
    result = connection.execute(typed([{"item_id": "a1"}], Cleaning(upper_case_ids=True)))
    assert result["item_id"].tolist() == ["A1"]


def test_second_of_two_equal_rows_is_the_duplicate(connection: ibis.BaseBackend) -> None:
    events = unique(connection, typed([{}, {"quantity": "9"}, {}, {"price": "-1"}, {"price": "-1"}]))
    result = connection.execute(events).sort_values(ROW)
    assert result["reason"].fillna("").tolist() == ["", "", "duplicate", "impossible price", "impossible price"]


def test_merged_lines_keep_pieces_and_money(connection: ibis.BaseBackend) -> None:
    rows = [
        {"quantity": "1", "price": "2"},
        {"quantity": "3", "price": "4"},
        {"item_id": "B1"},
        {"order_id": "2"},
        {"event_type": "view", "order_id": ""},
        {"event_type": "view", "order_id": ""},
    ]
    merged = merge_order_lines(
        typed(rows, Cleaning()).drop("reason", "incomplete"), boundary=pd.Timestamp("2030-01-01")
    )
    result = connection.execute(merged).sort_values(ROW)
    assert result[ROW].tolist() == [1, 3, 4, 5, 6]
    assert result["quantity"].tolist() == [4, 2, 2, 2, 2]
    assert result["price"].tolist() == [3.5] * 5  # (1·2 + 3·4) / 4 in the first


def test_lines_across_the_split_are_not_merged(connection: ibis.BaseBackend) -> None:
    rows = [{"timestamp": "2024-01-05 10:00:00"}, {"timestamp": "2024-01-05 11:00:00"}]
    merged = merge_order_lines(
        typed(rows, Cleaning()).drop("reason", "incomplete"), boundary=pd.Timestamp("2024-01-05 10:30")
    )
    assert connection.execute(merged)["quantity"].tolist() == [2, 2]


ROWS = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["", "7", "7.0", "8"]),
        "item_id": st.sampled_from(["A1", "B2", "", "POST"]),
        "event_type": st.sampled_from(["bought", "view", "search", "heartbeat", ""]),
        "timestamp": st.sampled_from(["2024-01-05 10:00:00", "2024-01-05", "", "never", "9999-01-01"]),
        "order_id": st.sampled_from(["1", "2", "C3", ""]),
        "quantity": st.sampled_from(["1", "2.0", "0", "-1", "", "x", "1e400"]),
        "price": st.sampled_from(["1", "0", "-1", "", "x", "nan"]),
        "rating": st.sampled_from(["", "5", "7", "?"]),
    }
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=1, max_size=30))
def test_no_row_vanishes_and_what_stays_is_possible(connection: ibis.BaseBackend, rows: list[dict[str, str]]) -> None:
    events = unique(connection, typed(rows))
    result = connection.execute(events)
    assert sorted(result[ROW]) == list(range(1, len(rows) + 1))
    good = result[result["reason"].isna()]
    assert (good["price"].isna() | (good["price"] > 0)).all()
    assert (good["quantity"] > 0).all()
    assert good["timestamp"].notna().all()
    assert not good["order_id"].str.startswith("C").any()
    assert not good[[*EVENT_COLUMNS]].duplicated().any()
    merged = connection.execute(
        merge_order_lines(
            events.filter(events["reason"].isnull()).drop("reason", "incomplete"), boundary=pd.Timestamp("2024-01-05")
        )
    )
    assert merged["quantity"].sum() == pytest.approx(good["quantity"].sum())
