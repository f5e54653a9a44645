"""Events of several files with columns of their own, joined with further files, are one table with one ledger."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tfrec.errors import RecipeError, SourceError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.privacy import pseudonyms
from tfrec.ingest.recipes import read_recipe

RECIPE = """
name = "two"
currency = "EUR"

[[events]]
files = "lines.csv"
type = "purchase"
time_zone = "Europe/Berlin"
[events.columns]
order_id = "order"
user_id = "order.customer"
item_id = "sku"
timestamp = "order.created"
quantity = "qty"
price = "paid"
[[events.join]]
files = "heads.csv"
on = {order = "id"}
prefix = "order."

[[events]]
files = "clicks.jsonl"
type = "view"
time_format = "epoch_s"
[events.columns]
user_id = "visitor"
item_id = "product"
timestamp = "at"
currency = "cur"

[items.columns]
title = "name"

[[clean.drop]]
raw_column = "order.state"
pattern = "void"
reason = "void order"

[[clean.keep]]
column = "order_id"
pattern = "^O"
reason = "no order"

[split]
test_from = 2024-03-01
validation_from = 2024-02-01
"""
HEADS = """id,customer,created,state
O1,u1,2024-01-05 10:00:00,paid
O2,u2,2024-02-10 12:00:00,paid
O3,u1,2024-03-02 09:00:00,paid
O4,u3,2024-02-11 12:00:00,void
X5,u3,2024-02-12 12:00:00,paid
"""
LINES = """order,sku,qty,paid,name
O1,A,1,2.00,apple
O1,B,2,3.00,bread
O2,A,1,2.50,apple
O3,C,1,9.00,cake
O4,A,1,2.00,apple
X5,A,1,2.00,apple
O1,B,0,3.00,bread
broken
"""
CLICKS = [
    {"visitor": "u1", "product": "A", "at": 1704441600, "cur": "EUR"},  # 2024-01-05 08:00:00 UTC
    {"visitor": "u1", "product": "A", "at": 1704441600, "cur": "EUR"},
    {"visitor": "u2", "product": "C", "at": 1709337600, "cur": "USD"},
    {"visitor": "u2", "product": "C", "at": 1709337600, "cur": None},
]


def write_shop(folder: Path, *, recipe: str = RECIPE) -> Path:
    (folder / "heads.csv").write_text(HEADS)
    (folder / "lines.csv").write_text(LINES)
    (folder / "clicks.jsonl").write_text("".join(json.dumps(click) + "\n" for click in CLICKS))
    (folder / "two.toml").write_text(recipe)
    return folder / "two.toml"


def rejected(shop: Path) -> list[tuple]:
    table = pd.read_parquet(shop / "rejected.parquet")
    return list(table[["file", "row", "reason"]].itertuples(index=False, name=None))


def test_sections_are_one_table_of_events_with_one_ledger(tmp_path: Path) -> None:
    shop = prepare_shop(write_shop(tmp_path), tmp_path / "out")
    events = pd.concat([pd.read_parquet(tmp_path / "out" / f"{name}events.parquet") for name in ("", "test_")])
    assert events[["event_type", "user_id", "item_id", "order_id"]].values.tolist() == [
        ["view", "u1", "A", ""],
        ["purchase", "u1", "A", "O1"],
        ["purchase", "u1", "B", "O1"],
        ["purchase", "u2", "A", "O2"],
        ["view", "u2", "C", ""],
        ["purchase", "u1", "C", "O3"],
    ]
    assert events["timestamp"].iloc[:2].astype(str).tolist() == ["2024-01-05 08:00:00", "2024-01-05 09:00:00"]
    assert rejected(tmp_path / "out") == [
        ("clicks.jsonl", 2, "duplicate"),
        ("clicks.jsonl", 3, "other currency"),
        ("lines.csv", 5, "void order"),
        ("lines.csv", 6, "no order"),
        ("lines.csv", 7, "impossible quantity"),
        ("lines.csv", 9, "unreadable line (1 fields in place of 5)"),
    ]
    manifest = shop.manifest
    assert manifest.rows == LINES.count("\n") - 1 + len(CLICKS)
    assert manifest.kept + sum(manifest.rejected.values()) == manifest.rows
    assert manifest.time_zone == "Europe/Berlin"
    items = pd.read_parquet(tmp_path / "out" / "items.parquet").set_index("item_id")["title"]
    assert items.to_dict() == {"A": "apple", "B": "bread"}  # C is first seen in the test period


def test_joined_user_ids_become_pseudonyms_and_stand_nowhere(tmp_path: Path) -> None:
    key = bytes(range(32))
    (tmp_path / "key").write_bytes(key)
    (tmp_path / "coupons.csv").write_text("customer,arm\nu1,a\nu2,b\n")
    recipe = write_shop(
        tmp_path, recipe=RECIPE + '[privacy]\nkey_file = "key"\n[extras]\ncoupon_test = "coupons.csv"\n'
    )
    prepare_shop(recipe, tmp_path / "out")
    events = pd.read_parquet(tmp_path / "out" / "events.parquet")
    assert set(events["user_id"]) == set(pseudonyms(pd.Series(["u1", "u2"]), key=key))
    raw = " ".join(pd.read_parquet(tmp_path / "out" / "rejected.parquet")["raw"])
    assert "apple" in raw
    for file in ("rejected.parquet", "extras/coupon_test.csv", "manifest.json"):
        content = raw if file == "rejected.parquet" else (tmp_path / "out" / file).read_text()
        assert not any(f'"{user}"' in content or f"{user}," in content for user in ("u1", "u2", "u3")), file


def test_a_changed_joined_file_is_read_again(tmp_path: Path) -> None:
    recipe = write_shop(tmp_path)
    before = prepare_shop(recipe, tmp_path / "out").manifest
    assert prepare_shop(recipe, tmp_path / "out").manifest == before
    assert [Path(source.path).name for source in before.sources] == ["lines.csv", "heads.csv", "clicks.jsonl"]
    (tmp_path / "heads.csv").write_text(HEADS.replace("O2,u2", "O2,u3"))
    after = prepare_shop(recipe, tmp_path / "out").manifest
    assert after.fingerprint != before.fingerprint
    assert "u3" in set(pd.read_parquet(tmp_path / "out" / "events.parquet")["user_id"])


def test_a_zone_that_is_left_out_is_the_first_ones(tmp_path: Path) -> None:
    recipe = read_recipe(write_shop(tmp_path)).recipe
    assert [events.time_zone for events in recipe.events] == ["Europe/Berlin", "Europe/Berlin"]
    assert recipe.time_zone == "Europe/Berlin"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('timestamp = "at"', 'order_id = "at"', ["each section, or in none"]),
        ('type = "view"', "", ["[events][1]", "event_type"]),
        ('prefix = "order."', 'prefx = "order."', ["'prefx'", "'prefix'", "[events][0.join]"]),
    ],
    ids=["no time", "no type", "unknown key of a join"],
)
def test_wrong_section_is_named(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    path = write_shop(tmp_path, recipe=RECIPE.replace(old, new))
    with pytest.raises(RecipeError) as raised:
        read_recipe(path)
    for word in words:
        assert word in str(raised.value)


def test_column_of_a_rule_must_be_in_one_of_the_files(tmp_path: Path) -> None:
    path = write_shop(tmp_path, recipe=RECIPE.replace('"order.state"', '"order.stat"'))
    with pytest.raises(SourceError, match=r"no column 'order.stat'.*'order.state'"):
        prepare_shop(path, tmp_path / "out")
