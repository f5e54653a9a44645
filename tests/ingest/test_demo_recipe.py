import json
from pathlib import Path

import pytest

from tfrec.demo_shop import DemoShopConfig, generate_demo_shop
from tfrec.ingest.prepare import prepare_shop

REASONS = {
    "duplicate": "duplicate",
    "missing_time": "missing timestamp",
    "bad_time": "unreadable timestamp",
    "missing_product": "missing item_id",
    "unknown_product": "unknown item",
    "no_product_code": "no product code",
    "negative_price": "impossible price",
    "zero_quantity": "impossible quantity",
    "bad_stars": "impossible rating",
    "unknown_action": "unknown event type",
    "cancelled": "cancelled order",
}
"""Kind of dirt that the generator adds → reason under which preparation sets it aside."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    config = DemoShopConfig(num_items=400, num_users=300, num_events=6_000, num_slates=200, days=120)
    generate_demo_shop(home / "demo_shop", config)
    return home


def test_all_dirt_of_the_demo_shop_is_found_and_nothing_else(home: Path, tmp_path: Path) -> None:
    prepared = prepare_shop("demo_shop", tmp_path / "out", data_home=home)
    dirt = json.loads((home / "demo_shop" / "truth" / "dirt.json").read_text())
    found = prepared.manifest.rejected
    assert {kind: found.get(reason, 0) for kind, reason in REASONS.items()} == {kind: dirt[kind] for kind in REASONS}
    assert prepared.manifest.kept == dirt["clean_rows"]
    assert prepared.manifest.rows == dirt["raw_rows"]
    assert not prepared.manifest.catalogue_rejected


def test_demo_shop_is_split_where_its_truth_says(home: Path, tmp_path: Path) -> None:
    prepared = prepare_shop("demo_shop", tmp_path / "out", data_home=home)
    split_at = json.loads((home / "demo_shop" / "manifest.json").read_text())["split_at"]
    assert prepared.test_from.isoformat() == split_at
    assert prepared.images is not None
    assert prepared.train.items["image_index"].max() < len(prepared.images)
    assert prepared.truth is not None
    assert prepared.extra("coupon_test").is_file()
    cold = set(prepared.train.items["item_id"]) - set(prepared.train.events["item_id"])
    assert cold & set(prepared.test.events["item_id"])  # items never sold before the split are in the catalogue
