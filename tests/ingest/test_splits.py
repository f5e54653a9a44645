from pathlib import Path

import ibis
import pandas as pd
import pytest

from tfrec.errors import RecipeError
from tfrec.ingest.splits import Moments, Split, add_clock, find_moments, keep_orders_whole
from tfrec.sources.engine import Workspace

DAYS = pd.date_range("2024-01-01 12:00", periods=100, freq="D")


def moments(split: Split, *, until: str = "", zone: str = "UTC", days: pd.DatetimeIndex = DAYS) -> Moments:
    table = ibis.duckdb.connect().create_table("events", ibis.memtable(pd.DataFrame({"timestamp": days})))
    return find_moments(table, split, until=pd.Timestamp(until) if until else None, time_zone=zone)


def test_dates_are_taken_on_the_shops_clock() -> None:
    found = moments(Split(test_from="2024-04-01", validation_from="2024-03-01"), zone="Europe/Berlin")
    assert found.test_from == pd.Timestamp("2024-03-31 22:00")
    assert found.validation_from == pd.Timestamp("2024-02-29 23:00")


def test_days_count_back_from_the_end_of_the_last_day() -> None:
    found = moments(Split(test_days=10, validation_days=5))
    assert (found.test_from <= DAYS).sum() == 10
    assert ((found.validation_from <= DAYS) & (found.test_from > DAYS)).sum() == 5


def test_shares_are_of_the_events() -> None:
    found = moments(Split(test_share=0.2, validation_share=0.25))
    assert (found.test_from <= DAYS).sum() == 20
    assert ((found.validation_from <= DAYS) & (found.test_from > DAYS)).sum() == 20


@pytest.mark.parametrize(
    ("split", "length"),
    [
        (Split(test_from="2024-04-01", validation_from="2024-03-22"), 10),
        (Split(test_from="2024-04-01", validation_days=7), 7),
    ],
    ids=["dates", "days"],
)
def test_until_moves_both_periods(split: Split, length: int) -> None:
    found = moments(split, until="2024-03-01")
    assert found.test_from == pd.Timestamp("2024-03-01")
    assert found.test_from - found.validation_from == pd.Timedelta(days=length)


def test_until_keeps_midnight_across_a_change_of_the_clocks() -> None:
    split = Split(test_from="2024-04-05", validation_from="2024-03-26")  # ten days with the hour lost in spring
    found = moments(split, until="2024-03-19 23:00", zone="Europe/Berlin")
    assert found.validation_from == pd.Timestamp("2024-03-09 23:00")


def test_until_looks_at_nothing_later() -> None:
    early = DAYS[DAYS < "2024-03-01"]
    assert moments(Split(), until="2024-03-01") == moments(Split(), until="2024-03-01", days=early)


@pytest.mark.parametrize("test_from", ["2024-01-01", "2020-01-01"], ids=["at the start", "long before"])
def test_split_without_training_says_where_the_log_lies(test_from: str) -> None:
    with pytest.raises(RecipeError, match=r"2024-01-01 12:00 \(UTC\) to 2024-04-09.*test_from"):
        moments(Split(test_from=test_from))


def test_clock_of_a_log_without_time_depends_on_order_and_seed_alone() -> None:
    connection = ibis.duckdb.connect()
    orders = pd.DataFrame({"order_id": [str(one) for one in range(5_000)] + ["3"]})

    def clock(frame: pd.DataFrame, seed: int) -> pd.Series:
        table = add_clock(ibis.memtable(frame), Split(seed=seed))
        return connection.execute(table).drop_duplicates().set_index("order_id")["timestamp"].sort_index()

    times = clock(orders, 0)
    assert times.index.is_unique
    assert clock(orders.head(10), 0).equals(times.loc[[str(one) for one in range(10)]])
    assert not clock(orders, 1).equals(times)
    split = Split(test_share=0.2)
    found = find_moments(ibis.memtable(orders), split, until=None, time_zone="UTC", has_time=False)
    with pytest.raises(RecipeError, match="no time"):
        find_moments(ibis.memtable(orders), split, until=DAYS[9], time_zone="UTC", has_time=False)
    assert (times >= found.test_from).mean() == pytest.approx(0.2, abs=0.02)


def test_an_order_on_both_sides_belongs_to_the_test_period_whole(tmp_path: Path) -> None:
    rows = [
        ("1", "ann", "purchase", "2024-03-30", "A"),
        ("2", "ann", "purchase", "2024-03-31", "A"),
        ("2", "ann", "purchase", "2024-04-02", "B"),
        ("2", "bob", "purchase", "2024-03-30", "C"),
        ("2", "ann", "view", "2024-03-31", "A"),
        ("", "ann", "purchase", "2024-03-31", "D"),
        ("", "ann", "purchase", "2024-04-03", "D"),
        ("3", "ann", "purchase", "2024-01-01", "A"),
        ("3", "ann", "purchase", "2024-04-03", "A"),
    ]
    frame = pd.DataFrame(rows, columns=["order_id", "user_id", "event_type", "timestamp", "item_id"])
    table = ibis.memtable(frame.assign(timestamp=frame["timestamp"].astype("datetime64[us]"), row=range(len(frame))))
    workspace = Workspace(ibis.duckdb.connect(), tmp_path)
    whole, notes = keep_orders_whole(
        workspace.store("events", table), test_from=pd.Timestamp("2024-04-01"), workspace=workspace
    )
    after = whole.order_by("row").execute()
    assert after["timestamp"].dt.strftime("%m-%d").tolist() == [
        "03-30", "04-01", "04-02", "03-30", "03-31", "03-31", "04-03", "01-01", "04-03",
    ]  # fmt: skip
    assert after.drop(columns="timestamp").equals(table.execute().drop(columns="timestamp"))
    assert [(note.code, note.count) for note in notes] == [("orders_split", 1)]


def test_orders_on_one_side_stay_as_they_are(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"order_id": ["1", "2"], "user_id": "ann", "event_type": "purchase", "timestamp": DAYS[[0, 99]]}
    )
    table = ibis.memtable(frame)
    workspace = Workspace(ibis.duckdb.connect(), tmp_path)
    assert keep_orders_whole(table, test_from=DAYS[50], workspace=workspace) == (table, [])
