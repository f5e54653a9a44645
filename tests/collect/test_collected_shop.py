"""What is collected is prepared by the recipes of the package."""

import json

import pandas as pd
import pytest

from tests.collect.logs import make_event
from tests.databases import PASSWORD
from tfrec.cli import main
from tfrec.errors import SourceError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.recipes import find_recipe


@pytest.fixture
def log(tmp_path):
    """Events of ninety days, each fourth an impression."""
    days = [f"2026-{month:02}-{day:02}" for month in (8, 9, 10) for day in range(1, 29)]
    events = [make_event(number, timestamp=f"{days[number % len(days)]}T23:30:00Z") for number in range(840)]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
    return path


def check(shop):
    manifest = shop.manifest
    assert (manifest.rows, manifest.kept, manifest.rejected) == (630, 630, {})
    assert manifest.train_orders + manifest.test_orders == 210
    assert shop.train.events["timestamp"].min() == pd.Timestamp("2026-08-01 23:30:00")
    bought = shop.train.events.query("event_type == 'purchase'")
    assert set(bought["price"].astype(float).round(2)) == {19.9} and set(bought["quantity"]) == {1.0, 2.0, 3.0}


def test_the_database_is_prepared(log, shop_database, tmp_path, monkeypatch):
    place = shop_database.public_url("shop")
    assert main(["collect", str(log), "--to", place, "--create-tables"]) == 0
    monkeypatch.setenv("TFREC_SHOP_URL", shop_database.url("shop"))
    with pytest.raises(SourceError, match="has no row"):
        prepare_shop("collected", tmp_path / "out")
    shop_database.execute(
        "shop",
        "INSERT INTO items (item_id, title, price, available_from) SELECT CONCAT('LAMP-', seq), 'Lamp', 19.9, "
        "'2026-01-01' FROM seq_0_to_30",
    )
    shop = prepare_shop("collected", tmp_path / "out")
    check(shop)
    assert set(shop.train.items["title"]) == {"Lamp"}
    assert set(shop.train.items["available_from"]) == {pd.Timestamp("2026-01-01")}
    text = (tmp_path / "out" / "manifest.json").read_text(encoding="utf-8")
    assert PASSWORD not in text and "${TFREC_SHOP_URL}" in text


def test_times_stay_moments_on_another_clock(log, shop_database, tmp_path, monkeypatch):
    assert main(["collect", str(log), "--to", shop_database.public_url("shop"), "--create-tables"]) == 0
    monkeypatch.setenv("TFREC_SHOP_URL", shop_database.url("shop"))
    recipe = tmp_path / "berlin.toml"
    text = (
        find_recipe("collected").read_text(encoding="utf-8").replace('time_zone = "UTC"', 'time_zone = "Europe/Berlin"')
    )
    recipe.write_text(text[: text.index("[items]")] + text[text.index("[split]") :], encoding="utf-8")
    shop = prepare_shop(recipe, tmp_path / "out")
    check(shop)
    assert shop.manifest.time_zone == "Europe/Berlin"


def test_the_folder_is_prepared(log, tmp_path):
    assert main(["collect", str(log), "--to", str(tmp_path / "collected")]) == 0
    check(prepare_shop("collected_files", tmp_path / "out", data_home=tmp_path))
