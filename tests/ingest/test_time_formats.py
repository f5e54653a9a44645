import random

import ibis
import pandas as pd
import pytest

from tfrec.errors import SourceError
from tfrec.ingest.time_formats import check_times
from tfrec.sources.notes import Note

YEAR = pd.date_range("2024-01-01 08:00", "2024-12-30", freq="31h")
EARLY = YEAR[YEAR.day <= 12]


def check(texts: list[str], form: tuple[str, ...] = ()) -> list[Note]:
    rows = {"timestamp": texts, "_file": [0] * len(texts), "_row": range(1, len(texts) + 1)}
    return check_times(ibis.memtable(pd.DataFrame(rows)), time_format=form, where="log.csv")


def refusal(texts: list[str], form: tuple[str, ...] = ()) -> str:
    with pytest.raises(SourceError, match=r"log\.csv") as caught:
        check(texts, form)
    return str(caught.value)


@pytest.mark.parametrize(
    "form",
    [
        "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d.%m.%y", "%d-%m-%y %H:%M", "%m/%d/%y %I:%M %p", "%Y%m%d", "%b %d, %Y",
        "%d-%b-%Y %H:%M", "%d %B %Y", "%Y.%m.%d", "%a %b %d %H:%M:%S %Y", "%Y%m%dT%H%M%S",
    ],
)  # fmt: skip
def test_the_format_that_reads_all_rows_is_named(form: str) -> None:
    words = refusal([f"{day:{form}}" for day in YEAR])
    assert f'Set time_format = "{form}" in [events]' in words
    assert f"{len(YEAR)} of {len(YEAR)}" in words
    assert not check([f"{day:{form}}" for day in YEAR], (form,))


def test_an_offset_is_no_part_of_the_format() -> None:
    assert 'Set time_format = "%d/%m/%Y %H:%M" in' in refusal([f"{day:%d/%m/%Y %H:%M} +0100" for day in YEAR])


def test_day_and_month_are_never_chosen_where_both_orders_read_all_rows() -> None:
    words = refusal([f"{day:%d/%m/%Y %H:%M}" for day in EARLY])
    assert 'time_format = "%d/%m/%Y %H:%M" and time_format = "%m/%d/%Y %H:%M" read' in words
    assert "'01/02/2024 " in words
    assert "1 February 2024 by" in words and "2 January 2024 by" in words
    assert 'earlier than the row before: 0 by "%d/%m/%Y %H:%M"' in words


def test_a_format_with_day_and_month_changed_over_is_refused_however_few_rows_it_cannot_read() -> None:
    texts = [f"{day:%d/%m/%Y}" for day in EARLY] * 9 + ["13/01/2024"]
    for beside in ([], ["n/a", "unknown"]):
        words = refusal([*texts, *beside], ("%m/%d/%Y",))
        assert 'time_format = "%d/%m/%Y" reads them and all others' in words
        assert not check([*texts, *beside], ("%d/%m/%Y",))


def test_clocks_of_several_lengths_need_several_formats() -> None:
    texts = [f"{day:%d.%m.%Y %H:%M}" if day.hour % 2 else f"{day:%d.%m.%Y %H:%M:%S}" for day in YEAR]
    assert 'time_format = ["%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S"]' in refusal(texts)


@pytest.mark.parametrize(
    ("count", "given", "right"),
    [
        (1_704_196_440, "epoch_ms", "epoch_s"),
        (1_704_196_440_000, "epoch_s", "epoch_ms"),
        (1_704_196_440_000_000, "epoch_ms", "epoch_us"),
        (1_704_196_440_000_000_000, "epoch_us", "epoch_ns"),
        (1_704_196_440, "", "epoch_s"),
        (1_704_196_440_000, "%Y-%m-%d", "epoch_ms"),
    ],
)
def test_the_right_unit_of_a_count_is_named(count: int, given: str, right: str) -> None:
    assert f'Set time_format = "{right}"' in refusal(
        [str(count + step) for step in range(5)], (given,) if given else ()
    )


def test_iso_under_a_format_is_recognised() -> None:
    assert "Leave `time_format` out" in refusal(["2024-01-02 14:34:00 +0100"] * 3, ("%d/%m/%Y",))


def test_serial_numbers_of_a_spreadsheet_are_recognised() -> None:
    assert 'time_format = "excel_days"' in refusal(["45293.607", "45294"])


def test_texts_of_no_usual_format_are_explained() -> None:
    assert "offsets" in refusal(["2024-01-02 14:34 CET"])
    assert "strptime" in refusal(["soon"])


def test_formats_that_differ_on_the_same_texts_are_noted() -> None:
    texts = [f"{day:%d/%m/%Y}" for day in YEAR]
    (note,) = check(texts, ("%d/%m/%Y", "%m/%d/%Y"))
    same = {f"{day:%d/%m/%Y}" for day in EARLY if day.day == day.month}
    assert note.code == "time_formats_differ"
    assert note.count == sum(day.day <= 12 and f"{day:%d/%m/%Y}" not in same for day in YEAR)
    assert "by the first" in note.text


def test_a_few_texts_of_another_format_are_noted_and_words_are_not() -> None:
    iso = [str(day) for day in YEAR]
    assert check([*iso, "n/a", "unknown", ""]) == []
    (note,) = check([*iso, "13.01.2024", "14.02.2024"])
    assert (note.code, note.count) == ("times_unread", 2)
    assert '"%d.%m.%Y"' in note.text


def test_every_row_counts_and_not_a_sample() -> None:
    texts = [f"{day:%m/%d/%Y %H:%M:%S}" for day in pd.date_range("2024-01-01", "2024-01-12 23:00", periods=5_000)]
    random.Random(0).shuffle(texts)
    assert "cannot be read" in refusal([*texts, "01/13/2024 00:00:00"], ("%d/%m/%Y %H:%M:%S",))
