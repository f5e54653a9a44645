"""A shop in a database is prepared as the same shop in a file."""

import json
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from tests.databases import PASSWORD
from tests.ingest.small_shop import HEADER, RECIPE, ROWS, write_small_shop
from tfrec.errors import RecipeError, SourceError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.recipes import read_recipe

COLUMNS = (
    "id INT AUTO_INCREMENT PRIMARY KEY, `order` VARCHAR(9), customer VARCHAR(9), sku VARCHAR(9), `when` DATETIME, \
qty DECIMAL(9, 3), paid DECIMAL(12, 4), name VARCHAR(40), land CHAR(2), updated_at DATETIME(6) DEFAULT NOW(6)"
)


def write_log(server, *, rows=ROWS):
    values = ", ".join("(" + ", ".join(f"NULLIF('{cell}', '')" for cell in row.split(",")) + ")" for row in rows)
    columns = ", ".join(f"`{name}`" for name in HEADER.split(","))
    server.execute("shop", f"CREATE TABLE log ({COLUMNS})", f"INSERT INTO log ({columns}) VALUES {values}")


def write_recipe(server, folder, *, source='table = "log"\nkey = "id"'):
    folder.mkdir(exist_ok=True)
    path = folder / "small.toml"
    url = f'url = "{server.public_url("shop")}"\n{source}'
    path.write_text(RECIPE.replace('files = "log.csv"', url), encoding="utf-8")
    return path


def everything_in(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "source",
    ['table = "log"\nkey = "id"', 'query = "SELECT * FROM log WHERE id > 0"\nkey = "id"\nchanged = "updated_at"'],
)
def test_a_database_gives_what_a_file_gives(shop_database, tmp_path, source):
    write_log(shop_database)
    of_file = prepare_shop(write_small_shop(tmp_path / "csv"), tmp_path / "of_file")
    of_rows = prepare_shop(write_recipe(shop_database, tmp_path / "sql", source=source), tmp_path / "of_rows")
    for part in ("train", "test"):
        for table in ("events", "items", "users"):
            expected, found = (getattr(getattr(shop, part), table) for shop in (of_file, of_rows))
            pd.testing.assert_frame_equal(found, expected)
    (about,) = of_rows.manifest.sources
    assert about.path.startswith(f"{shop_database.public_url('shop')}, ") and about.size == len(ROWS)
    assert PASSWORD.encode() not in everything_in(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".reading")] == []


@pytest.mark.parametrize(
    ("change", "is_noticed"),
    [
        ("SELECT 1", False),
        ("INSERT INTO log (sku) VALUES ('A')", True),
        ("DELETE FROM log WHERE id = 1", True),
        ("UPDATE log SET paid = 7, updated_at = NOW(6) + INTERVAL 1 SECOND WHERE id = 1", True),
        ("UPDATE log SET paid = 7 WHERE id = 1", False),  # as the page states
    ],
)
def test_a_table_that_changed_is_read_again(shop_database, tmp_path, change, is_noticed):
    write_log(shop_database)
    recipe = write_recipe(shop_database, tmp_path, source='table = "log"\nkey = "id"\nchanged = "updated_at"')
    first = prepare_shop(recipe, tmp_path / "out").manifest
    shop_database.execute("shop", change)
    again = prepare_shop(recipe, tmp_path / "out").manifest
    assert (again.fingerprint != first.fingerprint) == is_noticed


@pytest.mark.slow
def test_a_killed_preparation_goes_on_with_the_rows_that_it_has(shop_database, tmp_path):
    write_log(shop_database)
    shop_database.execute(
        "shop",
        "INSERT INTO log (`order`, customer, sku, `when`, qty, paid) "
        "SELECT seq, seq % 100, seq % 50, '2024-01-01' + INTERVAL seq SECOND, 1, 2.5 FROM seq_1_to_200000",
    )
    recipe, out = write_recipe(shop_database, tmp_path / "sql"), tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "tfrec", "prepare", recipe, "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    while len(list(tmp_path.glob(".out.reading/*/*.parquet"))) < 3 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob(".out.reading/*/*.parquet")}
    assert 3 <= len(kept) < 11 and not out.exists()
    ran = subprocess.run(
        [sys.executable, "-m", "tfrec", "prepare", recipe, "--out", out, "-v"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{len(kept) * 20_000} rows of an interrupted run are used" in ran.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["rows"] == 200_000 + len(ROWS)
    assert PASSWORD not in ran.stdout + ran.stderr


def test_tables_of_a_shop_may_lie_in_files_and_databases(shop_database, tmp_path):
    shop_database.execute(
        "shop",
        "CREATE TABLE items (sku VARCHAR(9) PRIMARY KEY, title VARCHAR(40))",
        "INSERT INTO items VALUES ('A', 'apple'), ('B', 'bread'), ('Z', 'zest')",
    )
    catalogue = (
        f'[items]\nurl = "{shop_database.public_url("shop")}"\ntable = "items"\nkey = "sku"\n'
        '[items.columns]\nitem_id = "sku"\ntitle = "title"\n'
    )
    recipe = RECIPE.replace('[items.columns]\ntitle = "name"\n', catalogue)
    shop = prepare_shop(write_small_shop(tmp_path / "csv", recipe=recipe), tmp_path / "out")
    titles = shop.train.items.set_index("item_id")["title"]
    assert (titles["A"], titles["Z"]) == ("apple", "zest")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('table = "log"', "`url` needs `key`"),
        ('key = "id"', "either `table` or `query`"),
        ('table = "log"\nquery = "SELECT 1"\nkey = "id"', "either `table` or `query`"),
        ('table = "log"\nkey = "id"\nfiles = "log.csv"', "not from both"),
    ],
)
def test_what_a_database_needs_is_asked_for(tmp_path, source, message):
    path = tmp_path / "small.toml"
    path.write_text(RECIPE.replace('files = "log.csv"', f'url = "mysql://localhost/shop"\n{source}'), encoding="utf-8")
    with pytest.raises(RecipeError, match=message):
        read_recipe(path)


def test_keys_of_a_database_need_one(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(RECIPE.replace('files = "log.csv"', 'files = "log.csv"\nkey = "id"'), encoding="utf-8")
    with pytest.raises(RecipeError, match="`key` is of a database: name it by `url`"):
        read_recipe(path)


def test_an_empty_table_is_refused(shop_database, tmp_path):
    shop_database.execute("shop", f"CREATE TABLE log ({COLUMNS})")
    with pytest.raises(SourceError, match="has no row"):
        prepare_shop(write_recipe(shop_database, tmp_path), tmp_path / "out")


def test_heads_and_lines_of_orders_are_joined_across_tables(shop_database, tmp_path):
    shop_database.execute(
        "shop",
        "CREATE TABLE heads (id INT PRIMARY KEY, customer VARCHAR(9), created DATETIME)",
        "CREATE TABLE parts (no INT PRIMARY KEY, head INT, sku VARCHAR(9), qty INT, paid DECIMAL(9, 2))",
        "INSERT INTO heads SELECT seq, seq % 7, '2024-01-01' + INTERVAL seq DAY FROM seq_1_to_80",
        "INSERT INTO parts SELECT seq, 1 + (seq - 1) % 80, CHAR(65 + seq % 7), 1, 2.5 FROM seq_1_to_160",
    )
    url = f'url = "{shop_database.public_url("shop")}"'
    recipe = tmp_path / "joined.toml"
    recipe.write_text(
        f'name = "joined"\n[events]\n{url}\ntable = "parts"\nkey = "no"\ntype = "purchase"\n[events.columns]\n'
        'order_id = "head"\nuser_id = "head.customer"\nitem_id = "sku"\ntimestamp = "head.created"\nquantity = "qty"\n'
        f'price = "paid"\n[[events.join]]\n{url}\ntable = "heads"\nkey = "id"\non = {{head = "id"}}\nprefix = "head."\n'
        "[split]\ntest_days = 10\nvalidation_days = 10\n",
        encoding="utf-8",
    )
    first = prepare_shop(recipe, tmp_path / "out").manifest
    assert (first.rows, first.kept, first.train_orders + first.test_orders) == (160, 160, 80)
    assert [about.size for about in first.sources] == [160, 80]
    shop_database.execute("shop", "INSERT INTO heads VALUES (81, '1', '2024-01-01')")
    assert prepare_shop(recipe, tmp_path / "out").manifest.fingerprint != first.fingerprint
