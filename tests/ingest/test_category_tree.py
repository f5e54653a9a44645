"""Ids of categories become paths of names, by a table of their own."""

from pathlib import Path

import pandas as pd
import pytest

from tests.ingest.small_shop import RECIPE, write_small_shop
from tfrec.errors import RecipeError, SourceError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.recipes import read_recipe

TREE = "[items.category_tree]\nfiles = 'tree.csv'\nid = 'id'\nparent = 'up'\nname = 'word'\n"
CATALOGUE = RECIPE.replace(
    '[items.columns]\ntitle = "name"', "[items]\nfiles = 'items.csv'\n[items.columns]\nitem_id = 'id'\ncategory = 'cat'"
)
ROWS = "id,up,word\n1,0,Food\n2,1,Bakery\n3.0,2.0,Bread\n4,9,Fruit\n2,4,Again\n5,3,\n6,5,Rye\n"


def categories(folder: Path, recipe: str, *, tree: str = ROWS, items: str = "") -> tuple[dict, dict]:
    (folder / "tree.csv").write_text(tree)
    (folder / "items.csv").write_text(items)
    shop = prepare_shop(write_small_shop(folder, recipe=recipe), folder / "out")
    table = pd.read_parquet(folder / "out" / "items.parquet")
    notes = {note.code: note for note in shop.manifest.notes}
    return dict(zip(table["item_id"], table["category"], strict=True)), notes


def test_ids_of_a_catalogue_become_paths(tmp_path: Path) -> None:
    items = "id,cat\nA,4\nB,3\nC,6.0\nD,77\nE,\n"
    found, notes = categories(tmp_path, CATALOGUE + TREE, items=items)
    assert found == {"A": "Fruit", "B": "Food > Bakery > Bread", "C": "Food > Bakery > Bread > Rye", "D": "", "E": ""}
    assert notes["categories_unknown"].count == 1
    assert "'77'" in notes["categories_unknown"].text
    assert notes["categories_repeated"].count == 1
    assert "e.g. '4'" in notes["category_parents_unknown"].text


def test_ids_of_the_events_become_paths_and_then_words(tmp_path: Path) -> None:
    recipe = RECIPE.replace('title = "name"', 'category = "name"')
    words = '[items.words.category]\n"Green" = "Vegetables"\n'
    tree = "id,up,word\napple,,Fruit\nbread,,Green\n"
    found, _ = categories(tmp_path, recipe + TREE + words, tree=tree)
    assert found == {"A": "Fruit", "B": "Vegetables", "C": ""}


def test_a_changed_tree_is_read_again(tmp_path: Path) -> None:
    items = "id,cat\nA,1\n"
    assert categories(tmp_path, CATALOGUE + TREE, items=items)[0]["A"] == "Food"
    assert categories(tmp_path, CATALOGUE + TREE, tree=ROWS.replace("Food", "Meals"), items=items)[0]["A"] == "Meals"


@pytest.mark.parametrize(
    ("tree", "words"),
    [("id,up,word\n1,2,a\n2,1,b\n", "lies below itself"), ("id,parent,word\n1,2,a\n", "no column 'up'")],
    ids=["circle", "no parent"],
)
def test_wrong_tree_is_a_clear_error(tmp_path: Path, tree: str, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        categories(tmp_path, CATALOGUE + TREE, tree=tree, items="id,cat\nA,1\n")


def test_a_tree_needs_ids(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="map `category`"):
        read_recipe(write_small_shop(tmp_path, recipe=RECIPE + TREE))
