"""`tfrec init` as a newcomer meets it: what it writes and prints, what it refuses."""

import tomllib
from pathlib import Path

import pytest

from tests.layouts import exports
from tests.layouts.known_orders import ITEMS, known_orders
from tfrec.cli import main


@pytest.fixture
def export(tmp_path: Path) -> Path:
    (path,) = exports.amazon_fulfilment(tmp_path, known_orders()).paths
    return path


def test_it_writes_a_recipe_and_shows_its_rows_and_the_next_command(export, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["init", str(export), "--check"]) == 0
    printed = capsys.readouterr().out
    recipe = tomllib.loads((tmp_path / "unshipped.toml").read_text(encoding="utf-8"))
    assert recipe["events"]["files"] == "unshipped.txt"
    assert "unshipped.toml: Amazon Seller Central order report" in printed
    assert "user1@example.org" in printed and "302-" in printed
    assert "commented lines or rules, each with what to put there" in printed
    assert "Preparing all rows gives:" in printed and "training" in printed and "other currency" in printed
    assert printed.rstrip().endswith("then: tfrec prepare unshipped.toml --out prepared/unshipped")
    assert main(["prepare", "unshipped.toml", "--out", "prepared/unshipped"]) == 0


def test_a_recipe_that_is_there_is_not_overwritten_without_force(export, tmp_path, capsys):
    out = tmp_path / "mine.toml"
    out.write_text("name = 'mine'\n", encoding="utf-8")
    assert main(["init", str(export), "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == "name = 'mine'\n"
    assert main(["init", str(export), "--out", str(out), "--force"]) == 0
    first = out.read_text(encoding="utf-8")
    assert first.startswith("# A starting recipe") and 'name = "mine"' in first
    assert main(["init", str(export), "--out", str(out)]) == 0, "the same recipe is there"
    out.write_text(first + "# mine\n", encoding="utf-8")
    assert main(["init", str(export), "--out", str(out)]) == 2
    assert out.read_text(encoding="utf-8") == first + "# mine\n"


def test_a_catalogue_alone_names_what_is_missing(tmp_path, capsys):
    catalogue = exports.write_merchant_feed(tmp_path, ITEMS)
    assert main(["init", str(catalogue), "--out", str(tmp_path / "shop.toml")]) == 0
    assert "Orders or events are missing: name their files, too" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["absent.csv"], "There is no file or folder absent.csv", id="no such file"),
        pytest.param(["EXPORT", "--out", "recipe.txt"], "its name ends in .toml", id="another ending"),
        pytest.param(["EMPTY"], "is empty", id="empty file"),
        pytest.param(["mysql://me:secret@host/shop"], "variable of the environment", id="password in a URL"),
        pytest.param(["s3://bucket/orders.csv"], "is no database. Copy a file", id="object store"),
    ],
)
def test_wrong_input_is_an_error_that_says_what_to_do(arguments, words, export, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_bytes(b"")
    places = {"EXPORT": str(export), "EMPTY": "empty.csv"}
    assert main(["init", *(places.get(word, word) for word in arguments)]) == 2
    assert words in capsys.readouterr().err


def test_rows_that_cannot_be_read_yet_are_explained(tmp_path, capsys):
    path = tmp_path / "log.csv"
    path.write_text(
        "order,customer,sku,date\n"
        + "".join(f"{at},{at % 3},S{at % 5},0{1 + at * 5 % 9}/0{1 + at * 7 % 9}/2024\n" for at in range(60)),
        encoding="utf-8",
    )
    assert main(["init", str(path), "--out", str(tmp_path / "log.toml")]) == 1
    printed = capsys.readouterr().out
    assert "The rows cannot be read by it yet" in printed and "time_format" in printed
    assert (tmp_path / "log.toml").is_file()
