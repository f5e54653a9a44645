import ibis
import pandas as pd
import pytest

from tfrec.errors import RecipeError
from tfrec.ingest.timestamps import guess_format, moment_in_utc, parse_timestamps


@pytest.fixture(scope="module")
def connection() -> ibis.BaseBackend:
    return ibis.duckdb.connect()


def parse(connection: ibis.BaseBackend, texts: list[str], form: tuple[str, ...] = (), zone: str = "UTC") -> list:
    table = ibis.memtable({"text": texts})
    parsed = connection.execute(table.select(t=parse_timestamps(table["text"], time_format=form, time_zone=zone)))
    return [None if pd.isna(one) else str(one) for one in parsed["t"]]


@pytest.mark.parametrize(
    ("text", "form", "zone", "utc"),
    [
        ("2011-07-01 10:00:00", (), "Europe/London", "2011-07-01 09:00:00"),
        ("2011-11-01 10:00:00", (), "Europe/London", "2011-11-01 10:00:00"),
        ("2011-07-01T10:00:00+08:00", (), "Europe/London", "2011-07-01 02:00:00"),
        ("2011-07-01T10:00:00Z", (), "Asia/Shanghai", "2011-07-01 10:00:00"),
        ("2011-07-01", (), "UTC", "2011-07-01 00:00:00"),
        ("12/1/2010 8:26", ("%m/%d/%Y %H:%M",), "UTC", "2010-12-01 08:26:00"),
        ("1.12.2010", ("%Y-%m-%d", "%d.%m.%Y"), "UTC", "2010-12-01 00:00:00"),
        ("2008 4 1", ("%Y %m %d",), "UTC", "2008-04-01 00:00:00"),
        ("1300000000", ("epoch_s",), "Asia/Tokyo", "2011-03-13 07:06:40"),
        ("1300000000250", ("epoch_ms",), "UTC", "2011-03-13 07:06:40.250000"),
        ("2011-03-27 01:30:00", (), "Europe/London", "2011-03-27 01:30:00"),
        ("2011-13-01", (), "UTC", None),
        ("0000-00-00 00:00:00", (), "UTC", None),
        ("", (), "UTC", None),
        ("yesterday", (), "UTC", None),
        ("9e30", ("epoch_s",), "UTC", None),
        ("-5", ("epoch_s",), "UTC", None),
    ],
    ids=[
        "summer", "winter", "offset", "Zulu", "date alone", "American", "second format", "unpadded", "seconds",
        "milliseconds", "skipped hour", "month 13", "zeros", "empty", "word", "huge count", "negative count",
    ],
)  # fmt: skip
def test_text_becomes_utc_or_null(
    connection: ibis.BaseBackend, text: str, form: tuple[str, ...], zone: str, utc: str | None
) -> None:
    assert parse(connection, [text], form, zone) == [utc]


def test_dates_of_a_recipe_are_midnight_on_the_shops_clock() -> None:
    assert moment_in_utc("2011-07-01", time_zone="Europe/London") == pd.Timestamp("2011-06-30 23:00")
    assert moment_in_utc("2011-07-01T12:00+00:00", time_zone="Europe/London") == pd.Timestamp("2011-07-01 12:00")
    with pytest.raises(RecipeError, match="2011-11-01"):
        moment_in_utc("first of May", time_zone="UTC")


def test_format_is_guessed_from_examples() -> None:
    assert guess_format(["13/01/2011 9:30", "02/01/2011 9:30"]) == "%d/%m/%Y %H:%M"
    assert guess_format(["01/13/2011 9:30"]) == "%m/%d/%Y %H:%M"
    assert guess_format(["soon"]) is None
