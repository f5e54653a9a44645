"""Exchange rates by day: which rate an event gets, and what becomes of those without one."""

from pathlib import Path

import pandas as pd
import pytest

from tests.ingest.small_shop import HEADER, RECIPE, write_small_shop
from tfrec.errors import RecipeError, SourceError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared

MONEY = RECIPE.replace('price = "paid"\n', 'price = "paid"\ncurrency = "money"\n')
TABLE = """
[events.rate_table]
files = "rates.csv"

[events.rate_table.columns]
currency = "code"
day = "date"
rate = "eur"
"""
RATES = [
    "USD,2024-01-10,0.9",
    "USD,2024-01-20,0.8",
    "usd,2024-02-01,0.5",
    "GBP,2024-01-01,1.2",
]
ROWS = [
    "1,7,A,2024-01-10 00:00:00,1,10,apple,DE,USD",  # midnight in Berlin is the day before in UTC
    "2,7,A,2024-01-19 23:59:59,1,10,apple,DE,USD",
    "3,7,A,2024-01-20 00:00:00,2,10,apple,DE,USD",
    "4,8,B,2024-02-15 12:00:00,1,10,bread,DE,USD",
    "5,8,B,2024-02-15 12:00:00,1,10,bread,DE,GBP",
    "6,8,B,2024-02-15 12:00:00,1,10,bread,DE,EUR",
    "7,8,B,2024-02-15 12:00:00,1,10,bread,DE,",
    "8,9,D,2024-03-01 00:00:00,1,10,dates,AT,USD",
]


def prepare(
    folder: Path, rows: list[str], rates: list[str], *, table: str = TABLE, recipe: str = MONEY, extra: str = ""
) -> Prepared:
    path = write_small_shop(folder, rows=rows, header=f"{HEADER},money", recipe=recipe, extra=table + extra)
    (folder / "rates.csv").write_text("\n".join(["code,date,eur", *rates]) + "\n")
    return prepare_shop(path, folder / "prepared")


def prices(prepared: Prepared) -> dict[str, float]:
    """Returns order → unit price."""
    events = pd.concat([prepared.train.events, prepared.test.events])
    return {order: round(float(price), 4) for order, price in zip(events["order_id"], events["price"], strict=True)}


def test_last_rate_known_at_the_shops_day_counts(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, ROWS, RATES)
    assert prices(prepared) == {"1": 9, "2": 9, "3": 8, "4": 5, "5": 12, "6": 10, "7": 10, "8": 5}
    assert prepared.manifest.rejected == {}
    counts = prepared.manifest.tables
    assert (counts["rates"].read, counts["rates"].kept) == (4, 4)
    assert counts["events"].read == counts["events"].kept == 8


def test_event_before_the_first_rate_or_of_no_known_currency_is_rejected(tmp_path: Path) -> None:
    rows = [
        *ROWS,
        "9,7,A,2024-01-09 23:59:59,1,10,apple,DE,USD",
        "10,7,A,2024-02-09 12:00:00,1,10,apple,DE,CHF",
        "11,7,A,,1,10,apple,DE,USD",
    ]
    prepared = prepare(tmp_path, rows, RATES)
    assert prepared.manifest.rejected == {"missing rate": 2, "missing timestamp": 1}
    rejected = pd.read_parquet(prepared.path / "rejected.parquet")
    assert rejected[["row", "reason"]].values.tolist() == [
        [9, "missing rate"],
        [10, "missing rate"],
        [11, "missing timestamp"],
    ]
    assert prepared.manifest.rows == prepared.manifest.kept + 3 == 11


def test_row_without_a_currency_has_that_of_its_order(tmp_path: Path) -> None:
    rows = [*ROWS, "4,8,C,2024-02-15 12:00:00,1,3,cake,DE,"]
    events = prepare(tmp_path, rows, RATES).train.events
    assert events.loc[events["item_id"] == "C", "price"].tolist() == [1.5]


def test_bad_rates_are_in_the_ledger_and_change_no_price(tmp_path: Path) -> None:
    bad = {
        ",2024-02-02,0.7": "missing currency",
        "USD,,0.7": "missing day",
        "USD,someday,0.7": "unreadable day",
        "USD,2024-02-02,": "missing rate",
        "USD,2024-02-02,many": "unreadable rate",
        "USD,2024-02-02,0": "impossible rate",
        "USD,2024-02-02,-1": "impossible rate",
        "USD,2024-02-01,0.7": "duplicate rate",
    }
    filling = [f"SEK,2024-01-{day:02},0.1" for day in range(1, 28)]
    prepared = prepare(tmp_path, ROWS, [*RATES, *filling, *bad])
    assert prices(prepared)["4"] == 5
    rejected = pd.read_parquet(prepared.path / "rejected.parquet")
    assert set(rejected["table"]) == {"rates"}
    assert rejected["reason"].tolist() == list(bad.values())
    counts = prepared.manifest.tables["rates"]
    assert (counts.read, counts.kept, counts.rejected) == (len(RATES) + 27 + len(bad), len(RATES) + 27, len(bad))


def test_inverse_rates_are_read_as_the_central_bank_writes_them(tmp_path: Path) -> None:
    table = TABLE.replace('files = "rates.csv"', 'files = "rates.csv"\nis_inverse = true\ntime_format = "%d.%m.%Y"')
    prepared = prepare(tmp_path, ROWS, ["USD,10.01.2024,1.25", "GBP,01.01.2024,0.5"], table=table)
    assert prices(prepared) == {"1": 8, "2": 8, "3": 8, "4": 8, "5": 20, "6": 10, "7": 10, "8": 8}


def test_costs_are_converted_at_the_same_rate(tmp_path: Path) -> None:
    recipe = MONEY.replace('price = "paid"\n', 'price = "paid"\ncost = "qty"\n')
    prepared = prepare(tmp_path, ROWS[:3] + ROWS[-1:], RATES, recipe=recipe)
    items = prepared.train.items.set_index("item_id")
    # revenue 9 + 9 + 2 · 8, costs 0.9 + 0.9 + 2 · 0.8
    assert items.loc["A", "margin"] == pytest.approx((34 - 3.4) / 34)


def test_return_at_another_rate_takes_its_purchase_back(tmp_path: Path) -> None:
    rows = [*ROWS, "x1,7,A,2024-02-20 12:00:00,-2,10,apple,DE,USD"]
    returns = prepare(tmp_path, rows, RATES).manifest.returns
    assert returns is not None
    assert (returns.pieces, returns.matched_pieces, returns.matched_value) == (2, 2, 16)


def test_constant_rates_stay_what_they_were(tmp_path: Path) -> None:
    recipe = MONEY.replace('type = "purchase"\n', 'type = "purchase"\nrates = {USD = 0.5, GBP = 2.0}\n')
    prepared = prepare(tmp_path, [*ROWS, "9,7,A,2024-02-09 12:00:00,1,10,apple,DE,CHF"], RATES, table="", recipe=recipe)
    assert prices(prepared) == {"1": 5, "2": 5, "3": 5, "4": 5, "5": 20, "6": 10, "7": 10, "8": 5}
    assert prepared.manifest.rejected == {"other currency": 1}


def test_absent_rates_stop_the_preparation(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is a header but no row"):
        prepare(tmp_path, ROWS, [])


@pytest.mark.parametrize(
    ("recipe", "table", "message"),
    [
        (MONEY.replace('currency = "money"\n', ""), TABLE, "needs each row's currency"),
        (MONEY.replace('type = "purchase"\n', 'type = "purchase"\nrates = {USD = 0.5}\n'), TABLE, "and not both"),
        (MONEY, TABLE.replace('rate = "eur"\n', ""), "columns must map rate of the rates file"),
        (MONEY, TABLE.replace("rates.csv", 'rates.csv"\noptional = true\nformat = "csv'), "must not be optional"),
    ],
    ids=["no currency", "two ways", "no rate", "optional"],
)
def test_recipe_of_rates_is_checked(tmp_path: Path, recipe: str, table: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        prepare(tmp_path, ROWS, RATES, recipe=recipe, table=table)
