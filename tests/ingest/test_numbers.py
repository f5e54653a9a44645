import math
from collections.abc import Callable
from decimal import Decimal

import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec.ingest.numbers import NumberStyle, count_evidence, find_style, merge_evidence, number, style_of

CONNECTION = ibis.duckdb.connect()


def read(texts: list[str | None], *, declared: str = "") -> tuple[list[float | None], NumberStyle]:
    table = ibis.memtable({"text": texts}, schema={"text": "string"})
    style = find_style(table["text"], declared=declared, name="price")
    values = CONNECTION.execute(table.select(value=number(table["text"], style)))["value"]
    return [None if math.isnan(value) else float(value) for value in values], style


def codes(style: NumberStyle) -> list[str]:
    return [note.code for note in style.notes]


CERTAIN = {
    "12,99 €": 12.99, "£5": 5.0, "$1,234.00": 1234.0, "12.990,00 €": 12990.0, "1 234,50 zł": 1234.5, "EUR 5": 5.0,
    "1\u00a0234,50": 1234.5, "1\u202f234.50": 1234.5, "1\u2009234.50": 1234.5, "12.50 USD": 12.5, "5,50 kr.": 5.5,
    "1'234.50": 1234.5, "1’234.50": 1234.5, "CHF 1'234.50": 1234.5, "Rs. 500": 500.0, "US$ 5.50": 5.5, "R$ 5,50": 5.5,
    "12,50 Kč": 12.5, "￥1,234.0": 1234.0, "(12.50)": -12.5, "(€12.50)": -12.5, "12.50-": -12.5, "−12.50": -12.5,
    "€ -5,5": -5.5, "-€5.50": -5.5, "5.50 €-": -5.5, "+12": 12.0, "1,00,000.00": 100_000.0, "1,234,567": 1_234_567.0,
    "1.234.567": 1_234_567.0, "1.5e3": 1500.0, "4,00638E+12": 4.00638e12, "12,-": 12.0, "12.345,-- €": 12345.0,
    "0.125": 0.125, "1234,567": 1234.567, ".99": 0.99, "7": 7.0, "007": 7.0, "1 234'567": 1_234_567.0,
}  # fmt: skip
NO_NUMBERS = [
    "", " ", "nan", "NaN", "inf", "-Infinity", "n/a", "1_000", "1e999", "1e39", "12 34", "1.2.3", "02.01.2024", "--5",
    "(1) 234", "-(5)", "(-5)", "5€50", "5 MIO", "1,23.45", "1,234.567.890", "=5", ".", "€", "10-12", "1/2", "0x1F",
    "5 %", "6'11", "123,456e3", "１２", "5 EURO", "1.234.56", "0,123,456", None,
]  # fmt: skip


def read_as(texts: list[str | None], decimal: str) -> list[float | None]:
    table = ibis.memtable({"text": texts}, schema={"text": "string"})
    values = CONNECTION.execute(table.select(value=number(table["text"], NumberStyle(decimal))))["value"]
    return [None if math.isnan(value) else float(value) for value in values]


@pytest.mark.parametrize("decimal", ["", ".", ","])
def test_a_number_that_is_certain_in_itself_is_read_by_its_own_evidence(decimal: str) -> None:
    assert dict(zip(CERTAIN, read_as([*CERTAIN], decimal), strict=True)) == CERTAIN


@pytest.mark.parametrize("decimal", ["", ".", ","])
def test_what_is_no_certain_number_is_not_read(decimal: str) -> None:
    assert dict(zip(NO_NUMBERS, read_as(NO_NUMBERS, decimal), strict=True)) == dict.fromkeys(NO_NUMBERS)


def test_an_ambiguous_value_is_read_as_its_column_is() -> None:
    assert read(["1.234", "5,99"])[0] == [1234.0, 5.99]
    assert read(["1.234", "5.99"])[0] == [1.234, 5.99]
    assert read(["1,234", "5.99"])[0] == [1234.0, 5.99]
    assert read(["1,234", "5,99"])[0] == [1.234, 5.99]
    assert read(["1.234", "1.234,50"])[1].notes == ()


def test_the_declared_sign_settles_ambiguous_values_without_a_note() -> None:
    for declared, values in ((".", [1.5, 2500.0]), (",", [1500.0, 2.5])):
        assert read(["1.500", "2,500"], declared=declared) == (
            values,
            NumberStyle(decimal=declared, values=2, ambiguous=2),
        )


def test_without_evidence_the_usual_reading_is_taken_and_noted() -> None:
    for texts, values, words in [
        (["1,234", "1,999", "7"], [1234.0, 1999.0, 7.0], "thousands sign"),
        (["1.234", "1.999"], [1.234, 1.999], "decimal sign"),
        (["1.234", "1999"], [1.234, 1999.0], "decimal sign"),
        (["1.200", "500", "12.500"], [1200.0, 500.0, 12500.0], "thousands sign"),
    ]:
        read_values, style = read(texts)
        assert read_values == values
        assert codes(style) == ["decimal_assumed"]
        assert words in style.notes[0].text
        confirmed = read(texts, declared=style.decimal)
        assert confirmed[0] == values and confirmed[1].notes == ()


def test_ambiguous_values_with_both_signs_are_not_guessed() -> None:
    values, style = read(["1.234", "1,234"])
    assert values == [None, None]
    assert codes(style) == ["decimal_unknown"]


def test_two_conventions_in_a_column_leave_ambiguous_values_unread() -> None:
    values, style = read(["5.99", "6,99", "1.234", "1,234"])
    assert values == [5.99, 6.99, None, None]
    assert codes(style) == ["decimal_mixed"]
    assert read(["5.99", "6,99", "1.234"], declared=".")[0] == [5.99, 6.99, 1.234]


def test_a_declared_sign_that_every_value_contradicts_reads_no_ambiguous_value() -> None:
    values, style = read(["599.60", "1,719.60", "1,720"], declared=",")
    assert values == [599.6, 1719.6, None]
    assert [(note.code, note.count) for note in style.notes] == [("decimal_contradiction", 2)]
    assert "2 of 3 values" in style.notes[0].text and 'decimal = "."' in style.notes[0].text


def test_several_currencies_are_noted() -> None:
    assert codes(read(["£5", "$5", "$7", "9"])[1]) == ["currency_mixed"]
    assert codes(read(["£5", "£7", "9", "1.5e3"])[1]) == []


@pytest.mark.parametrize("declared", ["", ".", ","])
@pytest.mark.parametrize(
    ("write", "factor"),
    [
        (lambda cents: f"{cents * 40 / 100:,.2f}", 40),
        (lambda cents: f"{cents * 1000 / 100:.2f}", 1000),
        (lambda cents: f"{cents * 10:,}".replace(",", ".") + ",00 €", 1000),
    ],
    ids=["thousands sign from a thousand on", "point", "comma with euro sign"],
)
def test_prices_of_an_export_are_read_whatever_is_declared(
    write: Callable[[int], str], factor: int, declared: str
) -> None:
    cents = list(range(99, 4400, 100))
    values = read([write(one) for one in cents], declared=declared)[0]
    assert values == [one * factor / 100 for one in cents]


def _written(value: Decimal, *, decimal: str, group: str, places: int, dress: str) -> str:
    text = f"{abs(value):,.{places}f}".replace(",", "G").replace(".", decimal).replace("G", group)
    return ("-" if value < 0 else "") + dress.replace("#", text)


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.decimals(-3_000_000, 3_000_000, places=3), min_size=1, max_size=40),
    convention=st.sampled_from(
        [
            (".", ""),
            (".", ","),
            (".", " "),
            (".", "'"),
            (".", "\u202f"),
            (",", ""),
            (",", "."),
            (",", "\u00a0"),
            (",", "’"),
        ]
    ),
    places=st.integers(0, 3),
    dress=st.sampled_from(["#", "# €", "€#", "$ #", "# zł", "CHF #", "#\u00a0EUR"]),
    is_declared=st.booleans(),
)
def test_no_number_is_read_as_another(
    values: list[Decimal], convention: tuple[str, str], places: int, dress: str, is_declared: bool
) -> None:
    decimal, group = convention
    rounded = [round(value, places) for value in values]
    texts = [_written(value, decimal=decimal, group=group, places=places, dress=dress) for value in rounded]
    found, style = read([*texts], declared=decimal if is_declared else "")
    if "decimal_assumed" in codes(style):
        return  # no value shows its convention: the note says so
    for text, written, value in zip(texts, rounded, found, strict=True):
        assert value is None or value == float(written), text
    if is_declared:
        assert None not in found


def test_evidence_of_parts_is_that_of_all_texts() -> None:
    parts = [["1,50", "2", "", "x"], ["1.234", "€ 3", "500"], ["7.25 USD", "x y", "1,234"], [""]]
    counted = [count_evidence(ibis.memtable({"text": texts})["text"]) for texts in parts]
    whole = ibis.memtable({"text": [text for texts in parts for text in texts]})["text"]
    assert merge_evidence(counted) == count_evidence(whole)
    assert style_of(merge_evidence(counted), declared="", name="price") == find_style(whole, name="price")
