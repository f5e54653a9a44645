"""Tables and queries of databases, read in chunks by key: rows come as a CSV export would hold them."""

import decimal
import logging
import sqlite3
import threading

import ibis
import pyarrow.parquet as pq
import pytest

from tests.databases import PASSWORD
from tfrec.errors import RecipeError, SourceError
from tfrec.sources.database import Database
from tfrec.sources.engine import Workspace
from tfrec.sources.sql_chunks import read_chunks
from tfrec.sources.sql_rows import SqlRows
from tfrec.sources.sql_source import SqlSource
from tfrec.sources.sql_text import as_text


def rows_of(server, **about):
    database = "postgres" if server.dialect.startswith("postgresql") else "shop"
    return SqlRows(Database(server.public_url(database)), **{"key": "id", **about})


def texts(rows, tmp_path, *, size=2, wanted=()):
    files = read_chunks(rows, rows.look(), tmp_path / "chunks", wanted=wanted, size=size)
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_values_of_mariadb_are_those_of_an_export(shop_database, tmp_path):
    shop_database.execute(
        "shop",
        "SET time_zone = '+02:00'",
        "CREATE TABLE orders (id BIGINT PRIMARY KEY, name VARCHAR(40), price DECIMAL(30, 10), at DATETIME(6), "
        "day DATE, moment TIMESTAMP NULL, ratio DOUBLE, flag BOOLEAN, about JSON, kind ENUM('a', 'b'))",
        "INSERT INTO orders VALUES (9007199254740993, 'Žluťoučký 🐎 \"x\", y\\n', 12345678901234567890.0123456789, "
        "'2024-03-31 02:30:00.000001', '2024-02-29', '2024-07-01 12:00:00', 0.1, TRUE, '{\"a\": 1}', 'b')",
        "INSERT INTO orders (id, name) VALUES (9007199254740994, '')",
    )
    first, second = texts(rows_of(shop_database, table="orders"), tmp_path)
    assert first == {
        "id": "9007199254740993",
        "name": 'Žluťoučký 🐎 "x", y\n',
        "price": "12345678901234567890.0123456789",
        "at": "2024-03-31 02:30:00.000001",
        "day": "2024-02-29",
        "moment": "2024-07-01 10:00:00+00:00",  # a moment, whatever the zone of the session that wrote it
        "ratio": "0.1",
        "flag": "1",
        "about": '{"a": 1}',
        "kind": "b",
    }
    assert second["name"] == "" and {second[name] for name in ("price", "at", "moment", "flag")} == {None}


def test_values_of_postgres_are_those_of_an_export(postgres, tmp_path, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", PASSWORD)
    postgres.execute(
        "postgres",
        "DROP TABLE IF EXISTS orders",
        "CREATE TABLE orders (id TEXT PRIMARY KEY, price NUMERIC, at TIMESTAMP, moment TIMESTAMPTZ, flag BOOLEAN, "
        "about JSONB)",
        "INSERT INTO orders VALUES ('a', 1e10, '2024-03-31 02:30', '2024-07-01 12:00+02', TRUE, '{\"a\": [1, null]}'), "
        "('b', NULL, NULL, NULL, NULL, NULL), ('c', 0.10, '2024-01-01', '2024-01-01 00:00+00', FALSE, NULL)",
    )
    first, second, third = texts(rows_of(postgres, table="public.orders"), tmp_path)
    assert first == {
        "id": "a",
        "price": "10000000000",
        "at": "2024-03-31 02:30:00",
        "moment": "2024-07-01 10:00:00+00:00",
        "flag": "true",
        "about": '{"a": [1, null]}',
    }
    assert second == {"id": "b"} | dict.fromkeys(("price", "at", "moment", "flag", "about"))
    assert (third["price"], third["flag"]) == ("0.10", "false")


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_chunks_of_any_size_hold_every_row_once(shop_database, tmp_path, size):
    shop_database.execute(
        "shop",
        "CREATE TABLE orders (id DECIMAL(20, 4) PRIMARY KEY)",
        "INSERT INTO orders SELECT (seq * 7 % 23) / 4 FROM seq_1_to_22",
    )
    found = [row["id"] for row in texts(rows_of(shop_database, table="orders"), tmp_path, size=size)]
    assert list(map(decimal.Decimal, found)) == [decimal.Decimal(at) / 4 for at in range(1, 23)]


def test_a_query_with_colons_and_percent_signs_is_read(shop_database, tmp_path):
    shop_database.execute(
        "shop",
        "CREATE TABLE heads (no INT PRIMARY KEY, at TIME)",
        "CREATE TABLE parts (no INT PRIMARY KEY, head INT, sku VARCHAR(9))",
        "INSERT INTO heads VALUES (1, '10:00:00'), (2, '11:00:00')",
        "INSERT INTO parts VALUES (1, 1, '50%'), (2, 2, 'x'), (3, 1, '7%')",
    )
    query = (
        "SELECT parts.no AS id, sku, CONCAT('at:', at) AS at FROM parts JOIN heads ON heads.no = head "
        "WHERE at >= '10:00:00' AND sku LIKE '%\\%';"
    )
    found = texts(rows_of(shop_database, query=query), tmp_path, size=1)
    assert found == [{"id": "1", "sku": "50%", "at": "at:10:00:00"}, {"id": "3", "sku": "7%", "at": "at:10:00:00"}]


def test_a_growing_table_is_read_up_to_where_it_was(shop_database, tmp_path):
    shop_database.execute("shop", "CREATE TABLE orders (id INT PRIMARY KEY)", "INSERT INTO orders VALUES (1), (2), (3)")
    rows = rows_of(shop_database, table="orders")
    state = rows.look()
    chunks = rows.chunks(after=None, until=state.last, size=1, wanted=())
    first, _ = next(chunks)
    shop_database.execute("shop", "INSERT INTO orders VALUES (4), (5)")
    assert [*first["id"].to_pylist(), *(text for chunk, _ in chunks for text in chunk["id"].to_pylist())] == list("123")
    assert rows.look().digest != state.digest


def test_bytes_are_refused_where_they_are_wanted_and_left_out_elsewhere(shop_database, tmp_path):
    shop_database.execute(
        "shop", "CREATE TABLE items (id INT PRIMARY KEY, picture BLOB)", "INSERT INTO items VALUES (1, 'x')"
    )
    rows = rows_of(shop_database, table="items")
    assert texts(rows, tmp_path) == [{"id": "1", "picture": None}]
    with pytest.raises(SourceError, match=r"'picture' holds bytes .a BLOB."):
        texts(rows, tmp_path, wanted=["picture"])


@pytest.mark.parametrize("size", [1, 2, 10])
def test_a_key_that_is_not_unique_is_refused(shop_database, tmp_path, size):
    shop_database.execute("shop", "CREATE TABLE orders (id INT)", "INSERT INTO orders VALUES (1), (2), (2), (3)")
    with pytest.raises(SourceError, match="several rows have the same 'id'"):
        texts(rows_of(shop_database, table="orders"), tmp_path, size=size)


def test_a_key_that_is_null_is_refused(shop_database):
    shop_database.execute("shop", "CREATE TABLE orders (id INT)", "INSERT INTO orders VALUES (1), (NULL)")
    with pytest.raises(SourceError, match="1 rows have no 'id'"):
        rows_of(shop_database, table="orders").look()


def test_an_interrupted_reading_goes_on_where_it_was(shop_database, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="tfrec")
    shop_database.execute(
        "shop",
        "CREATE TABLE orders (id INT PRIMARY KEY, name CHAR(1), at DATETIME(6))",
        "INSERT INTO orders SELECT seq, 'a', '2024-01-01' FROM seq_1_to_9",
    )
    rows = rows_of(shop_database, table="orders", changed="at")
    files = read_chunks(rows, rows.look(), tmp_path / "chunks", wanted=(), size=2)
    files[-1].unlink()  # as a run leaves it that was killed before the last chunk
    files[-2].with_suffix(".part").write_bytes(b"half")
    shop_database.execute("shop", "INSERT INTO orders VALUES (10, 'b', '2024-01-02')")
    again = texts(rows, tmp_path)
    assert [row["id"] for row in again] == [str(at) for at in range(1, 11)]
    assert "8 rows of an interrupted run are used" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM orders WHERE id = 1",
        "UPDATE orders SET name = 'b', at = '2024-01-03' WHERE id = 1",
    ],
)
def test_rows_that_changed_after_an_interruption_are_read_again(shop_database, tmp_path, change):
    shop_database.execute(
        "shop",
        "CREATE TABLE orders (id INT PRIMARY KEY, name CHAR(1), at DATETIME)",
        "INSERT INTO orders SELECT seq, 'a', '2024-01-01' FROM seq_1_to_5",
    )
    rows = rows_of(shop_database, table="orders", changed="at")
    read_chunks(rows, rows.look(), tmp_path / "chunks", wanted=(), size=2)[-1].unlink()
    shop_database.execute("shop", change)
    left = shop_database.execute("shop", "SELECT id, name FROM orders ORDER BY id")
    assert [(row["id"], row["name"]) for row in texts(rows, tmp_path)] == [(str(key), name) for key, name in left]


def test_sqlite_is_read_by_the_same_path(tmp_path):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, price REAL, note TEXT)")
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", [(1, 2.5, "a"), (2, None, None)])
    connection.close()
    rows = SqlRows(Database(f"sqlite:///{path}"), table="orders", key="id")
    assert texts(rows, tmp_path) == [
        {"id": "1", "price": "2.5", "note": "a"},
        {"id": "2", "price": None, "note": None},
    ]
    with pytest.raises(SourceError, match="there is no such file"):
        SqlRows(Database(f"sqlite:///{path}x"), table="orders", key="id").look()


def test_a_source_numbers_its_rows_in_the_order_of_the_key(shop_database, tmp_path):
    shop_database.execute("shop", "CREATE TABLE orders (id INT PRIMARY KEY)", "INSERT INTO orders VALUES (3), (1), (2)")
    workspace = Workspace(ibis.duckdb.connect(), tmp_path)
    raw = SqlSource(rows_of(shop_database, table="orders"), tmp_path / "chunks").read(workspace, name="orders_raw")
    assert raw.table.order_by("_row").execute().to_dict("list") == {
        "id": ["1", "2", "3"],
        "_row": [1, 2, 3],
        "_file": [0, 0, 0],
    }
    assert raw.files == (f"{shop_database.public_url('shop')}, table orders",)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"table": "absent"}, "absent"),
        ({"table": "orders", "key": "no"}, "no"),
        ({"query": "SELECT * FORM orders"}, "FORM"),
    ],
)
def test_errors_of_the_database_show_no_password(shop_database, about, message):
    shop_database.execute("shop", "CREATE TABLE orders (id INT PRIMARY KEY)")
    with pytest.raises(SourceError, match=message) as caught:
        rows_of(shop_database, **about).look()
    assert PASSWORD not in str(caught.value)
    assert caught.value.__suppress_context__ and caught.value.__cause__ is None


def test_a_refused_password_and_an_absent_server_show_no_secret(shop_database, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "Other-Secret-1")
    with pytest.raises(SourceError, match="Access denied") as caught:
        rows_of(shop_database, table="orders").look()
    assert "Other-Secret-1" not in str(caught.value)
    monkeypatch.setenv("HOST", "hidden-host.invalid")
    with pytest.raises(SourceError, match=r"\$\{HOST\}") as caught:
        SqlRows(Database("mysql://shop:${DB_PASSWORD}@${HOST}/shop"), table="orders", key="id").look()
    assert "hidden-host" not in str(caught.value)


def test_a_missing_variable_is_named(monkeypatch):
    monkeypatch.delenv("DB_PASSWORD", raising=False)
    with pytest.raises(SourceError, match="environment variable DB_PASSWORD, which is not set"):
        _ = Database("mysql://shop:${DB_PASSWORD}@localhost/shop").url


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("mysql://u:${P}@h/s", "mysql://u:${P}@h/s"),
        ("mysql://u:p@ss@h/s", "mysql://u:***@h/s"),
        ("mysql://h/s?user=u&password=x&ssl=1", "mysql://h/s?user=u&password=***&ssl=1"),
        ("${SHOP_URL}", "${SHOP_URL}"),
    ],
)
def test_a_url_is_shown_without_its_password(written, shown):
    assert Database(written).shown == shown


def test_values_of_the_environment_may_hold_any_sign(monkeypatch):
    monkeypatch.setenv("P", "p@ss/w:rd%21 ü")
    assert Database("mysql://u:${P}@h:3306/s").url.password == "p@ss/w:rd%21 ü"
    monkeypatch.setenv("SHOP_URL", "postgresql://u:secret-word@h/s")
    database = Database("${SHOP_URL}")
    assert database.url.drivername == "postgresql+pg8000"
    assert database.masked("secret-word of postgresql://u:secret-word@h/s") == "*** of ${SHOP_URL}"


def test_a_short_secret_hides_the_whole_message(monkeypatch):
    monkeypatch.setenv("P", "abc")
    assert "abc" not in Database("mysql://u:${P}@h/s").masked("password abc refused")


def test_a_url_without_a_dialect_is_refused():
    with pytest.raises(RecipeError, match="dialect://"):
        Database("localhost/shop")


@pytest.mark.parametrize(
    ("value", "text"),
    [(decimal.Decimal("1E+2"), "100"), (decimal.Decimal("0.10"), "0.10"), (True, "true"), (2**70, str(2**70))],
)
def test_numbers_keep_their_digits(value, text):
    assert as_text(value) == text


def test_rows_that_come_and_go_while_a_table_is_read_change_no_other(shop_database, tmp_path):
    shop_database.execute(
        "shop", "CREATE TABLE orders (id INT PRIMARY KEY)", "INSERT INTO orders SELECT seq * 2 FROM seq_1_to_2000"
    )
    rows = rows_of(shop_database, table="orders")
    state = rows.look()

    def change():
        for at in range(50):
            shop_database.execute(
                "shop",
                f"INSERT INTO orders VALUES ({at * 80 + 1}), ({4001 + at})",
                f"DELETE FROM orders WHERE id = {at * 80 + 1}",
            )

    thread = threading.Thread(target=change)
    thread.start()
    files = read_chunks(rows, state, tmp_path / "chunks", wanted=(), size=100)
    thread.join()
    found = [int(key) for file in files for key in pq.read_table(file)["id"].to_pylist()]
    assert [key for key in found if key % 2 == 0] == list(range(2, 4001, 2))
    assert len(set(found)) == len(found) and max(found) == 4000
