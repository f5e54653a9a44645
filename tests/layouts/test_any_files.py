"""Whatever the files hold, there is a recipe or an error that says what to do."""

import gzip
import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tfrec.errors import SourceError, TfrecError
from tfrec.layouts import propose_recipe, write_toml

_ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".json", ".parquet", ".zip", ".csv.gz", ".xml", ".xlsx", ".data", "")
_SOUP = st.one_of(
    st.binary(max_size=300),
    st.text(alphabet='ab,;|\t"\n\r0123456789.-€ü下单{}[]:', max_size=300).map(
        lambda text: text.encode("utf-8", "replace")
    ),
    st.lists(st.text(alphabet="ab1.,-/ ", max_size=6), min_size=2, max_size=40).map(
        lambda cells: "\n".join(",".join(cells[at : at + 4]) for at in range(0, len(cells), 4)).encode()
    ),
)


@given(content=_SOUP, ending=st.sampled_from(_ENDINGS))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_a_recipe_or_an_error_of_ours(content: bytes, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"orders{ending}"
    path.write_bytes(content)
    try:
        text = write_toml(propose_recipe([path]), naming=str)
    except TfrecError as error:
        assert len(str(error)) > 20
    else:
        assert text.startswith("#")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("orders.csv", b"", "is empty"),
        ("orders.csv", b"\n\n\n", "orders.csv"),
        ("orders.csv", b"only one column\n1\n2\n", "is no table"),
        ("orders.csv", b"order,sku,date,qty\n", "no row"),
        ("photo.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)), "is no text"),
        ("orders.zip", b"PK\x03\x04 broken", "no zip archive"),
        ("orders.parquet", b"PAR1 broken", "orders.parquet"),
        ("orders.csv.gz", b"\x1f\x8b\x08 broken", "cannot be unpacked"),
        ("notes.txt", b"a,b\n1,2\n3,4\n5,6\n", "No table holds orders"),
    ],
)
def test_wrong_input_is_named(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=words):
        propose_recipe([path])


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no file or folder"):
        propose_recipe([tmp_path / "absent.csv"])


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no file that could be a table"):
        propose_recipe([tmp_path])


def orders_table(**names: str) -> pd.DataFrame:
    """Returns 60 orders with columns called as `names` says."""
    rows = [
        {
            "order": f"{1000 + number // 2}",
            "user": f"u{number % 9}",
            "item": f"S-{number % 7}",
            "title": f"Thing {number % 7}",
            "when": f"2024-0{1 + number // 25}-{1 + number % 25:02} 10:{number % 60:02}:00",
            "pieces": f"{1 + number % 3}",
            "price": f"{5 + number % 7}.50",
        }
        for number in range(60)
    ]
    return pd.DataFrame(rows)[[*names]].rename(columns=names)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(
            ("Order ID", "Customer ID", "SKU", "Product name", "Order date", "Qty", "Unit price"), id="English"
        ),
        pytest.param(
            ("Bestellnummer", "Kundennummer", "Artikelnummer", "Bezeichnung", "Bestelldatum", "Menge", "Einzelpreis"),
            id="German",
        ),
        pytest.param(
            ("N° commande", "Code client", "Réf. article", "Désignation", "Date de commande", "Qté", "Prix unitaire"),
            id="French",
        ),
        pytest.param(
            (
                "Nº pedido",
                "ID cliente",
                "Código artículo",
                "Descripción",
                "Fecha del pedido",
                "Cantidad",
                "Precio unitario",
            ),
            id="Spanish",
        ),
        pytest.param(("订单号", "用户ID", "商品编号", "商品名称", "下单时间", "数量", "单价"), id="Chinese"),
    ],
)
def test_columns_are_known_in_several_languages(names: tuple[str, ...], tmp_path: Path) -> None:
    table = orders_table(**dict(zip(("order", "user", "item", "title", "when", "pieces", "price"), names, strict=True)))
    path = tmp_path / "log.csv"
    table.to_csv(path, index=False)
    draft = propose_recipe([path])
    (columns,) = [section for section in draft.parts[0].tables if section.title == "events.columns"]
    mapped = {entry.key: entry.value for entry in columns.entries if not entry.is_open}
    assert mapped == dict(
        zip(("order_id", "user_id", "item_id", "timestamp", "quantity", "price"), (*names[:3], *names[4:]), strict=True)
    )


@pytest.mark.parametrize(
    ("encoding", "title", "word"),
    [
        ("utf-8-sig", "Bezeichnung", "Müsli – groß"),
        ("utf-16", "Bezeichnung", "Müsli – groß"),
        ("cp1252", "Bezeichnung", "Müsli – groß"),
        ("cp1252", "Bezeichnung", "Größe"),  # two letters with accents, side by side
        ("cp1252", "Désignation", "Crème brûlée, été"),
        ("gb18030", "商品名称", "茶杯大号"),
        ("cp932", "商品名", "マグカップ 大"),
        ("cp1251", "Title", "Кружка большая"),
    ],
)
def test_encodings_are_found(encoding: str, title: str, word: str, tmp_path: Path) -> None:
    table = orders_table(order="Order ID", user="User ID", item="SKU", title=title, when="Date", pieces="Qty")
    table[title] = f"{word} " + table[title].str[-1]
    path = tmp_path / "log.csv"
    table.to_csv(path, index=False, encoding=encoding)
    text = write_toml(propose_recipe([path]), naming=str)
    assert f'title = "{title}"' in text
    assert (f'encoding = "{encoding}"' in text) == encoding.startswith(("cp", "gb"))


def test_packed_files_and_archives_are_looked_into(tmp_path: Path) -> None:
    text = orders_table(order="Order ID", user="User ID", item="SKU", when="Date", pieces="Qty").to_csv(index=False)
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("data/orders.csv", text)
        archive.writestr("__MACOSX/data/._orders.csv", "x")
    (tmp_path / "orders.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert 'files = "export.zip/data/orders.csv"' in _text(tmp_path / "export.zip")
    assert 'files = "orders.csv.gz"' in _text(tmp_path / "orders.csv.gz")


def test_title_lines_and_files_without_a_header_are_seen(tmp_path: Path) -> None:
    table = orders_table(order="Order ID", user="User ID", item="SKU", when="Date", pieces="Qty")
    path = tmp_path / "log.csv"
    path.write_text(f"My shop\nExport of 2024\n\n{table.to_csv(index=False)}", encoding="utf-8")
    assert 'order_id = "Order ID"' in _text(path)
    table.to_csv(path, index=False, header=False)
    with pytest.raises(SourceError, match=r"The first line of .*log\.csv holds values"):
        propose_recipe([path])


def test_a_day_and_a_month_that_can_be_either_are_left_open(tmp_path: Path) -> None:
    table = orders_table(order="Order ID", user="User ID", item="SKU", when="Date", pieces="Qty")
    table["Date"] = [f"0{1 + (at * 5) % 9}/0{1 + (at * 7) % 9}/2024" for at in range(len(table))]
    path = tmp_path / "log.csv"
    table.to_csv(path, index=False)
    text = _text(path)
    assert "# time_format =" in text and "choose one" in text


def test_a_decimal_comma_and_a_total_of_the_row_are_seen(tmp_path: Path) -> None:
    table = orders_table(
        order="Auftrag", user="Kunde", item="Artikelnummer", when="Datum", pieces="Menge", price="Betrag"
    )
    table["Betrag"] = [
        f"{float(price) * int(pieces):.2f}".replace(".", ",")
        for price, pieces in zip(table["Betrag"], table["Menge"], strict=True)
    ]
    path = tmp_path / "log.csv"
    table.to_csv(path, index=False, sep=";")
    text = _text(path)
    assert 'line_total = "Betrag"' in text and "it grows with the quantity" in text
    assert 'decimal = ","' in text and 'delimiter = ";"' in text


def test_words_for_events_are_translated_and_others_left_open(tmp_path: Path) -> None:
    kinds = ["pv", "cart", "buy", "fav"]
    rows = [
        {
            "user": f"u{at % 9}",
            "item": f"i{at % 7}",
            "behavior": kinds[at % 3] if at % 10 else "fav",
            "ts": 1_700_000_000 + at,
        }
        for at in range(80)
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    text = _text(path)
    for line in ('pv = "view"', 'buy = "purchase"', '# fav = "view"', 'time_format = "epoch_s"'):
        assert line in text, line
    assert "[orders]" in text


def test_states_guests_and_shipping_become_rules(tmp_path: Path) -> None:
    table = orders_table(
        order="Order ID", user="Customer ID", item="SKU", title="Title", when="Date", pieces="Qty", price="Price"
    )
    table["Status"] = [
        "storniert" if at % 9 == 0 else "teilweise erstattet" if at % 9 == 1 else "bezahlt" for at in range(60)
    ]
    table.loc[table.index % 8 == 0, "Customer ID"] = "guest"
    table.loc[table.index % 10 == 0, ["SKU", "Title"]] = ["S-99", "Versandkosten"]
    path = tmp_path / "log.csv"
    table.to_csv(path, index=False)
    text = _text(path)
    assert 'pattern = "^(storniert)$"' in text and "whole_order = true" in text
    assert 'guest_ids = ["guest"]' in text
    assert 'pattern = "^(Versandkosten)$"' in text and 'reason = "shipping, no item"' in text


def _text(path: Path) -> str:
    return write_toml(propose_recipe([path]), naming=lambda file: file.name)
