import datetime
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.ingest.small_shop import HEADER, RECIPE, ROWS, parts_of, write_small_shop
from tfrec.errors import SourceError, TfrecError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import read_prepared

TABLES = ("events.parquet", "items.parquet", "users.parquet")
CANCELLED = '\n[[clean.drop]]\ncolumn = "order_id"\npattern = "^C"\nreason = "cancelled"\n'


def test_small_shop_is_read_cleaned_and_split(tmp_path: Path) -> None:
    rows = [*ROWS, "C7,7.0,A,2024-01-06 10:00:00,-1,2.00,apple,DE", ROWS[0], "8,7.0,,2024-01-06 10:00:00,1,1,x,DE"]
    prepared = prepare_shop(write_small_shop(tmp_path, rows=rows, extra=CANCELLED), tmp_path / "out")
    manifest = prepared.manifest
    assert manifest.rejected == {"cancelled": 1, "duplicate": 1, "missing item_id": 1}
    assert manifest.excluded == {"cancelled": 1}
    assert manifest.faulty == {"duplicate": 1, "missing item_id": 1}
    assert (manifest.rows, manifest.kept, manifest.train_events, manifest.test_events) == (10, 7, 5, 2)
    assert (manifest.train_orders, manifest.test_orders, manifest.users, manifest.items) == (4, 2, 2, 3)
    assert prepared.test_from == pd.Timestamp("2024-02-29 23:00")  # midnight in Berlin
    assert prepared.validation_from == pd.Timestamp("2024-01-31 23:00")
    events = prepared.train.events
    assert events["user_id"].tolist() == ["7", "7", "", "8", "7"]
    assert events["timestamp"].iloc[0] == pd.Timestamp("2024-01-05 09:00")
    assert events["session_id"].tolist() == ["7/1", "7/1", "order/2", "8/1", "7/2"]
    rejected = pd.read_parquet(tmp_path / "out" / "rejected.parquet")
    assert rejected[["row", "reason"]].values.tolist() == [[8, "cancelled"], [9, "duplicate"], [10, "missing item_id"]]
    assert json.loads(rejected["raw"][0])["order"] == "C7"
    assert set(rejected["file"]) == {"log.csv"}
    assert prepared.images is None
    assert not any(path.name.startswith((".tmp", "scratch")) for path in (tmp_path / "out").iterdir())


def test_items_and_users_know_nothing_of_the_test_period(tmp_path: Path) -> None:
    prepared = prepare_shop(write_small_shop(tmp_path), tmp_path / "out")
    items = prepared.train.items.set_index("item_id")
    assert items["title"].to_dict() == {"A": "apple", "B": "bread", "C": "cake"}  # neither "dates" nor a sale
    assert items["price"].to_dict() == {"A": 4.0, "B": 3.0, "C": 9.0}  # A: the last four weeks alone; B: all training
    assert prepared.train.users.set_index("user_id")["country"].to_dict() == {"7": "DE", "8": "DE"}
    assert set(prepared.test.events["item_id"]) == {"A", "D"}


def test_what_the_owners_rules_exclude_gives_no_notes(tmp_path: Path) -> None:
    voided = [f"C{n},guest,POSTAGE,2024-01-06 10:00:00,1,2.00,post,DE" for n in range(20)]
    prepared = prepare_shop(write_small_shop(tmp_path, rows=[*ROWS, *voided], extra=CANCELLED), tmp_path / "out")
    notes = {note.code: note.text for note in prepared.manifest.notes}
    assert "'A'" in notes["most_frequent_item"] and "POSTAGE" not in notes["most_frequent_item"]
    assert "user_placeholder" not in notes


def test_word_for_guests_is_passed_over_where_the_next_column_has_the_user(tmp_path: Path) -> None:
    recipe = RECIPE.replace('user_id = "customer"', 'user_id = {first_of = ["customer", "email"]}')
    rows = [f"{row},{email}" for row, email in zip(ROWS, ["a@x", "a@x", "b@x", "", "", "", ""], strict=True)]
    rows[0] = rows[0].replace("1,7.0,", "1,guest,")
    extra = '\n[clean]\nguest_ids = ["guest"]\n'
    path = write_small_shop(tmp_path, rows=rows, header=f"{HEADER},email", recipe=recipe, extra=extra)
    events = prepare_shop(path, tmp_path / "out").train.events
    assert events["user_id"].tolist() == ["a@x", "7", "b@x", "8", "7"]


def test_what_a_user_buys_on_a_day_of_the_shops_clock_is_one_order(tmp_path: Path) -> None:
    rows = [*ROWS[:2], "1,7.0,C,2024-01-05 23:30:00,1,2.00,cake,DE", *ROWS[2:]]
    recipe = RECIPE.replace('order_id = "order"\n', "")
    path = write_small_shop(tmp_path, rows=rows, recipe=recipe, extra='\n[orders]\nby = "user_day"\n')
    events = prepare_shop(path, tmp_path / "out").train.events
    assert events["order_id"].tolist() == [*["7/2024-01-05"] * 3, "row/0/4", "8/2024-02-10", "7/2024-02-28"]


def test_days_of_a_prepared_shop_are_those_of_its_clock(tmp_path: Path) -> None:
    extra = '\n[sale_days]\n"Spring sale" = [2024-02-10]\n'
    recipe = RECIPE.replace('currency = "EUR"', 'currency = "EUR"\ncountry = "DE"')
    prepared = prepare_shop(write_small_shop(tmp_path, recipe=recipe, extra=extra), tmp_path / "out")
    assert prepared.calendar.moment_text(prepared.test_from) == "2024-03-01"
    assert prepared.train.calendar == prepared.calendar
    assert prepared.calendar.country == "DE"
    assert prepared.calendar.sale_days == {"Spring sale": (datetime.date(2024, 2, 10),)}


@pytest.mark.parametrize("policy", ["reject", "merge"])
def test_an_order_on_both_sides_of_the_split_is_no_part_of_training(tmp_path: Path, policy: str) -> None:
    late = ["4,7.0,A,2024-03-02 12:00:00,1,4.00,apple,DE", "4,7.0,B,2024-03-02 12:00:00,1,4.00,bread,DE"]
    recipe = write_small_shop(tmp_path, rows=[*ROWS, *late], extra=f'\n[clean]\nduplicates = "{policy}"\n')
    shop = prepare_shop(recipe, tmp_path / "out")
    assert "4" not in set(shop.train.events["order_id"])
    lines = shop.test.events[shop.test.events["order_id"] == "4"]
    assert lines["quantity"].sum() == 3 and len(lines) == (2 if policy == "merge" else 3)
    assert (shop.test.events["timestamp"] >= shop.test_from).all()


@pytest.mark.parametrize("policy", ["reject", "keep", "merge"])
def test_training_is_byte_equal_to_that_of_a_log_cut_at_until(tmp_path: Path, policy: str) -> None:
    clean = f'\n[clean]\nduplicates = "{policy}"\n'
    straddling = "4,7.0,A,2024-02-20 12:00:00,1,4.00,apple,DE"
    rows = [*ROWS[:4], straddling, *ROWS[4:]]
    whole = write_small_shop(tmp_path / "whole", rows=rows, extra=clean)
    cut = write_small_shop(tmp_path / "cut", rows=rows[:5], extra=clean)
    full = prepare_shop(whole, tmp_path / "a", until="2024-02-25")
    prepare_shop(cut, tmp_path / "b", until="2024-02-25")
    for table in TABLES:
        assert parts_of(tmp_path / "a" / table) == parts_of(tmp_path / "b" / table), table
    assert full.train.events["timestamp"].max() < pd.Timestamp("2024-02-24 23:00") <= full.test_from
    assert full.manifest.until == "2024-02-24T23:00:00"
    assert len(full.test.events) == 3


@pytest.mark.parametrize(("policy", "kept", "merged", "events"), [("keep", 8, 0, 8), ("merge", 8, 1, 7)])
def test_rows_are_conserved_under_each_policy(tmp_path: Path, policy: str, kept: int, merged: int, events: int) -> None:
    recipe = write_small_shop(tmp_path, rows=[*ROWS, ROWS[0]], extra=f'\n[clean]\nduplicates = "{policy}"\n')
    manifest = prepare_shop(recipe, tmp_path / "out").manifest
    assert manifest.rows == 8 == manifest.kept + sum(manifest.rejected.values())
    assert (manifest.kept, manifest.merged, manifest.train_events + manifest.test_events) == (kept, merged, events)


def test_catalogue_brings_items_never_sold_and_pictures(tmp_path: Path) -> None:
    np.save(tmp_path / "pictures.npy", np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4))
    (tmp_path / "goods.csv").write_text(
        "sku,label,top,sub,cost,pic\nA,Apple,Food,Fruit,,2\nZ,Zip,Other,,1.5,0\nZ,again,Other,,1,0\n"
        "Y,bad,Other,,-3,0\nX,bad,Other,,1,7\n,none,Other,,1,0\n"
    )
    recipe = write_small_shop(
        tmp_path,
        recipe=RECIPE.replace(
            '[items.columns]\ntitle = "name"',
            '[items]\nfiles="goods.csv"\n[items.columns]\nitem_id="sku"\ntitle="label"\ncategory=["top","sub"]\nprice="cost"\n'
            'image_index="pic"\n[pictures]\nfile="pictures.npy"\n[items.words.title]\nZip="Zipper"',
        ),
    )  # fmt: skip
    prepared = prepare_shop(recipe, tmp_path / "out")
    items = prepared.train.items.set_index("item_id")
    assert items.index.tolist() == ["A", "B", "C", "X", "Y", "Z"]
    assert items.loc["A", ["title", "category", "price", "image_index"]].tolist() == ["Apple", "Food > Fruit", 4.0, 2]
    assert items.loc["Z", ["title", "category", "price"]].tolist() == ["Zipper", "Other", 1.5]
    assert items.loc[["B", "X"], "image_index"].tolist() == [-1, -1]
    assert items.loc[["Y"], "price"].isna().tolist() == [True]
    assert prepared.images is not None and prepared.images.shape == (3, 4, 4)
    assert prepared.manifest.catalogue_rejected == {"duplicate item_id": 1, "missing item_id": 1}
    assert prepared.manifest.incomplete == {"impossible image_index": 1, "impossible price": 1}
    assert pd.read_parquet(tmp_path / "out" / "incomplete.parquet")["row"].tolist() == [4, 5]
    assert set(pd.read_parquet(tmp_path / "out" / "rejected.parquet")["table"]) == {"items"}


def test_unknown_items_can_be_set_aside(tmp_path: Path) -> None:
    (tmp_path / "goods.csv").write_text("sku\nA\nB\n")
    recipe = write_small_shop(
        tmp_path,
        recipe=RECIPE.replace('title = "name"', 'item_id = "sku"'),
        extra='\n[items]\nfiles = "goods.csv"\n[clean]\nunknown_items = "reject"\n',
    )
    assert prepare_shop(recipe, tmp_path / "out").manifest.rejected == {"unknown item": 2}


def test_second_run_reuses_until_something_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recipe, out = write_small_shop(tmp_path), tmp_path / "out"
    caplog.set_level("INFO", logger="tfrec")

    def prepared_again(**settings: object) -> bool:
        caplog.clear()
        prepare_shop(recipe, out, **settings)
        return "reused" not in caplog.text

    assert prepared_again()
    assert not prepared_again()
    os.utime(tmp_path / "log.csv", (1, 1))  # another time, the same content
    assert not prepared_again()
    assert prepared_again(force=True)
    assert prepared_again(until="2024-02-25")
    assert not prepared_again(until="2024-02-25T00:00")
    write_small_shop(tmp_path, rows=ROWS[:-1])
    assert prepared_again()
    recipe.write_text(RECIPE + "\n[sessions]\ngap_minutes = 5\n")
    assert prepared_again()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"header": HEADER.replace("sku", "SKU_ID")}, ["'sku'", "item_id"]),
        ({"header": HEADER.replace("customer", "customers")}, ["no column 'customer'", "Did you mean 'customers'?"]),
        ({"rows": []}, ["log.csv", "no row"]),
        ({"rows": [row.replace("2024-0", "13/0") for row in ROWS]}, ["7 of 7 timestamps", "time_format", "13/01"]),
        (
            {"rows": [f"{at},7,A,{at}/01/2024 9:30,1,2,x,DE" for at in range(12, 29)]},
            ['time_format = "%d/%m/%Y %H:%M"', "17 of 17"],
        ),
        ({"rows": [row.replace(",1,", ",0,").replace(",2,", ",0,") for row in ROWS]}, ["not one of 7 rows is good"]),
        ({"recipe": RECIPE.replace("log.csv", "lag.csv")}, ["lag.csv", "TFREC_DATA_HOME", "example.org"]),
        ({"recipe": RECIPE.replace("2024-03-01", "2023-03-01").replace("2024-02-01", "2023-02-01")}, ["No event lies"]),
    ],
    ids=[
        "missing column",
        "near column",
        "empty log",
        "strange dates",
        "other format",
        "none good",
        "no file",
        "split",
    ],
)
def test_bad_input_is_a_clear_error_and_leaves_nothing(tmp_path: Path, change: dict, words: list[str]) -> None:
    recipe = write_small_shop(tmp_path / "raw", **change)
    with pytest.raises(TfrecError) as raised:
        prepare_shop(recipe, tmp_path / "out")
    for word in words:
        assert word in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_words_for_no_value_are_no_values(tmp_path: Path) -> None:
    rows = [*ROWS, "9,NULL,A,2024-01-05,NaN,\\N,None,DE", "10,7,<NA>,2024-01-05,1,1,x,DE"]
    prepared = prepare_shop(write_small_shop(tmp_path, rows=rows), tmp_path / "out")
    assert prepared.manifest.rejected == {"missing item_id": 1}
    event = prepared.train.events.set_index("order_id").loc["9"]
    assert event["user_id"] == "" and event["quantity"] == 1 and pd.isna(event["price"])


def test_few_bad_dates_are_set_aside(tmp_path: Path) -> None:
    rows = [*ROWS, "9,7,A,soon,1,1,x,DE", "9,7,A,,1,1,x,DE"]
    manifest = prepare_shop(write_small_shop(tmp_path, rows=rows), tmp_path / "out").manifest
    assert manifest.rejected == {"missing timestamp": 1, "unreadable timestamp": 1}


def test_unreadable_lines_are_counted(tmp_path: Path) -> None:
    manifest = prepare_shop(write_small_shop(tmp_path, rows=[*ROWS, "1,2"]), tmp_path / "out").manifest
    assert manifest.rows == 8
    assert sum(manifest.rejected.values()) == 1


def test_output_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(SourceError, match="is a file"):
        prepare_shop(write_small_shop(tmp_path), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.slow
def test_killed_run_leaves_the_old_result_and_the_next_cleans_up(tmp_path: Path) -> None:
    recipe, out = write_small_shop(tmp_path / "raw"), tmp_path / "out"
    prepare_shop(recipe, out)
    write_small_shop(tmp_path / "raw", rows=ROWS[:-1])
    script = (
        "import sys, time, pathlib\n"
        "from tfrec.ingest import prepare, write_shop\n"
        "def stop(*_, **__): pathlib.Path(sys.argv[3]).touch(); time.sleep(60)\n"
        "write_shop.write_rejected = stop\n"
        "prepare.prepare_shop(sys.argv[1], sys.argv[2])\n"
    )
    reached = tmp_path / "raw" / "reached"
    child = subprocess.Popen([sys.executable, "-c", script, str(recipe), str(out), str(reached)])
    deadline = time.monotonic() + 60
    while not reached.exists() and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert reached.exists()
    assert any(path.name.startswith(".tmp-out-") for path in tmp_path.iterdir())
    assert read_prepared(out).manifest.rows == 7
    assert prepare_shop(recipe, out).manifest.rows == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw"]


@pytest.mark.parametrize(
    ("change", "extra", "code"),
    [
        ({"2.00": "$2.00"}, "", "currency_other"),
        ({"2.00": "two", "3.00": "three", "2.50": "x", "9.00": "y"}, "", "unreadable_numbers"),
        ({"7.0": "guest"}, "", "user_placeholder"),
        ({",A,": ",4.00638E+12,"}, "", "item_rounded"),
        ({",B,": ",a,"}, "", "item_ids_alike"),
        ({"qty,": "status,", ",1,": ",refunded,", ",2,": ",paid,"}, "no quantity", "cancelled_orders"),
        ({"2,,A": "1,8.0,A"}, "", "order_numbers_reused"),
    ],
    ids=["currency", "no numbers", "placeholder", "rounded ids", "ids alike", "refunded", "reused numbers"],
)
def test_what_looks_wrong_is_noted(tmp_path: Path, change: dict[str, str], extra: str, code: str) -> None:
    header, rows = HEADER, list(ROWS)
    for old, new in change.items():
        header, rows = header.replace(old, new), [row.replace(old, new) for row in rows]
    recipe = RECIPE.replace('quantity = "qty"\n', "") if extra else RECIPE
    prepared = prepare_shop(write_small_shop(tmp_path, rows=rows, header=header, recipe=recipe), tmp_path / "out")
    assert code in {note.code for note in prepared.manifest.notes}


def test_rule_on_a_raw_column_takes_the_whole_order(tmp_path: Path) -> None:
    rows = [row.replace("DE", "paid") for row in ROWS]
    rows[0] = ROWS[0].replace("DE", "refunded")
    rule = '\n[[clean.drop]]\nraw_column = "land"\npattern = "^refunded$"\nreason = "refunded"\nwhole_order = true\n'
    prepared = prepare_shop(write_small_shop(tmp_path, rows=rows, extra=rule), tmp_path / "out")
    assert prepared.manifest.rejected == {"refunded": 2}
    assert "1" not in set(prepared.train.events["order_id"])


def test_other_currencies_are_converted_or_set_aside(tmp_path: Path) -> None:
    recipe = RECIPE.replace("[items.columns]", 'currency = "land"\n[items.columns]').replace(
        "[events.columns]", "rates = {FR = 2.0}\n[events.columns]"
    )
    rows = [row.replace(",DE", ",EUR") for row in ROWS]
    prepared = prepare_shop(write_small_shop(tmp_path, rows=rows, recipe=recipe), tmp_path / "out")
    assert prepared.manifest.rejected == {"other currency": 2}  # AT and CH
    assert prepared.train.events.set_index("order_id")["price"]["2"] == 5.0


def test_first_column_that_is_not_empty_counts(tmp_path: Path) -> None:
    recipe = RECIPE.replace('user_id = "customer"', 'user_id = {first_of = ["customer", "land"]}')
    prepared = prepare_shop(write_small_shop(tmp_path, recipe=recipe), tmp_path / "out")
    assert set(prepared.train.events["user_id"]) == {"7", "8", "FR"}


def test_pseudonyms_cover_order_ids_made_of_user_ids_and_shifted_rows(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"0123456789abcdef")
    rows = [row.replace("7.0", "anna@example.org") for row in ROWS]
    rows.append("8,x,A,anna@example.org,1,2.00,shifted,DE")
    recipe = RECIPE.replace('order_id = "order"', 'order_id = ["order", "customer"]')
    path = write_small_shop(tmp_path, rows=rows, recipe=recipe, extra='\n[privacy]\nkey_file = "key"\n')
    prepare_shop(path, tmp_path / "out")
    for file in (tmp_path / "out").rglob("*"):
        if file.is_file() and file.suffix == ".parquet":
            assert "anna" not in pd.read_parquet(file).to_json(), file
        elif file.is_file():
            assert b"anna" not in file.read_bytes(), file


def test_the_first_of_equally_frequent_items_is_named(tmp_path: Path) -> None:
    rows = [row.replace(",A,", ",Z,") for row in ROWS[:3]] + [row.replace(",A,", ",B,") for row in ROWS[3:]]
    rows.append("9,7.0,Z,2024-01-05 10:00:00,1,2.00,zest,DE")
    prepared = prepare_shop(write_small_shop(tmp_path, rows=rows), tmp_path / "out")
    notes = {note.code: note.text for note in prepared.manifest.notes}
    assert notes["most_frequent_item"].startswith("The most frequent item, 'B', has 3 of 8 rows")
