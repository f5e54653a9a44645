"""Exports of known content: what `tfrec init` writes is prepared untouched, and gives the orders that are known."""

import functools
import json
import math
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from tests.layouts import exports, exports_of_systems
from tests.layouts.exports import Export
from tests.layouts.known_orders import ITEMS, known_orders
from tests.sources.spreadsheets import write_xlsx
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared
from tfrec.ingest.recipes import read_recipe
from tfrec.layouts import propose_recipe, write_toml
from tfrec.layouts.toml_text import names_below

LAYOUTS = {
    "Amazon, all orders": (exports.amazon_tracking, "Amazon Seller Central order report"),
    "Amazon, to be shipped": (exports.amazon_fulfilment, "Amazon Seller Central order report"),
    "BigCommerce, a cell of products": (exports_of_systems.bigcommerce_cells, "BigCommerce orders export"),
    "BigCommerce, a row a product": (exports_of_systems.bigcommerce_rows, "BigCommerce orders export"),
    "GA4, JSON lines": (exports.ga4, "Google Analytics 4 export to BigQuery"),
    "GA4, Parquet": (functools.partial(exports.ga4, as_parquet=True), "Google Analytics 4 export to BigQuery"),
    "Magento": (exports_of_systems.magento, "Magento 2 tables of orders and their lines"),
    "Magento, without base amounts": (
        functools.partial(exports_of_systems.magento, has_base=False),
        "Magento 2 tables of orders and their lines",
    ),
    "PrestaShop, two tables": (exports_of_systems.prestashop_tables, "PrestaShop tables of orders and their lines"),
    "PrestaShop, one file": (exports_of_systems.prestashop_single, "PrestaShop tables of orders and their lines"),
    "Shopify": (exports.shopify_orders, "Shopify orders export"),
    "WooCommerce, REST API": (exports_of_systems.woocommerce_api, "WooCommerce orders of its REST API"),
    "WooCommerce, rows": (exports_of_systems.woocommerce_lines, "WooCommerce orders, a row for each line item"),
    "WooCommerce, cells": (exports_of_systems.woocommerce_cells, "WooCommerce orders, a cell for each line item"),
    "WooCommerce, analytics": (exports_of_systems.woocommerce_analytics, "WooCommerce analytics report of orders"),
    "heads and lines": (
        exports.heads_and_lines,
        "no known layout, so that columns are guessed by their names and values",
    ),
}
"""Name → what writes the export, and the title under which it is recognised."""


def init_and_prepare(paths: list[Path], folder: Path) -> tuple[Prepared, str]:
    """Returns the shop prepared by the recipe that is proposed, and the recipe's text."""
    recipe = folder / "shop.toml"
    recipe.write_text(write_toml(propose_recipe(paths, name="shop"), naming=names_below(folder)), encoding="utf-8")
    return prepare_shop(recipe, folder / "prepared"), recipe.read_text(encoding="utf-8")


def all_events(prepared: Prepared) -> pd.DataFrame:
    return pd.concat([prepared.train.events, prepared.test.events], ignore_index=True)


def bought(prepared: Prepared) -> list[tuple[str, str, str, float, float, str]]:
    """Returns the purchases in the form of `exports.Event`."""
    events = all_events(prepared)
    events = events[events["event_type"] == "purchase"]
    times = events["timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S")
    columns = [events[name] for name in ("order_id", "user_id", "item_id", "quantity", "price")]
    return sorted(zip(*(column.tolist() for column in columns), times.tolist(), strict=True))


@pytest.fixture(params=LAYOUTS, scope="module")
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Export, Prepared, str]:
    write, title = LAYOUTS[request.param]
    folder = tmp_path_factory.mktemp("export")
    export = write(folder, known_orders())
    prepared, recipe = init_and_prepare(export.paths, folder)
    return title, export, prepared, recipe


def test_an_export_gives_the_known_orders_users_items_and_prices(case: tuple[str, Export, Prepared, str]) -> None:
    title, export, prepared, recipe = case
    assert f"Recognised: {title}" in " ".join(recipe.replace("\n# ", " ").split())
    found = bought(prepared)
    # Texts lose line breaks at their ends alone, prices are stored with seven digits.
    assert [(*event[:3], event[3], event[5]) for event in found] == [
        (*event[:3], event[3], event[5]) for event in sorted(export.events)
    ]
    for one, known in zip(found, sorted(export.events), strict=True):
        assert one[4] == pytest.approx(known[4], abs=0.006) or (math.isnan(known[4]) and math.isnan(one[4])), one


def test_an_export_gives_the_known_returns(case: tuple[str, Export, Prepared, str]) -> None:
    _, export, prepared, _ = case
    assert _returns(prepared) == sorted(export.returns)


def _returns(prepared: Prepared) -> list[tuple[str, str, float]]:
    path = prepared.path / "returns.parquet"
    if not path.is_file():
        return []
    returns = pd.read_parquet(path)
    assert returns["bought_at"].notna().all()
    return sorted(zip(returns["order_id"], returns["item_id"], returns["quantity"].astype(float), strict=True))


def test_the_ledger_accounts_for_each_row(case: tuple[str, Export, Prepared, str]) -> None:
    _, _, prepared, _ = case
    about = prepared.manifest
    assert about.rows == about.kept + sum(about.rejected.values())
    expected = {"other currency", "return", "quantity below 0", "missing item_id"}
    assert set(about.faulty) <= expected, about.faulty


def test_the_currency_is_what_the_export_states(case: tuple[str, Export, Prepared, str]) -> None:
    _, export, prepared, _ = case
    if export.currency:
        assert prepared.manifest.currency in (export.currency, "") and f'currency = "{export.currency}"' in case[3]


@pytest.mark.parametrize(
    "write", [exports.write_shopify_products, exports.write_merchant_feed, exports.write_merchant_feed_xml]
)
def test_a_catalogue_beside_the_orders_becomes_the_items(write, tmp_path: Path) -> None:
    export = exports.shopify_orders(tmp_path, known_orders())
    catalogue = write(tmp_path, ITEMS)
    prepared, _ = init_and_prepare([*export.paths, catalogue], tmp_path)
    items = prepared.train.items.set_index("item_id")
    for item in ITEMS:
        known = items.loc[item.sku]
        assert known["brand"] == item.brand
        assert known["category"] == " > ".join(item.category)
        assert known["price"] == pytest.approx(item.price, abs=0.005)
    assert items.loc["LAMP-7", "title"] == "Lamp, oak | brass"
    if write is exports.write_shopify_products:
        assert items.loc["LAMP-7", "margin"] == pytest.approx((89 - 40) / 89, abs=1e-4)
        assert items.loc["LAMP-7", "stock"] == 6


def test_a_folder_of_pictures_beside_the_orders_is_found(tmp_path: Path) -> None:
    exports.amazon_tracking(tmp_path, known_orders())
    (tmp_path / "pictures").mkdir()
    for item in ITEMS:
        (tmp_path / "pictures" / f"{item.sku}.png").write_bytes(b"not looked at")
    text = write_toml(propose_recipe([tmp_path], name="shop"), naming=names_below(tmp_path))
    assert "[pictures]" in text and 'folder = "pictures"' in text
    assert "10 of 10 items have one" in text


@pytest.mark.parametrize("as_parquet", [False, True], ids=["JSON lines", "Parquet"])
def test_all_kinds_of_events_of_ga4_are_read(as_parquet: bool, tmp_path: Path) -> None:
    orders = known_orders()
    export = exports.ga4(tmp_path, orders, as_parquet=as_parquet)
    prepared, _ = init_and_prepare(export.paths, tmp_path)
    events = all_events(prepared)
    lines = sum(len(order.lines) for order in orders if order.currency == "EUR")
    euros = sum(order.currency == "EUR" for order in orders)
    counts = events["event_type"].value_counts()
    assert counts[["view", "cart", "impression"]].tolist() == [lines] * 3
    searches = events[events["event_type"] == "search"]
    assert len(searches) == euros and set(searches["query"]) == {"mug, large"}
    visits = events.groupby("session_id")["event_type"].nunique()
    assert len(visits) == euros and visits.min() >= 4
    assert set(prepared.train.items["category"]) == {" > ".join(item.category) for item in ITEMS}
    assert prepared.manifest.excluded == {"event that is about no item": 2 * len(orders)}


def test_files_in_an_archive_are_recognised_and_prepared_from_there(tmp_path: Path) -> None:
    export = exports_of_systems.magento(tmp_path, known_orders())
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in export.paths:
            archive.write(path, f"var/{path.name}")
            path.unlink()
    prepared, recipe = init_and_prepare([tmp_path / "export.zip"], tmp_path)
    assert 'files = "export.zip/var/sales_order_item.csv"' in recipe
    assert [event[:3] for event in bought(prepared)] == [event[:3] for event in sorted(export.events)]


def test_sheets_of_a_workbook_are_tables_of_their_own(tmp_path: Path) -> None:
    export = exports.heads_and_lines(tmp_path, known_orders())
    heads, lines = (pd.read_csv(path, sep=";", encoding="cp1252", dtype=str).fillna("") for path in export.paths)
    sheets = {"Bestellungen": heads, "Positionen": lines}
    book = {name: [[*sheet.columns], *sheet.to_numpy().tolist()] for name, sheet in sheets.items()}
    write_xlsx(tmp_path / "shop.xlsx", book)
    prepared, recipe = init_and_prepare([tmp_path / "shop.xlsx"], tmp_path)
    assert 'sheet = "Positionen"' in recipe and 'sheet = "Bestellungen"' in recipe
    assert [event[:4] for event in bought(prepared)] == [event[:4] for event in sorted(export.events)]


def test_a_list_of_objects_and_a_folder_of_parquet_are_read(tmp_path: Path) -> None:
    export = exports_of_systems.woocommerce_api(tmp_path, known_orders())
    rows = [json.loads(line) for line in export.paths[0].read_text(encoding="utf-8").splitlines()]
    (tmp_path / "orders.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    prepared, _ = init_and_prepare([tmp_path / "orders.json"], tmp_path)
    assert [event[:4] for event in bought(prepared)] == [event[:4] for event in sorted(export.events)]

    events = exports.ga4(tmp_path, known_orders(), as_parquet=True)
    day = tmp_path / "events" / "event_day=2024-01-01"
    day.mkdir(parents=True)
    events.paths[0].rename(day / "part-0.parquet")
    prepared, recipe = init_and_prepare([tmp_path / "events"], tmp_path)
    assert 'files = "events"' in recipe
    assert [event[:4] for event in bought(prepared)] == [event[:4] for event in sorted(events.events)]


def test_a_recipe_is_the_same_at_each_run(tmp_path: Path) -> None:
    export = exports.amazon_tracking(tmp_path, known_orders())
    texts = {write_toml(propose_recipe(export.paths, name="shop"), naming=names_below(tmp_path)) for _ in range(2)}
    assert len(texts) == 1


def test_a_drafted_recipe_is_read_as_one(tmp_path: Path) -> None:
    export = exports.amazon_fulfilment(tmp_path, known_orders())
    _, text = init_and_prepare(export.paths, tmp_path)
    assert "# time_zone" in text or "time_zone" in text
    assert read_recipe(tmp_path / "shop.toml").recipe.name == "shop"
