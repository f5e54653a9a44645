import os
import subprocess
import sys

import ibis
import pandas as pd
import pytest

from tfrec.errors import RecipeError
from tfrec.ingest.timestamps import moment_in_utc, parse_timestamps


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
        ("45352.4166666667", ("excel_days",), "UTC", "2024-03-01 10:00:00"),
        ("45292", ("excel_days",), "Europe/Berlin", "2023-12-31 23:00:00"),
        ("0", ("excel_days",), "UTC", None),
        ("1300000000", ("excel_days",), "UTC", None),
        ("1300000000250", ("epoch_ms",), "UTC", "2011-03-13 07:06:40.250000"),
        ("2011-03-27 01:30:00", (), "Europe/London", "2011-03-27 01:30:00"),
        ("2011-13-01", (), "UTC", None),
        ("0000-00-00 00:00:00", (), "UTC", None),
        ("", (), "UTC", None),
        ("yesterday", (), "UTC", None),
        ("9e30", ("epoch_s",), "UTC", None),
        ("-5", ("epoch_s",), "UTC", None),
        ("1300000000000000000", ("epoch_ns",), "UTC", "2011-03-13 07:06:40"),
        ("1300000000", ("epoch_ms",), "UTC", None),
        ("1300000000000", ("epoch_s",), "UTC", None),
        ("1.3e9", ("epoch_s",), "UTC", None),
        ("2024-01-02T14:34:00,5", (), "UTC", "2024-01-02 14:34:00.500000"),
        ("2024/01/02 3:04", (), "UTC", "2024-01-02 03:04:00"),
        ("02-01-24", (), "UTC", None),
        ("24-01-02", (), "UTC", None),
        ("20240102", (), "UTC", None),
        ("02-01-24", ("%d-%m-%Y",), "UTC", None),
        ("02-01-24", ("%d-%m-%y",), "UTC", "2024-01-02 00:00:00"),
    ],
    ids=[
        "summer", "winter", "offset", "Zulu", "date alone", "American", "second format", "unpadded", "seconds",
        "serial number", "serial day", "serial zero", "seconds as serial number",
        "milliseconds", "skipped hour", "month 13", "zeros", "empty", "word", "huge count", "negative count",
        "nanoseconds", "seconds as milliseconds", "milliseconds as seconds", "rounded count", "decimal comma",
        "slashes", "short year behind", "short year in front", "digits", "short year as a long one", "short year",
    ],
)  # fmt: skip
def test_text_becomes_utc_or_null(
    connection: ibis.BaseBackend, text: str, form: tuple[str, ...], zone: str, utc: str | None
) -> None:
    assert parse(connection, [text], form, zone) == [utc]


ISO_14_34 = {
    "2024-01-02 14:34:00 +0100": "13:34", "2024-01-02T14:34:00+01:00": "13:34", "2024-01-02 14:34:00+01": "13:34",
    "2024-01-02 14:34:00 UTC": "14:34", "2024-01-02 14:34 GMT": "14:34", "2024-01-02T14:34:00.000Z": "14:34",
    "2024-01-02 14:34-0530": "20:04", "2024-01-02 14:34:00 −01:00": "15:34", "2024-01-02 14:34 GMT+1": "13:34",
    "2024-01-02T14:34:00+01:00[Europe/Paris]": "13:34", "2024-01-02 14:34:00": "22:34",
}  # fmt: skip


def test_an_offset_in_the_text_takes_the_place_of_the_zone(connection: ibis.BaseBackend) -> None:
    read = parse(connection, [*ISO_14_34], (), "America/Los_Angeles")
    assert dict(zip(ISO_14_34, read, strict=True)) == {
        text: f"2024-01-02 {clock}:00" for text, clock in ISO_14_34.items()
    }


@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M %z", "%d/%m/%Y %H:%M%z", "%d/%m/%Y %H:%M %Z"])
def test_a_format_reads_offsets_with_and_without_a_word_for_them(connection: ibis.BaseBackend, form: str) -> None:
    texts = ["02/01/2024 14:34 +0100", "02/01/2024 14:34+01:00", "02/01/2024 14:34 UTC", "02/01/2024 14:34Z"]
    hours = [str(one)[11:16] for one in parse(connection, [*texts, "02/01/2024 14:34"], (form,), "America/Los_Angeles")]
    assert hours == ["13:34", "13:34", "14:34", "14:34", "22:34"]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("02/Jan/2024:14:34:00 +0100", "%d/%b/%Y:%H:%M:%S %z"),
        ("Tue Jan 02 14:34:00 +0100 2024", "%a %b %d %H:%M:%S %z %Y"),
        ("Tue, 02 Jan 2024 13:34:00 GMT", "%a, %d %b %Y %H:%M:%S %Z"),
        ("Tue Jan 02 2024 14:34:00 GMT+0100 (Central European Standard Time)", "%a %b %d %Y %H:%M:%S GMT%z"),
        ("20240102T143400+0100", "%Y%m%dT%H%M%S"),
        ("20240102093400 -04", "%Y%m%d%H%M%S"),
        ("2024-01-02T13:34:00Z", "%Y-%m-%dT%H:%M:%SZ"),
        ("1/2/2024 2:34 PM +0100", "%m/%d/%Y %I:%M %p"),
    ],
    ids=["web server", "year behind", "mail", "browser", "compact", "digits", "literal Z", "12-hour clock"],
)
def test_usual_texts_with_an_offset_are_read(connection: ibis.BaseBackend, text: str, form: str) -> None:
    assert parse(connection, [text], (form,), "Asia/Tokyo") == ["2024-01-02 13:34:00"]


@pytest.mark.parametrize("zone", ["CET", "PST", "America/Los_Angeles", "+2500", "Etc/GMT+5"])
def test_other_names_of_zones_are_not_read(connection: ibis.BaseBackend, zone: str) -> None:
    assert parse(connection, [f"2024-01-02 14:34:00 {zone}"]) == [None]
    assert parse(connection, [f"2024-01-02 14:34:00 {zone}"], ("%Y-%m-%d %H:%M:%S %Z",)) == [None]


def test_the_machines_own_zone_does_not_matter() -> None:
    program = (
        "from tests.ingest.test_timestamps import parse, ISO_14_34\n"
        "import ibis\n"
        "connection = ibis.duckdb.connect()\n"
        "print(parse(connection, [*ISO_14_34], (), 'Europe/Berlin'))\n"
        "print(parse(connection, ['02/01/2024 14:34', '02/01/2024 14:34 +0100'], ('%d/%m/%Y %H:%M %z',)))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=True
        ).stdout
        for zone in ("UTC", "Asia/Kolkata")
    }
    assert len(printed) == 1 and "13:34" in printed.pop()


def test_dates_of_a_recipe_are_midnight_on_the_shops_clock() -> None:
    assert moment_in_utc("2011-07-01", time_zone="Europe/London") == pd.Timestamp("2011-06-30 23:00")
    assert moment_in_utc("2011-07-01T12:00+00:00", time_zone="Europe/London") == pd.Timestamp("2011-07-01 12:00")
    with pytest.raises(RecipeError, match="2011-11-01"):
        moment_in_utc("first of May", time_zone="UTC")
