"""Tables of a database are looked at like files, and the recipe reads them there."""

import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from tests.layouts.exports_of_systems import magento, prestashop_tables
from tests.layouts.known_orders import known_orders
from tests.layouts.test_known_exports import bought, init_and_prepare
from tfrec.cli import main
from tfrec.errors import RecipeError, SourceError
from tfrec.layouts import preview_rows, propose_recipe

KEYS = {
    "ps_orders": "id_order",
    "ps_order_detail": "id_order_detail",
    "sales_order": "entity_id",
    "sales_order_item": "item_id",
}


def fill(database: Path, paths: list[Path], *, more: str = "") -> str:
    """Makes a table of each csv file, with its key, and of `more`; returns the URL."""
    with sqlite3.connect(database) as connection:
        for path in paths:
            rows = pd.read_csv(path, sep=None, engine="python", dtype=str, keep_default_na=False)
            columns = ", ".join(
                f'"{name}" {"INTEGER PRIMARY KEY" if name == KEYS[path.stem] else "TEXT"}' for name in rows.columns
            )
            connection.execute(f"CREATE TABLE {path.stem} ({columns})")
            places = ", ".join("?" * len(rows.columns))
            connection.executemany(f"INSERT INTO {path.stem} VALUES ({places})", rows.to_numpy().tolist())
        connection.executescript(more)
    connection.close()
    return f"sqlite:///{database}"


@pytest.mark.parametrize("write", [prestashop_tables, magento])
def test_a_shops_tables_give_the_known_orders(write, tmp_path: Path) -> None:
    export = write(tmp_path, known_orders())
    url = fill(tmp_path / "shop.db", export.paths, more="CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT);")
    prepared, recipe = init_and_prepare([url], tmp_path)
    assert f'url = "{url}"' in recipe and "files =" not in recipe and "settings" not in recipe
    for path in export.paths:
        assert f'table = "{path.stem}"\nkey = "{KEYS[path.stem]}"' in recipe
    assert [event[:4] for event in bought(prepared)] == [event[:4] for event in sorted(export.events)]


def test_tables_are_guessed_and_chosen(tmp_path: Path) -> None:
    url = fill(
        tmp_path / "shop.db",
        [],
        more="""
        CREATE TABLE sold (nr INTEGER PRIMARY KEY, order_id TEXT, sku TEXT, qty TEXT, price TEXT, created_at TEXT);
        INSERT INTO sold VALUES (1, 'o1', 'A', '2', '9.5', '2024-01-05 10:00:00'),
          (2, 'o1', 'B', '1', '3.0', '2024-01-05 10:00:00'), (3, 'o2', 'A', '4', '9.5', '2024-02-05 11:30:00');
        CREATE TABLE odd (a TEXT, b TEXT);
        CREATE TABLE empty (id INTEGER PRIMARY KEY);
        """,
    )
    draft = propose_recipe([f"{url}#sold"], name="shop")
    assert preview_rows(draft)["item_id"].tolist() == ["A", "B", "A"]
    unused = dict(propose_recipe([url], name="shop").unused)
    assert "no primary key" in unused["table odd"] and unused["table empty"] == "It has no row."


def test_the_verb_writes_variables_and_no_password(tmp_path: Path, monkeypatch, capsys) -> None:
    export = prestashop_tables(tmp_path, known_orders())
    fill(tmp_path / "shop.db", export.paths)
    monkeypatch.setenv("SHOP_FOLDER", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["init", "sqlite:///${SHOP_FOLDER}/shop.db", "--check"]) == 0
    assert 'url = "sqlite:///${SHOP_FOLDER}/shop.db"' in (tmp_path / "shop.toml").read_text()
    shown = "".join(capsys.readouterr())
    assert "Preparing all rows gives" in shown and str(tmp_path) not in shown


def test_bad_databases_are_named(tmp_path: Path) -> None:
    url = fill(tmp_path / "shop.db", [], more="CREATE TABLE one (id INTEGER PRIMARY KEY);")
    for name, error, words in (
        ("mysql://me:secret@host/shop", RecipeError, "variable of the environment"),
        (f"sqlite:///{tmp_path}/absent.db", SourceError, "no such file"),
        (f"{url}#two", SourceError, "no table 'two'"),
        (url, SourceError, "no table with rows"),
    ):
        with pytest.raises(error, match=words) as raised:
            propose_recipe([name], name="shop")
        assert "secret" not in str(raised.value)
