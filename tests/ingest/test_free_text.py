"""Mail addresses and phone numbers do not pass the door; product words and numbers do."""

from pathlib import Path

import pandas as pd
import pytest

from tests.ingest.small_shop import ROWS, write_small_shop
from tfrec.errors import SourceError
from tfrec.ingest.free_text import MAIL_ADDRESS, PHONE_NUMBER, clean_text
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.privacy import key_check, verify_key

KEY = bytes(range(32))


@pytest.mark.parametrize(
    ("text", "country", "clean", "kinds"),
    [
        ("lamp for jo.smith+shop@mail.example.org please", "", "lamp for please", {MAIL_ADDRESS}),
        ("jürgen@müller.example", "", "", {MAIL_ADDRESS}),
        ("call +49 30 1234567 now", "", "call now", {PHONE_NUMBER}),
        ("call 0171 2345678 now", "DE", "call now", {PHONE_NUMBER}),
        ("手机13812345678", "CN", "手机", {PHONE_NUMBER}),
        ("0171 2345678", "", "0171 2345678", set()),  # in a country's own form: not found without the country
        ("4006381333931", "DE", "4006381333931", set()),  # an article number
        ("iphone 15 128gb 2024", "GB", "iphone 15 128gb 2024", set()),
        ("10 x 20 x 30 cm  1000-2000 W", "DE", "10 x 20 x 30 cm  1000-2000 W", set()),
        ("lego 75192 75313 10294", "DE", "lego 75192 75313 10294", set()),
        ("2010-12-01 08:26:00", "GB", "2010-12-01 08:26:00", set()),
        ("a @ b", "", "a @ b", set()),
        ("Jo Smith", "GB", "Jo Smith", set()),  # names are not found
    ],
)
def test_what_is_taken_out_of_a_text(text: str, country: str, clean: str, kinds: set[str]) -> None:
    assert clean_text(text, country=country) == (clean, kinds)


def private_shop(folder: Path, extra: str = "") -> Path:
    rows = [f"{row},red cup" for row in ROWS]
    rows[0] = "1,7.0,A,2024-01-05 10:00:00,1,2.00,apple of ann@mail.example,DE,call 0171 2345678"
    rows.append("9,7.0,A,2024-01-06 10:00:00,0,2.00,apple,DE,bo@mail.example")  # is rejected
    (folder / "key").write_bytes(KEY)
    text = 'query = "q"\n'
    recipe = write_small_shop(
        folder, rows=rows, header="order,customer,sku,when,qty,paid,name,land,q", extra=f"{extra}"
    )
    content = recipe.read_text().replace('currency = "EUR"', 'currency = "EUR"\ncountry = "DE"')
    recipe.write_text(content.replace('price = "paid"\n', f'price = "paid"\n{text}'))
    return recipe


def contents(folder: Path) -> str:
    tables = [pd.read_parquet(path).to_csv() for path in folder.rglob("*.parquet")]
    return "\n".join([*tables, (folder / "manifest.json").read_text()])


def test_free_text_enters_neither_tables_nor_the_ledger_and_is_counted(tmp_path: Path) -> None:
    prepared = prepare_shop(private_shop(tmp_path), tmp_path / "out")
    written = contents(tmp_path / "out")
    assert "mail.example" not in written
    assert "2345678" not in written
    assert prepared.manifest.scrubbed == {
        "query: mail address": 1,
        "query: phone number": 1,
        "title: mail address": 1,
    }
    queries = prepared.train.events["query"]
    assert queries.iloc[0] == "call"
    assert set(queries.iloc[1:]) == {"red cup"}


def test_columns_are_kept_as_they_are_where_the_recipe_says_so(tmp_path: Path) -> None:
    prepared = prepare_shop(private_shop(tmp_path, "[privacy]\nfree_text = []\n"), tmp_path / "out")
    assert prepared.train.events["query"].iloc[0] == "call 0171 2345678"
    assert prepared.manifest.scrubbed == {}


def test_with_a_key_no_cell_of_the_ledger_shows_a_mail_address(tmp_path: Path) -> None:
    rows = [*(f"{row},who@web.example" for row in ROWS), "9,7.0,A,2024-01-06,0,2.00,apple,DE,ann@mail.example"]
    (tmp_path / "key").write_bytes(KEY)
    extra = '[[clean.drop]]\nraw_column = "mail"\npattern = "^x"\nreason = "x"\n[privacy]\nkey_file = "key"\n'
    header = "order,customer,sku,when,qty,paid,name,land,mail"
    prepare_shop(write_small_shop(tmp_path, rows=rows, header=header, extra=extra), tmp_path / "out")
    assert "mail.example" not in contents(tmp_path / "out")


def test_the_manifest_names_the_key_by_its_check_word(tmp_path: Path) -> None:
    recipe = private_shop(tmp_path, '[privacy]\nkey_file = "key"\n')
    assert prepare_shop(recipe, tmp_path / "out").manifest.key_check == key_check(KEY)
    (tmp_path / "key").write_bytes(KEY[::-1])
    with pytest.raises(SourceError, match=f"pseudonyms under the key {key_check(KEY)}"):
        prepare_shop(recipe, tmp_path / "out")
    assert prepare_shop(recipe, tmp_path / "out", force=True).manifest.key_check == key_check(KEY[::-1])


@pytest.mark.parametrize(
    ("key", "expected", "message"),
    [
        (KEY[::-1], key_check(KEY), "the key"),
        (None, key_check(KEY), "no key is given"),
        (KEY, "", "has plain user ids"),
    ],
)
def test_a_key_that_does_not_fit_is_refused(key: bytes | None, expected: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        verify_key(key, expected, of="the history store")


def test_a_key_that_fits_passes() -> None:
    verify_key(KEY, key_check(KEY), of="the history store")
    verify_key(None, "", of="the history store")
