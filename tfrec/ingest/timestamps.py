"""Turns text that contains a time into a timestamp in UTC; what cannot be read becomes null."""

import re
import zoneinfo
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.errors import RecipeError
from tfrec.sources.engine import make_timestamp, try_strptime

EPOCH_UNITS: dict[str, float] = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1, "epoch_ns": 0.001}
"""Words for `time_format` that mean a count since 1970-01-01 UTC, and the microseconds of one count."""

EXCEL_DAYS = "excel_days"
"""Word for `time_format` that means days since 1899-12-30 on the clock of the time zone, as spreadsheets count them."""

COUNTS = (*EPOCH_UNITS, EXCEL_DAYS)
"""Words for `time_format` that mean a number, and no form of text."""

_FIRST_DAY, _LAST_DAY, _DAYS_TO_1970 = 32_874, 73_051, 25_569  # days until 1990, 2100 and 1970
_FIRST_COUNT, _LAST_COUNT = 631_152_000_000_000, 4_102_444_800_000_000  # microseconds until 1990 and until 2100
_COUNT = r"^\d+(?:\.\d+)?$"
_ISO = r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}(?:[T ]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)?$"
_OFFSET = r"(?:(?i:UTC|GMT) ?)?[-+−]\d{1,2}(?::?\d{2})?"
_UTC = r"(?i:UTC|GMT|Z)"
_CLOCK = r"(?::\d{2}(?:[.,]\d+)?|\dT\d{2,6}(?:[.,]\d+)?|\d{12,14})(?:\s?[AaPp]\.?[Mm]\.?)?"
_ZONED = (  # an offset only behind a time of day: `-02` of `2024-01-02` is a day; a year or a zone's name may follow
    rf"^(?:(.*{_CLOCK})\s*({_OFFSET})|(.*\d(?:\s?[AaPp]\.?[Mm]\.?)?)\s*({_UTC}))((?:\s+\d{{4}})?)"
    r"(?:\s*[\[(][^\])]*[\])])?$"
)
_MAY_BE_ZONED = r"[+−Zz]|:\d.*-|(?i:UTC|GMT)|(?:T\d+|\d{12})\s?-"
_FORM_ZONE = re.compile(r"\s*(?:GMT|UTC)?\s*%[zZ]|\s*(?:UTC|GMT|(?<!%)Z)$")


@ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp"), "timestamp('UTC')"))
def _at_zone(zone, moment):  # type: ignore[no-untyped-def]
    """Returns the moment at which a clock in `zone` shows this local time (DuckDB)."""


@ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp('UTC')"), "timestamp"))
def _in_zone(zone, moment):  # type: ignore[no-untyped-def]
    """Returns what a clock in `zone` shows at this moment (DuckDB)."""


def parse_timestamps(text: ir.StringValue, *, time_format: Sequence[str], time_zone: str) -> ir.TimestampValue:
    """Returns UTC timestamps without a zone; null where no format fits.

    An offset in the text (`+02:00`, `+0200`, `+02`, `Z`, `UTC`, `GMT`) takes the place of `time_zone`, whether the
    format has `%z` or not; any other name of a zone makes the text unreadable. A local time that the clocks skip in
    spring moves on by the skipped hour; one that comes twice in autumn is one of the two.

    Args:
        text: e.g. `"2010-12-01 08:26:00"`.
        time_format: `strptime` formats, tried in order, or one of `COUNTS`; empty = ISO 8601, with a year of four
            digits.
        time_zone: IANA name of the zone of texts without an offset.
    """
    if is_epoch(time_format):
        return read_local(text, time_format)
    zoned = text.re_search(_MAY_BE_ZONED) & text.re_search(_ZONED)
    as_utc = read_local(without_offset(text), time_format)
    return ibis.ifelse(
        zoned,
        as_utc - _offset_minutes(text).as_interval("m"),
        _to_utc(read_local(text, time_format), time_zone),
    )


def read_local(text: ir.StringValue, time_format: Sequence[str]) -> ir.TimestampValue:
    """Returns the time that texts without an offset show, whatever the zone; null where no format fits.

    Args:
        text: see `without_offset`.
        time_format: see `parse_timestamps`.
    """
    if is_epoch(time_format):
        count = ibis.ifelse(text.re_search(_COUNT), text.try_cast("float64"), None) * EPOCH_UNITS[time_format[0]]
        # A count that lies elsewhere is of another unit; 0 stands for no date and stays 1970-01-01.
        is_possible = count.between(_FIRST_COUNT, _LAST_COUNT) | (count == 0)
        return make_timestamp(ibis.ifelse(is_possible, count, None).round().cast("int64"))
    if tuple(time_format) == (EXCEL_DAYS,):
        days = ibis.ifelse(text.re_search(_COUNT), text.try_cast("float64"), None)
        days = ibis.ifelse(days.between(_FIRST_DAY, _LAST_DAY), days, None)
        # To the millisecond: a fraction of a day is not exact.
        return make_timestamp(((days - _DAYS_TO_1970) * 86_400_000).round().cast("int64") * 1_000)
    if not time_format:
        return ibis.ifelse(text.re_search(_ISO), text.replace(",", ".").try_cast("timestamp"), None)
    return ibis.coalesce(*(_strptime(text, form) for form in time_format)).cast("timestamp")


def without_offset(text: ir.StringValue) -> ir.StringValue:
    """Returns texts without their offset from UTC: `"2024-01-02 14:34 +0100"` becomes `"2024-01-02 14:34"`."""
    return ibis.ifelse(text.re_search(_MAY_BE_ZONED), text.re_replace(_ZONED, r"\1\3\5"), text)


def is_epoch(time_format: Sequence[str]) -> bool:
    """Returns whether the format is a count since 1970-01-01 UTC."""
    return len(time_format) == 1 and time_format[0] in EPOCH_UNITS


def local_time(timestamps: ir.TimestampValue, time_zone: str) -> ir.TimestampValue:
    """Returns what a clock in `time_zone` shows at UTC timestamps."""
    if time_zone == "UTC":
        return timestamps
    return _in_zone(time_zone, _at_zone("UTC", timestamps))


def moment_in_utc(text: str, *, time_zone: str) -> pd.Timestamp:
    """Returns the moment that `text` (`2011-11-01`, `2011-11-01T12:00`) denotes on the shop's clock, as naive UTC.

    Raises:
        RecipeError: it is no date or time.
    """
    try:
        moment = pd.Timestamp(text)
    except ValueError as error:
        raise RecipeError(f"{text!r} is no date or time. Write it as 2011-11-01 or 2011-11-01T12:00.") from error
    if moment is pd.NaT:
        raise RecipeError("A date or time is empty. Write it as 2011-11-01 or 2011-11-01T12:00.")
    if moment.tzinfo is None:
        moment = moment.tz_localize(zoneinfo.ZoneInfo(time_zone), ambiguous=True, nonexistent="shift_forward")
    return moment.tz_convert("UTC").tz_localize(None).as_unit("us")


def _to_utc(local: ir.TimestampValue, time_zone: str) -> ir.TimestampValue:
    if time_zone == "UTC":
        return local
    return _in_zone("UTC", _at_zone(time_zone, local))


def _strptime(text: ir.StringValue, form: str) -> ir.TimestampValue:
    """Returns a moment without its zone; `%Y` takes only years of four digits (the engine reads `24` as year 24)."""
    local = try_strptime(text, _FORM_ZONE.sub("", form))
    is_short = (local.year() < 1000) & ~text.re_search(r"\d{4}") if "%Y" in form else ibis.literal(False)
    return ibis.ifelse(is_short, None, local)


def _offset_minutes(text: ir.StringValue) -> ir.IntegerValue:
    """Returns minutes east of UTC; null where it is no possible offset."""
    offset = text.re_replace(_ZONED, r"\2")
    hours = offset.re_extract(r"(\d{1,2})(?::?(\d{2}))?$", 1).try_cast("int64").fill_null(0)
    minutes = offset.re_extract(r"(\d{1,2})(?::?(\d{2}))?$", 2).try_cast("int64").fill_null(0)
    size = ibis.ifelse((hours <= 14) & (minutes < 60), hours * 60 + minutes, None)
    return ibis.ifelse(offset.re_search("[-−]"), -size, size)
