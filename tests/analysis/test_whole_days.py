import pandas as pd
import pytest

from tfrec.analysis.whole_days import whole_days

DAYS = pd.date_range("2025-01-01", periods=60)


def log_until(end: str, *, begins: str = "2025-01-01 00:00") -> pd.Series:
    """Returns an event every hour from 8:05 to 22:05 of each day, from `begins` until `end`."""
    hours = [day + pd.Timedelta(hours=hour, minutes=5) for day in DAYS for hour in range(8, 23)]
    moments = pd.Series(hours)
    return moments[(moments >= pd.Timestamp(begins)) & (moments <= pd.Timestamp(end))]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        pytest.param("2025-02-20 10:13", "2025-02-20", id="cut in the morning"),
        pytest.param("2025-02-20 21:30", "2025-02-20", id="cut in the evening"),
        pytest.param("2025-02-20 22:30", "2025-02-21", id="whole"),
    ],
)
def test_last_day_counts_where_it_is_whole(end, expected):
    assert whole_days(log_until(end))[1] == pd.Timestamp(expected)


@pytest.mark.parametrize(
    ("begins", "expected"),
    [pytest.param("2025-01-03 15:00", "2025-01-04", id="cut"), pytest.param("2025-01-03", "2025-01-03", id="whole")],
)
def test_first_day_counts_where_it_is_whole(begins, expected):
    assert whole_days(log_until("2025-02-20 22:30", begins=begins))[0] == pd.Timestamp(expected)


def test_log_of_dates_without_times_is_whole():
    assert whole_days(pd.Series(DAYS)) == (DAYS[0], DAYS[-1] + pd.Timedelta(days=1))


def test_last_day_of_a_short_log_counts_as_cut():
    moments = log_until("2025-01-08 22:30")
    assert whole_days(moments) == (pd.Timestamp("2025-01-01"), pd.Timestamp("2025-01-08"))
