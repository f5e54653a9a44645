import ibis
import pandas as pd
import pytest

from tfrec.ingest.time_bounds import TimeBounds, find_bounds, outlier_reason

CONNECTION = ibis.duckdb.connect()
YEAR = [f"{day:%Y-%m-%d} 12:00:00" for day in pd.date_range("2024-01-01", "2024-12-31")]


def set_aside(texts: list[str]) -> tuple[dict[str, int], TimeBounds]:
    table = ibis.memtable({"text": texts}, schema={"text": "string"})
    table = table.select(moment=table["text"].cast("timestamp"))
    bounds = find_bounds(table["moment"])
    reasons = CONNECTION.execute(table.select(reason=outlier_reason(table["moment"], bounds)))["reason"]
    return reasons.value_counts().to_dict(), bounds


@pytest.mark.parametrize(
    ("others", "reasons"),
    [
        ([], {}),
        (["2099-12-31"], {"timestamp far behind the others (2099)": 1}),
        (["2099-12-31"] * 30, {"timestamp far behind the others (2099)": 30}),
        (["2025-05-01"] * 9, {"timestamp far behind the others (2025)": 9}),
        (["2025-05-01"] * 30, {}),
        (["2025-03-01"], {}),
        (
            ["2023-08-01", "2035-01-01"],
            {"timestamp far before the others (2023)": 1, "timestamp far behind the others (2035)": 1},
        ),
        (["1970-01-01"] * 300, {"no date (1970-01-01)": 300}),
        (["1969-12-31 23:00:00"], {"no date (1970-01-01)": 1}),
        (["0001-01-01", "1900-01-01"], {"no date (0001-01-01)": 1, "no date (1900-01-01)": 1}),
    ],
    ids=[
        "none", "one far ahead", "an order far ahead", "a few months ahead", "a month of sales later",
        "two months later", "both sides", "many without a date", "no date in another zone", "other words for no date",
    ],
)  # fmt: skip
def test_what_lies_far_from_the_bulk_is_set_aside(others: list[str], reasons: dict[str, int]) -> None:
    found, bounds = set_aside([*others, *YEAR])
    assert found == reasons
    assert sum(note.count for note in bounds.notes) == sum(reasons.values())


def test_a_log_that_is_all_of_1970_keeps_its_dates() -> None:
    assert set_aside(["1970-01-01"] * 20)[0] == {}
    assert set_aside([])[0] == {}


def test_two_seasons_of_one_shop_are_no_slips() -> None:
    seasons = [f"{year}-12-{day:02d}" for year in (2021, 2022, 2023) for day in range(1, 25)]
    assert set_aside(seasons)[0] == {}


def test_bounds_are_those_of_whole_days() -> None:
    _, bounds = set_aside([*YEAR, "2099-12-31"])
    assert (bounds.low, bounds.high) == (None, pd.Timestamp("2025-01-01"))
