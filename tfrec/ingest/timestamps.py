"""Turns text that tells a local time into a timestamp in UTC; what cannot be read becomes null."""

import datetime as dt
import zoneinfo
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.errors import RecipeError

EPOCH_UNITS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""Words for `time_format` that mean a count since 1970-01-01 UTC, and the microseconds of one count."""

_LAST_COUNT = 4_102_444_800_000_000  # microseconds until 2100: beyond lies the wrong unit
_OFFSET = r"\d[ T]?\d{2}:\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)$"
_GUESSES = (
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d-%m-%Y %H:%M",
    "%d-%m-%Y %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%Y%m%d%H%M%S",
    "%Y_%m_%d",
)


@ibis.udf.scalar.builtin
def try_strptime(text: str, form: str) -> dt.datetime:  # type: ignore[empty-body]
    """DuckDB: the timestamp that `text` tells in the format, or null."""


@ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp"), "timestamp('UTC')"))
def _at_zone(zone, moment):  # type: ignore[no-untyped-def]
    """DuckDB: the moment at which a clock in `zone` shows this local time."""


@ibis.udf.scalar.builtin(name="timezone", signature=(("string", "timestamp('UTC')"), "timestamp"))
def _in_zone(zone, moment):  # type: ignore[no-untyped-def]
    """DuckDB: what a clock in `zone` shows at this moment."""


@ibis.udf.scalar.builtin(name="make_timestamp")
def _make_timestamp(microseconds: int) -> dt.datetime:  # type: ignore[empty-body]
    """DuckDB: the moment so many microseconds after 1970-01-01 UTC."""


def parse_timestamps(text: ir.StringValue, *, time_format: Sequence[str], time_zone: str) -> ir.TimestampValue:
    """Returns UTC timestamps without a zone; null where no format fits.

    A local time that the clocks skip in spring moves on by the skipped hour; one that comes twice in autumn is one of
    the two.

    Args:
        text: e.g. `"2010-12-01 08:26:00"`.
        time_format: `strptime` formats, tried in order, or one of `EPOCH_UNITS`; empty = ISO 8601, where an offset
            in the text (`+02:00`, `Z`) takes the place of `time_zone`.
        time_zone: IANA name of the zone in which the text tells the time.
    """
    if len(time_format) == 1 and time_format[0] in EPOCH_UNITS:
        count = text.try_cast("float64") * EPOCH_UNITS[time_format[0]]
        return _make_timestamp(ibis.ifelse(count.between(0, _LAST_COUNT), count, None).round().cast("int64"))
    if time_format:
        local = ibis.coalesce(*(try_strptime(text, form) for form in time_format)).cast("timestamp")
        return _to_utc(local, time_zone)
    with_offset = text.re_search(_OFFSET)
    return ibis.ifelse(
        with_offset,
        _in_zone("UTC", text.try_cast("timestamp('UTC')")),
        _to_utc(text.try_cast("timestamp"), time_zone),
    )


def local_time(timestamps: ir.TimestampValue, time_zone: str) -> ir.TimestampValue:
    """Returns what a clock in `time_zone` shows at UTC timestamps."""
    if time_zone == "UTC":
        return timestamps
    return _in_zone(time_zone, _at_zone("UTC", timestamps))


def moment_in_utc(text: str, *, time_zone: str) -> pd.Timestamp:
    """Returns the moment that `text` (`2011-11-01`, `2011-11-01T12:00`) tells on the shop's clock, as naive UTC.

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


def guess_format(examples: Sequence[str]) -> str | None:
    """Returns the first usual `strptime` format that reads all examples; None when none does.

    Example: `guess_format(["13/01/2011 9:30"])` is `"%d/%m/%Y %H:%M"`.
    """
    for form in _GUESSES:
        try:
            for example in examples:
                dt.datetime.strptime(example, form)
        except ValueError:
            continue
        return form
    return None


def _to_utc(local: ir.TimestampValue, time_zone: str) -> ir.TimestampValue:
    if time_zone == "UTC":
        return local
    return _in_zone("UTC", _at_zone(time_zone, local))
