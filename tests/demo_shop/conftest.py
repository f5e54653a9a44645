"""One demo shop of middle size for all tests of this folder, and its clean log."""

from pathlib import Path

import pandas as pd
import pytest

from tfrec.demo_shop import DemoShopConfig, DemoShopTruth, generate_demo_shop

CONFIG = DemoShopConfig(num_items=800, num_users=3_000, num_events=100_000, num_slates=5_000, seed=3)
NO_PRODUCTS = ["SHIPPING", "GIFTWRAP", "ADJUST"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "shop"
    generate_demo_shop(folder, CONFIG)
    return folder


@pytest.fixture(scope="session")
def truth(folder: Path) -> DemoShopTruth:
    return generate_demo_shop(folder, CONFIG)


@pytest.fixture(scope="session")
def raw(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "events.csv.gz", dtype=str, keep_default_na=False)


@pytest.fixture(scope="session")
def found_dirt(raw: pd.DataFrame, items: pd.DataFrame) -> dict[str, pd.Series]:
    """Each kind of dirt, found as a cleaner would find it."""
    number = pd.to_numeric(raw["qty"])
    return {
        "duplicate": raw.duplicated(),
        "missing_time": raw["time"] == "",
        "bad_time": raw["time"].str.startswith("0000"),
        "missing_product": (raw["product"] == "") & (raw["action"] != "searched"),
        "unknown_product": ~raw["product"].isin([*items["product"], *NO_PRODUCTS, ""]),
        "no_product_code": raw["product"].isin(NO_PRODUCTS),
        "negative_price": pd.to_numeric(raw["unit_price"]) < 0,
        "zero_quantity": number == 0,
        "bad_stars": raw["stars"].isin(["0", "9"]),
        "unknown_action": ~raw["action"].isin(["viewed", "searched", "added", "bought", "reviewed", "shown"]),
        "cancelled": number < 0,
    }


@pytest.fixture(scope="session")
def items(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "items.csv", keep_default_na=False)


@pytest.fixture(scope="session")
def clean(
    raw: pd.DataFrame, found_dirt: dict[str, pd.Series], items: pd.DataFrame, truth: DemoShopTruth
) -> pd.DataFrame:
    """The log without dirt, with each item's leaf, style, tier and appeal joined."""
    log = raw[~pd.DataFrame(found_dirt).any(axis=1)].copy()
    log["time"] = pd.to_datetime(log["time"])
    log["unit_price"], log["qty"] = pd.to_numeric(log["unit_price"]), pd.to_numeric(log["qty"])
    styles = truth.styles.rename(columns={"item": "product"})
    return log.merge(styles, on="product", how="left").merge(
        items[["product", "price", "available_from"]], on="product", how="left"
    )
