"""Finds the formats that read all texts of a time column, and refuses a format that would read other times."""

import dataclasses
import datetime as dt
import itertools
import re
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.errors import SourceError
from tfrec.ingest.timestamps import COUNTS, parse_timestamps, without_offset
from tfrec.sources.engine import md5
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note

_DATES = (
    *(form.replace("/", sep) for sep in "/.- " for form in ("%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y")),
    *(f"%Y{sep}%m{sep}%d" for sep in "/.- _"), *(f"%y{sep}%m{sep}%d" for sep in "/.-"),
    "%Y%m%d", "%d%m%Y", "%m%d%Y",
    *(f"%d{sep}%b{sep}%Y" for sep in " -/"), "%d-%b-%y", "%d %b %y", "%b %d %Y", "%b %d, %Y", "%d %b, %Y", "%Y-%b-%d",
    "%d %B %Y", "%d. %B %Y", "%B %d %Y", "%B %d, %Y", "%a, %d %b %Y", "%a %b %d %Y", "%A, %d %B %Y", "%A, %B %d, %Y",
)  # fmt: skip
_CLOCKS = (
    "", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %I:%M%p", "T%H:%M", "T%H:%M:%S",
    "T%H:%M:%S.%f", ", %H:%M", ", %H:%M:%S", ", %I:%M %p", ", %I:%M:%S %p", " %H.%M", ":%H:%M:%S", " at %I:%M %p",
)  # fmt: skip
_FAMILIES = (
    (),
    *(tuple(date + clock for clock in _CLOCKS) for date in _DATES),
    ("%Y%m%d%H%M", "%Y%m%d%H%M%S"),
    ("%Y%m%dT%H%M", "%Y%m%dT%H%M%S"),
    ("%a %b %d %H:%M:%S %Y",),
    *((count,) for count in COUNTS),
)
"""Formats that differ in the clock alone belong together; `()` is ISO 8601."""

_EXAMPLES = 200
_ZONE_NAME = r"\d (?:[A-Z]{2,5}|[A-Za-z]+/[A-Za-z_/+-]+\d*)$"


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a family of formats makes of the texts.

    Attributes:
        time_format: the formats that are needed; empty = ISO 8601.
        rows: rows that it reads.
        added: rows that it reads and the recipe's format does not.
        lost: rows that the recipe's format reads and it does not.
        differing: rows that both read, as different times.
    """

    time_format: tuple[str, ...]
    rows: int
    added: int
    lost: int
    differing: int

    @property
    def key(self) -> str:
        """The recipe's line for it."""
        if not self.time_format:
            return "ISO 8601 (no `time_format`)"
        quoted = [f'"{form}"' for form in self.time_format]
        return f"time_format = {quoted[0] if len(quoted) == 1 else '[' + ', '.join(quoted) + ']'}"


def check_times(
    mapped: ir.Table, *, time_format: Sequence[str], where: str, column: str = "timestamp", section: str = "events"
) -> list[Note]:
    """Returns what the owner of the texts should know of how their times are read.

    Args:
        mapped: text `column`, with `_file` and `_row`.
        time_format: the recipe's, see `parse_timestamps`.
        where: names of the files, for the error.
        column: column of the times.
        section: section of the recipe where `time_format` stands.

    Raises:
        SourceError: more than half of the texts cannot be read; another format reads these and more, but as different
            times (day and month changed over); a count is of another unit than the recipe says. Names each format that
            reads the texts, and never chooses one.
    """
    texts = _distinct(mapped[column])
    given = tuple(time_format)
    read = texts.mutate(read=_read_by(texts["text"], given))
    is_unread = read["read"].isnull()
    counted = read.aggregate(
        rows=read["rows"].sum().fill_null(0),
        unread=read["rows"].sum(where=is_unread).fill_null(0),
        example=read["text"].min(where=is_unread),
    )
    counts = counted.to_pyarrow().to_pylist()[0]
    if not counts["unread"]:
        return _contradictions(texts, given)
    readings = find_readings(texts, given)
    most = max((reading.rows for reading in readings), default=0)
    best = _unlike(texts, [reading for reading in readings if reading.rows == most])
    words = (
        f"{counts['unread']:,} of {counts['rows']:,} timestamps cannot be read as {_named(given)}, "
        f"e.g. {counts['example']!r}."
    )
    if counts["unread"] * 2 > counts["rows"]:
        if not best:
            raise SourceError(f"{where}: {words} {_explain(counts)}")
        comparison = _compare(mapped, column, best, counts["rows"])
        change = f"Set the right one in [{section}]" if len(best) > 1 else f"Set {best[0].key} in [{section}]"
        if not best[0].time_format:
            change = f"Leave `time_format` out of [{section}]"
        raise SourceError(f"{where}: {words} {comparison} {change} of the recipe.")
    if swapped := [reading for reading in best if reading.added and not reading.lost and reading.differing]:
        raise SourceError(
            f"{where}: {words} {swapped[0].key} reads them and all others, {swapped[0].differing:,} of these as other "
            f"times: {_both_readings(texts, given, swapped[0].time_format)} "
            f"Correct `time_format` in [{section}] of the recipe."
        )
    return [*_contradictions(texts, given), *_missed(texts, mapped, column, readings, words)]


def find_readings(texts: ir.Table, given: Sequence[str] = ()) -> list[Reading]:
    """Returns the families of formats that read any of the texts, tried on all of them.

    Args:
        texts: distinct `text` with their number of `rows`.
        given: the recipe's format, to compare with.
    """
    local = texts.select("text", "rows", local=without_offset(texts["text"]))
    examples = local.order_by(md5(local["text"])).limit(_EXAMPLES)
    families = _families_of([*examples.execute()["local"]])
    if (swapped := tuple(_swap_day_and_month(form) for form in given)) != tuple(given) and swapped not in families:
        families.append(swapped)
    base = _read_by(texts["text"], given)
    counted = {}
    for at, family in enumerate(families):
        read = _read_by(texts["text"], family)
        conditions = {
            "rows": read.notnull(),
            "added": read.notnull() & base.isnull(),
            "lost": read.isnull() & base.notnull(),
            "differing": read != base,
        }
        for name, condition in conditions.items():
            counted[f"{name}_{at}"] = texts["rows"].sum(where=condition).fill_null(0)
        if _has_short_year(family):
            counted[f"years_{at}"] = read.year().nunique()
            counted[f"days_{at}"] = read.day().nunique()
    counts = texts.aggregate(**counted).to_pyarrow().to_pylist()[0]
    readings = [
        Reading(family, *(counts[f"{name}_{at}"] for name in ("rows", "added", "lost", "differing")))
        for at, family in enumerate(families)
        # A year that varies more than the day of the month is a day: `31-01-24` is not of the year 31.
        if counts.get(f"years_{at}", 0) <= counts.get(f"days_{at}", 1)
    ]
    return [reading for reading in readings if reading.rows]


def _distinct(column: ir.StringColumn) -> ir.Table:
    """Returns each text that is not empty, with its number of rows."""
    texts = column.strip().name("text").as_table()
    return texts.filter(texts["text"] != "").group_by("text").aggregate(rows=lambda table: table.count())


def _read_by(text: ir.StringValue, time_format: Sequence[str]) -> ir.TimestampValue:
    return parse_timestamps(text, time_format=time_format, time_zone="UTC")


def _families_of(examples: list[str]) -> list[tuple[str, ...]]:
    """Returns the families that read an example, each with the formats that do."""
    families = []
    for family in _FAMILIES:
        if not family or family[0] in COUNTS:
            families.append(family)
            continue
        if used := tuple(form for form in family if any(_fits(example, form) for example in examples)):
            families.append(used)
    return families


def _swap_day_and_month(form: str) -> str:
    return re.sub("%[dm]", lambda sign: "%m" if sign[0] == "%d" else "%d", form)


def _fits(example: str, form: str) -> bool:
    try:
        dt.datetime.strptime(example, form)
    except ValueError:
        return False
    return True


def _has_short_year(time_format: Sequence[str]) -> bool:
    return any("%y" in form for form in time_format)


def _contradictions(texts: ir.Table, given: Sequence[str]) -> list[Note]:
    """Notes of pairs of the recipe's formats that read the same texts as different times."""
    notes = []
    for first, second in itertools.combinations(given, 2):
        a, b = _read_by(texts["text"], (first,)), _read_by(texts["text"], (second,))
        rows = int(texts.aggregate(rows=texts["rows"].sum(where=a != b).fill_null(0)).execute()["rows"].iloc[0])
        if rows:
            text = (
                f'{rows:,} timestamps fit both "{first}" and "{second}" and were read by the first: '
                f"{_both_readings(texts, (first,), (second,))} Leave out the format that is wrong."
            )
            notes.append(Note("time_formats_differ", rows, text))
    return notes


def _missed(texts: ir.Table, mapped: ir.Table, column: str, readings: list[Reading], words: str) -> list[Note]:
    """Returns a note on the formats that read what the recipe's does not; none where nothing does (`n/a`)."""
    helpful = [reading for reading in readings if reading.added and not reading.differing]
    if not helpful:
        return []
    most = max(reading.added for reading in helpful)
    helpful = _unlike(texts, [reading for reading in helpful if reading.added == most])
    advice = "Name all formats of the column in `time_format`."
    return [Note("times_unread", most, f"{words} {_compare(mapped, column, helpful, most)} {advice}")]


def _unlike(texts: ir.Table, readings: list[Reading]) -> list[Reading]:
    """Returns the readings without those that agree with an earlier one wherever both read."""
    kept: list[Reading] = []
    for reading in readings:
        read = _read_by(texts["text"], reading.time_format)
        pairs = {
            f"pair_{at}": (read != _read_by(texts["text"], other.time_format)).any().fill_null(False)
            for at, other in enumerate(kept)
        }
        if not pairs or texts.aggregate(**pairs).execute().iloc[0].all():
            kept.append(reading)
    return kept


def _compare(mapped: ir.Table, column: str, readings: list[Reading], rows: int) -> str:
    """Describes what one format reads, or how several readings differ, for the owner of the file to choose."""
    reach = f"{min(rows, readings[0].rows):,} of {rows:,}"
    if len(readings) == 1:
        return f"{readings[0].key} reads {reach}."
    keys = " and ".join(reading.key for reading in readings)
    words = _both_readings(_distinct(mapped[column]), *(reading.time_format for reading in readings))
    steps = [_steps_back(mapped, column, reading.time_format) for reading in readings]
    back = ", ".join(
        f"{count:,} by {_named(reading.time_format)}" for count, reading in zip(steps, readings, strict=True)
    )
    return f"{keys} read {reach}, as different times: {words} Rows that are earlier than the row before: {back}."


def _explain(counts: dict) -> str:
    if re.search(_ZONE_NAME, counts["example"]):
        return "Zones are read as offsets (+01:00), UTC or GMT alone: export the times in UTC."
    return "No usual format reads them: give their strptime format as `time_format` in the recipe."


def _both_readings(texts: ir.Table, *formats: Sequence[str]) -> str:
    """Returns a text with two readings: `'03/04/2024' is 3 April 2024 by "%d/%m/%Y" and 4 March 2024 by ...`."""
    read = {f"read_{at}": _read_by(texts["text"], form) for at, form in enumerate(formats)}
    readings = texts.select("text", **read)
    differing = readings.filter(readings["read_0"] != readings["read_1"]).order_by("text").limit(1).execute()
    if differing.empty:
        return "(no text shows the difference.)"
    row = differing.iloc[0]
    words = [f"{_shown(row[name])} by {_named(form)}" for name, form in zip(read, formats, strict=True)]
    return f"{row['text']!r} is {' and '.join(words)}."


def _steps_back(mapped: ir.Table, column: str, time_format: Sequence[str]) -> int:
    """Rows that are earlier than the row before them in their file: few in an export that was sorted by time."""
    rows = mapped.select(FILE, ROW, read=_read_by(mapped[column].strip(), time_format))
    rows = rows.filter(rows["read"].notnull())
    before = rows["read"].lag().over(ibis.window(group_by=FILE, order_by=ROW))
    back = rows.select(back=rows["read"] < before)
    return int(back["back"].sum().fill_null(0).execute())


def _named(time_format: Sequence[str]) -> str:
    return " or ".join(f'"{form}"' for form in time_format) or "ISO 8601 (such as 2024-01-31 14:05:00)"


def _shown(moment: pd.Timestamp) -> str:
    return f"{moment.day} {moment:%B %Y}" if pd.notna(moment) else "unreadable"
