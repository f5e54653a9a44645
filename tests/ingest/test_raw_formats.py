"""Shops whose raw files are spreadsheets or nested records, from file to prepared tables."""

import datetime as dt
import json
from pathlib import Path

import pandas as pd

from tests.sources.spreadsheets import write_xlsx
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.privacy import pseudonyms

SPLIT = "[split]\ntest_from = 2024-03-01\nvalidation_from = 2024-02-01\n"
COLUMNS = (
    "order_id = 'Invoice'\nuser_id = 'Customer'\nitem_id = 'Code'\n"
    "timestamp = 'When'\nquantity = 'Qty'\nprice = 'Price'\n"
)
EVENTS = f"name = 'shop'\n[events]\nfiles = 'FILE'\ntype = 'purchase'\nKEYS\n[events.columns]\n{COLUMNS}{SPLIT}"


def events_of(folder: Path) -> list[list]:
    events = pd.concat([pd.read_parquet(folder / f"{name}events.parquet") for name in ("", "test_")])
    names = ["order_id", "user_id", "item_id", "quantity", "price"]
    return [[*row, str(at)] for row, at in zip(events[names].values.tolist(), events["timestamp"], strict=True)]


def test_spreadsheet_gives_the_ids_numbers_and_dates_that_it_shows(tmp_path: Path) -> None:
    header = ["Invoice", "Customer", "Code", "When", "Qty", "Price"]
    rows = [
        ["Orders of the first quarter"],
        header,
        [536365, 17850.0, "85123A", dt.datetime(2024, 1, 5, 10, 0, 0), 6, 2.5],
        [536366, 13047.0, 71053.0, dt.datetime(2024, 3, 2, 23, 59, 59), 1, 0.25],
        [536367, 12345678901234567890, 71053, dt.datetime(2024, 3, 2), 1, 0.25],
    ]
    write_xlsx(tmp_path / "orders.xlsx", {"Orders": rows})
    (tmp_path / "shop.toml").write_text(EVENTS.replace("FILE", "orders.xlsx").replace("KEYS", ""))
    shop = prepare_shop(tmp_path / "shop.toml", tmp_path / "out")
    assert events_of(tmp_path / "out") == [
        ["536365", "17850", "85123A", 6, 2.5, "2024-01-05 10:00:00"],
        ["536366", "13047", "71053", 1, 0.25, "2024-03-02 23:59:59"],
    ]
    assert shop.manifest.rejected == {"rounded user_id": 1}


def test_dates_that_are_no_dates_in_the_spreadsheet_are_read_as_serial_numbers(tmp_path: Path) -> None:
    header = ["Invoice", "Customer", "Code", "When", "Qty", "Price"]
    rows = [header, [1, 7, "A", 45296.4166666667, 1, 2], [2, 7, "A", 45353, 1, 2]]
    write_xlsx(tmp_path / "orders.xlsx", {"Orders": rows})
    keys = "time_format = 'excel_days'\ntime_zone = 'Europe/Berlin'"
    (tmp_path / "shop.toml").write_text(EVENTS.replace("FILE", "orders.xlsx").replace("KEYS", keys))
    prepare_shop(tmp_path / "shop.toml", tmp_path / "out")
    assert [event[-1] for event in events_of(tmp_path / "out")] == ["2024-01-05 09:00:00", "2024-03-01 23:00:00"]


def test_user_ids_in_nested_records_become_pseudonyms_and_stand_nowhere(tmp_path: Path) -> None:
    key = bytes(range(32))
    (tmp_path / "key").write_bytes(key)
    orders = [
        {"id": 1, "who": {"id": "ann"}, "at": "2024-01-05", "items": [{"sku": "A", "n": 1}, {"sku": "B", "n": 0}]},
        {"id": 2, "who": {"id": "bob"}, "at": "2024-03-05", "items": [{"sku": "A", "n": 2}]},
        {"id": 3, "who": {"id": "cem"}, "at": "2024-03-06", "items": []},
    ]
    (tmp_path / "orders.jsonl").write_text("".join(json.dumps(order) + "\n" for order in orders))
    recipe = EVENTS.replace("FILE", "orders.jsonl").replace("KEYS", "")
    for old, new in {
        "Invoice": "id", "Customer": "who.id", "Code": "items[].sku", "When": "at", "Qty": "items[].n",
        "price = 'Price'\n": "",
    }.items():  # fmt: skip
        recipe = recipe.replace(old, new)
    (tmp_path / "shop.toml").write_text(recipe + "[privacy]\nkey_file = 'key'\n")
    shop = prepare_shop(tmp_path / "shop.toml", tmp_path / "out")
    hidden = pseudonyms(pd.Series(["ann", "bob"]), key=key).tolist()
    assert [event[:4] for event in events_of(tmp_path / "out")] == [["1", hidden[0], "A", 1], ["2", hidden[1], "A", 2]]
    assert shop.manifest.rejected == {"impossible quantity": 1, "missing item_id": 1}
    rejected = pd.read_parquet(tmp_path / "out" / "rejected.parquet")
    assert rejected[["file", "row"]].values.tolist() == [["orders.jsonl", 2], ["orders.jsonl", 4]]
    assert not any(name in raw for raw in rejected["raw"] for name in ("ann", "bob", "cem"))
