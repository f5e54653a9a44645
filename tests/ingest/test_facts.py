"""Knowledge triples of items: read, checked, and no part of shops without them."""

from pathlib import Path

import pandas as pd
import pytest

from tests.ingest.small_shop import write_small_shop
from tfrec.errors import RecipeError, SourceError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import read_prepared

FACTS = '\n[facts]\nfiles = "facts.csv"\n[facts.columns]\nhead = "what"\nrelation = "how"\ntail = "whom"\n'
LINES = ["what,how,whom", "A,made by,Orchard", "Orchard,based in,Lyon", "B,made by,Bakery"]


def write(folder: Path, *, lines: list[str] = LINES, extra: str = FACTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "facts.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return write_small_shop(folder, extra=extra)


def test_facts_are_read_each_once_and_bad_rows_set_aside(tmp_path: Path) -> None:
    lines = [*LINES, ",made by,Maker", "C,,Bakery", "C,made by,", "A,made by,Orchard", "A,made by,A", "C,made by,NULL"]
    prepared = prepare_shop(write(tmp_path, lines=lines), tmp_path / "out")
    expected = [["A", "made by", "Orchard"], ["B", "made by", "Bakery"], ["Orchard", "based in", "Lyon"]]
    assert prepared.train.facts.to_numpy().tolist() == prepared.test.facts.to_numpy().tolist() == expected
    assert prepared.manifest.facts == 3
    assert prepared.manifest.catalogue_rejected == {
        "duplicate fact": 1,
        "fact of nothing else": 1,
        "missing head": 1,
        "missing relation": 1,
        "missing tail": 2,
    }
    rejected = pd.read_parquet(tmp_path / "out" / "rejected.parquet")
    assert set(rejected["table"]) == {"facts"} and rejected["row"].tolist() == [4, 5, 6, 7, 8, 9]


def test_ids_in_capitals_are_so_in_facts_too(tmp_path: Path) -> None:
    lines = ["what,how,whom", "a,made by,Orchard", "orchard,based in,Lyon"]
    recipe = write(tmp_path, lines=lines, extra=FACTS + "\n[clean]\nupper_case_ids = true\n")
    facts = prepare_shop(recipe, tmp_path / "out").train.facts
    assert facts.to_numpy().tolist() == [["A", "made by", "ORCHARD"], ["ORCHARD", "based in", "LYON"]]


def test_a_shop_without_facts_has_none_and_its_folder_no_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare_shop(write_small_shop(tmp_path), out)
    assert not (out / "facts.parquet").exists() and not (out / "relations.parquet").exists()
    text = (out / "manifest.json").read_text()
    for field in ("facts", "relations"):  # a folder of before
        text = text.replace(f',\n  "{field}": 0', "")
    (out / "manifest.json").write_text(text)
    old = read_prepared(out)
    assert old.manifest.facts == old.manifest.relations == 0
    assert old.train.facts.empty and old.train.relations.empty


def test_other_facts_are_another_shop(tmp_path: Path) -> None:
    first = prepare_shop(write(tmp_path), tmp_path / "out").manifest.fingerprint
    assert prepare_shop(write(tmp_path, lines=LINES[:-1]), tmp_path / "out").manifest.fingerprint != first


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('head = "what"', 'haed = "what"', ["'haed'", "'head'", "[facts]"]),
        ('head = "what"\n', "", ["head", "facts file"]),
        ("[facts]", "[fact]", ["'fact'", "'facts'"]),
        ('files = "facts.csv"\n', "", ["`files`", "facts file"]),
        ('files = "facts.csv"', 'files = "facts.csv"\nformat = "triples"', ["'triples'"]),
    ],
    ids=["key", "unmapped", "section", "no files", "format"],
)
def test_wrong_recipes_are_clear_errors(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    recipe = write(tmp_path, extra=FACTS.replace(old, new))
    with pytest.raises(RecipeError) as raised:
        prepare_shop(recipe, tmp_path / "out")
    assert all(word in str(raised.value) for word in words), raised.value


def test_a_column_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    recipe = write(tmp_path, extra=FACTS.replace('"whom"', '"whim"'))
    with pytest.raises(SourceError, match=r"no column 'whim', which the recipe maps to `tail`.*'whom'"):
        prepare_shop(recipe, tmp_path / "out")
