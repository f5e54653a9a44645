"""Categories that are learned from titles where a catalogue has none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from tests.ingest.small_shop import RECIPE, ROWS, write_small_shop
from tfrec.demo_shop import DemoShopConfig
from tfrec.demo_shop.catalogue import LEAVES, build_catalogue
from tfrec.errors import RecipeError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.title_categories import categories_of_titles, fill_categories

MUGS = [f"{colour} coffee mug {number}" for number, colour in enumerate(["red", "blue", "green", "white"] * 5)]
CARDS = [f"{colour} greeting card {number}" for number, colour in enumerate(["red", "blue", "green", "white"] * 5)]


def catalogue(titles: list[str], categories: list[str] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"title": titles, "category": categories or [""] * len(titles)})


def test_kinds_are_what_titles_name_and_not_their_colours() -> None:
    names = categories_of_titles(pd.Series([*MUGS, *CARDS]))
    assert set(names[:20]) == {"coffee mug"}
    assert set(names[20:]) == {"greeting card"}


def test_categories_of_the_demo_shop_are_found_by_its_titles() -> None:
    known = build_catalogue(DemoShopConfig(num_items=1000))
    names = categories_of_titles(pd.Series(known.titles))
    assert adjusted_rand_score(known.leaf, names) > 0.6
    assert len(LEAVES) / 2 < len(set(names)) < 2 * len(LEAVES)


def test_same_titles_have_the_same_categories() -> None:
    titles = pd.Series([*CARDS, *MUGS])
    np.testing.assert_array_equal(categories_of_titles(titles), categories_of_titles(titles))


@pytest.mark.parametrize("titles", [[], [""], ["", "", "7 8"], ["one", "two", "three"]])
def test_titles_without_a_word_in_common_have_no_category(titles: list[str]) -> None:
    items, (note,) = fill_categories(catalogue(titles))
    assert items["category"].tolist() == [""] * len(titles)
    assert note.count == 0 and "No category could be learned" in note.text


def test_stated_categories_stay_and_the_others_are_counted() -> None:
    items, (note,) = fill_categories(catalogue([*MUGS, "vase", "red mug"], [""] * 21 + ["Kitchen > Mugs"]))
    assert items["category"].tolist() == ["coffee mug"] * 20 + ["", "Kitchen > Mugs"]
    assert note.count == 20 and "1 items share no word" in note.text


def test_recipe_asks_for_them(tmp_path: Path) -> None:
    recipe = RECIPE.replace("[items.columns]", "[items]\ncategory_from_title = true\n\n[items.columns]")
    rows = [row.replace("apple", "red apple").replace("bread", "red bread") for row in ROWS]
    prepared = prepare_shop(write_small_shop(tmp_path, rows=rows, recipe=recipe), tmp_path / "prepared")
    assert "categories_from_titles" in {note.code for note in prepared.manifest.notes}
    assert (prepared.train.items["category"] != "").any()


def test_recipe_without_titles_is_refused(tmp_path: Path) -> None:
    recipe = RECIPE.replace("[items.columns]", "[items]\ncategory_from_title = true\n\n[items.columns]")
    path = write_small_shop(tmp_path, rows=ROWS, recipe=recipe.replace('title = "name"\n', ""))
    with pytest.raises(RecipeError, match="category_from_title needs titles"):
        prepare_shop(path, tmp_path / "prepared")
