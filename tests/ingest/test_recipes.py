from pathlib import Path

import pytest

from tests.ingest.small_shop import RECIPE, write_small_shop
from tfrec.errors import RecipeError
from tfrec.ingest.recipes import find_recipe, read_recipe, shipped_recipes

SHIPPED = sorted(shipped_recipes().glob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipe_reads_and_is_named_as_its_file(path: Path) -> None:
    written = read_recipe(path)
    assert written.recipe.name == path.stem
    assert written.recipe.source_url
    assert written.recipe.licence


def test_recipe_becomes_typed_values(tmp_path: Path) -> None:
    recipe = read_recipe(write_small_shop(tmp_path)).recipe
    assert [events.files for events in recipe.events] == [("log.csv",)]
    assert recipe.split.test_from == "2024-03-01"
    assert recipe.sessions.gap_minutes == 30
    assert recipe.has_time


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("currency =", "curency =", ["unknown key 'curency'", "'currency'"]),
        ("[events.columns]", "[events.colums]", ["unknown key 'colums'", "'columns'", "[events]"]),
        ('item_id = "sku"', 'itemid = "sku"', ["'itemid'", "'item_id'"]),
        ("test_from =", "test_form =", ["'test_form'", "'test_from'", "[split]"]),
        ("[split]", "[spilt]", ["'spilt'", "'split'"]),
        ("[users.columns]", "[sessions]\ngap_minuts = 3\n[users.columns]", ["'gap_minuts'", "'gap_minutes'"]),
        ('title = "name"', 'titel = "name"', ["'titel'", "'title'"]),
    ],
    ids=["top", "section", "event column", "split key", "section name", "session key", "item column"],
)
def test_unknown_key_names_file_and_nearest(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    path = write_small_shop(tmp_path, recipe=RECIPE.replace(old, new))
    with pytest.raises(RecipeError) as raised:
        read_recipe(path)
    for word in [str(path), *words]:
        assert word in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"EUR"', "3", ["currency", "text"]),
        ('"log.csv"', "7", ["files", "list"]),
        ('"purchase"', '"buy"', ["'buy'"]),
        ('"purchase"', '"purchas"', ["'purchase'"]),
        ('"Europe/Berlin"', '"Europe/Berlyn"', ["'Europe/Berlin'"]),
        ("2024-03-01", '"soon"', ["'soon'", "2011-11-01"]),
        ("2024-02-01", "2024-04-01", ["validation_from", "before"]),
        ('order_id = "order"\n', "", ["order", "user_day"]),
        ('item_id = "sku"\n', "", ["item_id"]),
        ('type = "purchase"\n', "", ["type", "event_type"]),
        ('item_id = "sku"\n', 'item_id = "sku"\nline_total = "t"\n', ["price", "line_total", "not both"]),
        ('name = "small"\n', "", ["'name'", "missing"]),
        ("[split]", "[sessions]\ngap_minutes = 0\n[split]", ["gap_minutes", "above 0"]),
        ("[split]", '[clean]\nduplicates = "merg"\n[split]', ["'merge'"]),
        ("[split]", '[[clean.drop]]\ncolumn="order_id"\npattern="("\nreason="x"\n[split]', ["regular expression"]),
        ("[split]", '[[clean.drop]]\ncolumn="rating"\npattern="x"\nreason="x"\n[split]', ["rating", "does not map"]),
        ("[split]", '[orders]\nby = "day"\n[split]', ["user_day"]),
        ('"log.csv"', '"log.csv"\nformat = "cvs"', ["'csv'"]),
        ('"log.csv"', '"log.csv"\nencoding = "klingon"', ["encoding"]),
        ('"log.csv"', '"log.csv"\ndelimiter = ";;"', ["one character"]),
        ("[split]", "[split]\ntest_share = 2.0", ["test_share", "between 0 and 1"]),
        ("[split]", "[split]\ntest_days = 5", ["test_from or test_days"]),
        ("[split]", '[clean]\nunknown_items = "reject"\n[split]', ["catalogue"]),
        ("[events]", 'country = "ZZ"\n[events]', ["ISO 3166", "'ZZ'"]),
        ("[events]", 'country = "UK"\n[events]', ["The United Kingdom is GB"]),
    ],
    ids=lambda value: value.strip().replace("\n", " ")[:40] if isinstance(value, str) else "",
)
def test_wrong_value_says_what_was_expected(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    path = write_small_shop(tmp_path, recipe=RECIPE.replace(old, new, 1))
    with pytest.raises(RecipeError) as raised:
        read_recipe(path)
    for word in [str(path), *words]:
        assert word in str(raised.value)


def test_broken_toml_names_the_file(tmp_path: Path) -> None:
    path = write_small_shop(tmp_path, extra="\n[[[")
    with pytest.raises(RecipeError, match="TOML"):
        read_recipe(path)


def test_recipe_is_found_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_small_shop(tmp_path / "datasets")
    monkeypatch.chdir(tmp_path)
    assert find_recipe("small").samefile(path)
    assert find_recipe("datasets/small.toml").samefile(path)
    assert find_recipe(path) == path
    assert find_recipe("online_retail") == shipped_recipes() / "online_retail.toml"


def test_raw_files_lie_beside_a_recipe_but_of_the_package_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_small_shop(tmp_path / "shop")
    monkeypatch.chdir(tmp_path)
    assert read_recipe(path).data_home == tmp_path / "shop"
    assert read_recipe(find_recipe("online_retail")).data_home == tmp_path


def test_absent_recipe_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match="'online_retail'"):
        find_recipe("online_retial")
    with pytest.raises(RecipeError, match="no recipe"):
        find_recipe("/nowhere/shop.toml")


def test_a_recipe_of_another_encoding_is_refused_with_its_line(tmp_path):
    (tmp_path / "cafe.toml").write_bytes('name = "cafe"\n# Café\n'.encode("latin-1"))
    with pytest.raises(RecipeError, match=r"UTF-8; line 2 holds the byte 0xe9"):
        read_recipe(tmp_path / "cafe.toml")
