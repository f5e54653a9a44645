"""What a catalogue may state of items beside the schema's columns: variants, sales, attributes, vectors, pictures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.ingest.small_shop import RECIPE, ROWS, write_small_shop
from tfrec.errors import RecipeError
from tfrec.features.shop import encode_shop
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared
from tfrec.schema.tables import ITEM_COLUMNS

CATALOGUE = RECIPE.replace("[items.columns]", '[items]\nfiles = "goods.csv"\n\n[items.columns]\nitem_id = "sku"')


def prepare(folder: Path, goods: list[str], *, columns: str, extra: str = "") -> Prepared:
    recipe = CATALOGUE.replace('title = "name"\n', f'title = "name"\n{columns}\n')
    path = write_small_shop(folder, rows=ROWS, recipe=recipe, extra=extra)
    (folder / "goods.csv").write_text("\n".join(goods) + "\n")
    return prepare_shop(path, folder / "prepared")


def incomplete(prepared: Prepared) -> dict[int, str]:
    """Returns the number of each row of the catalogue that lost a value → reason."""
    table = pd.read_parquet(prepared.path / "incomplete.parquet")
    table = table[table["table"] == "items"]
    return dict(zip(table["row"], table["reason"], strict=True))


SALES = 'item_group = "parent"\nlist_price = "full"\navailable_from = "from"\navailable_until = "until"'


def test_groups_list_prices_and_ends_of_sales_are_read(tmp_path: Path) -> None:
    goods = [
        "sku,name,parent,full,from,until",
        "A,apple,7.0,9.95,,2024-02-01",
        "B,bread,7,,2024-01-01,2024-06-01 12:00",
        "E,egg,,12,2024-05-01,2024-04-01",
        "F,fig,,-1,,2030-01-01",
        "G,gin,,1,,sometime",
    ]
    goods += [f"X{n},x,,1,,2030-01-01" for n in range(5)]
    prepared = prepare(tmp_path, goods, columns=SALES)
    items = prepared.train.items.set_index("item_id")
    assert list(items.columns) == [*list(ITEM_COLUMNS)[1:], "item_group", "list_price", "available_until"]
    assert items["item_group"].to_dict() == {**dict.fromkeys(items.index, ""), "A": "7", "B": "7"}
    assert items.loc["A", "list_price"] == np.float32(9.95)
    assert items.loc["A", "available_until"] == pd.Timestamp("2024-01-31 23:00")  # midnight in Berlin
    assert items.loc["B", "available_until"] == pd.Timestamp("2024-06-01 10:00")
    assert items.loc[["C", "F"], "list_price"].isna().all()  # C was sold, but is not in the catalogue
    assert items.loc[["C", "G"], "available_until"].isna().all()
    assert incomplete(prepared) == {4: "impossible list_price", 5: "unreadable available_until"}
    (note,) = [note for note in prepared.manifest.notes if note.code == "sale_ends_before_it_begins"]
    assert note.count == 1 and "'E'" in note.text
    shop = encode_shop(prepared)
    rows = shop.vocabularies.items.encode(["A", "B", "C", "E"])
    end = prepared.test_from.timestamp() / 3600
    assert shop.vocabularies.catalogue.is_available(end)[rows].tolist() == [False, True, True, False]
    assert shop.vocabularies.catalogue.largest_group == 2


def test_attributes_are_text_columns_and_words_of_items(tmp_path: Path) -> None:
    goods = ["sku,name,Farbe,mat", "A,apple,red,wood", "B,bread,red,NULL"]
    extra = '\n[items.attributes]\ncolour = "Farbe"\nmade_of = "mat"\n'
    prepared = prepare(tmp_path, goods, columns="", extra=extra)
    items = prepared.train.items.set_index("item_id")
    assert items["colour"].to_dict() == {"A": "red", "B": "red", "C": ""}
    assert items["made_of"].to_dict() == {"A": "wood", "B": "", "C": ""}
    shop = encode_shop(prepared)
    words = shop.vocabularies.words.decode(shop.vocabularies.catalogue.title_words)
    known = dict(zip(["", *shop.vocabularies.items.tokens], words, strict=True))
    assert "colour=red" in known["A"] and "colour=red" in known["B"]
    assert not any("made_of" in word for word in known["A"])  # a word of one item cannot generalise


@pytest.mark.parametrize(
    ("name", "message"),
    [("title", "'title' has already"), ("Cost", "'cost' has already"), ("_x", "do not begin with")],
)
def test_attribute_of_a_name_that_is_taken_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        prepare(tmp_path, ["sku,name", "A,a"], columns="", extra=f'\n[items.attributes]\n{name} = "name"\n')


@pytest.mark.parametrize("columns", ['embedding = "v"', 'item_group = "g"', 'available_until = "u"'])
def test_what_only_a_catalogue_states_needs_one(tmp_path: Path, columns: str) -> None:
    recipe = RECIPE.replace('title = "name"\n', f'title = "name"\n{columns}\n')
    with pytest.raises(RecipeError, match="need a catalogue"):
        prepare_shop(write_small_shop(tmp_path, rows=ROWS, recipe=recipe), tmp_path / "prepared")


def vectors(prepared: Prepared) -> dict[str, list[float] | None]:
    """Returns item → vector, None where it has none."""
    assert prepared.embeddings is not None
    items = prepared.train.items["item_id"]
    return {
        item: None if np.isnan(row).any() else [round(float(number), 6) for number in row]
        for item, row in zip(items, prepared.embeddings, strict=True)
    }


@pytest.mark.parametrize(
    "texts",
    [
        ['"[1, -2.5e-1, 3]"', '"[0.5,0.5,0.5]"'],
        ["1 -0.25 3", "0.5 0.5 0.5"],
        ["1;-.25;3", "0.5;0.5;0.5"],
        ['"1,-0.25,3"', '"0.5, 0.5, 0.5"'],
        ["1|-0.25|3|", "(0.5|0.5|0.5)"],
    ],
    ids=["JSON", "blanks", "semicolons", "commas", "bars"],
)
def test_vectors_are_read_from_text(tmp_path: Path, texts: list[str]) -> None:
    goods = ["sku,name,v", f"B,bread,{texts[1]}", f"A,apple,{texts[0]}", "C,cake,"]
    prepared = prepare(tmp_path, goods, columns='embedding = "v"')
    assert vectors(prepared) == {"A": [1, -0.25, 3], "B": [0.5, 0.5, 0.5], "C": None}
    assert prepared.manifest.embeddings == 3
    assert "embedding" not in prepared.train.items.columns
    assert prepared.manifest.incomplete == {}


def test_decimal_commas_are_read_where_the_recipe_states_them(tmp_path: Path) -> None:
    goods = ["sku;name;v", "A;apple;0,5 1,5", 'B;bread;"[0.5, 1.5]"']
    recipe = CATALOGUE.replace('files = "goods.csv"', 'files = "goods.csv"\ndecimal = ","')
    recipe = recipe.replace('title = "name"\n', 'title = "name"\nembedding = "v"\n')
    path = write_small_shop(tmp_path, rows=ROWS, recipe=recipe)
    (tmp_path / "goods.csv").write_text("\n".join(goods) + "\n")
    assert vectors(prepare_shop(path, tmp_path / "prepared")) == {
        "A": [0.5, 1.5],
        "B": [0.5, 1.5],
        "C": None,
    }


def test_bad_vectors_are_left_out_and_listed(tmp_path: Path) -> None:
    bad = {"1 x": "unreadable", "1 inf": "impossible", "nan 1": "impossible", "1 1e39": "impossible"}
    others = {"1 2 3": "of another length", "7": "of another length"}
    goods = ["sku,name,v", "A,apple,1 2", "B,bread,3 4", "C,cake,5 6"]
    goods += [f"X{n},x,{text}" for n, text in enumerate([*bad, *others])]
    prepared = prepare(tmp_path, goods, columns='embedding = "v"')
    found = vectors(prepared)
    assert [found[item] for item in ("A", "B", "C")] == [[1, 2], [3, 4], [5, 6]]
    assert all(found[f"X{n}"] is None for n in range(6))  # they are items still
    assert [text.replace("embedding", "").strip() for text in incomplete(prepared).values()] == [
        *bad.values(),
        *others.values(),
    ]
    assert prepared.manifest.tables["items"].kept == 9


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_vectors_are_read_from_lists(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame({"sku": ["A", "B", "C"], "name": ["a", "b", "c"], "v": [[1.0, 0.1], [2.0, 3.0], None]})
    if ending == "parquet":
        frame.to_parquet(tmp_path / "goods.parquet")
    else:
        lines = [{"sku": "A", "name": "a", "v": [1, 0.1]}, {"sku": "B", "name": "b", "v": [2.0, 3e0]}]
        lines += [{"sku": "C", "name": "c", "v": []}]
        (tmp_path / "goods.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    recipe = CATALOGUE.replace("goods.csv", f"goods.{ending}")
    recipe = recipe.replace('title = "name"\n', 'title = "name"\nembedding = "v"\n')
    prepared = prepare_shop(write_small_shop(tmp_path, rows=ROWS, recipe=recipe), tmp_path / "prepared")
    assert vectors(prepared) == {"A": [1, 0.1], "B": [2, 3], "C": None}


def test_pictures_are_found_by_the_paths_that_items_name(tmp_path: Path) -> None:
    for name, colour in (("a/front.png", 10), ("b/front.png", 200), ("c.png", 90)):
        path = tmp_path / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (colour, colour, colour)).save(path)
    goods = ["sku,name,image", "A,apple,/a/front.png", r"B,bread,.\b\front.png", "C,cake,gone.png", "E,egg,"]
    extra = '\n[pictures]\nfolder = "media"\nsize = 8\n'
    prepared = prepare(tmp_path, goods, columns='picture = "image"', extra=extra)
    items = prepared.train.items.set_index("item_id")
    assert "picture" not in items.columns
    assert prepared.images is not None
    shade = {item: int(prepared.images[row][0, 0, 0]) for item, row in items["image_index"].items() if row >= 0}
    assert shade == {"A": 10, "B": 200}
    assert incomplete(prepared) == {3: "picture not found"}
    (note,) = [note for note in prepared.manifest.notes if note.code == "pictures_without_item"]
    assert note.count == 1


def test_picture_column_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="name the folder"):
        prepare(tmp_path, ["sku,name,image", "A,a,x.png"], columns='picture = "image"')


def test_preparing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    goods = ["sku,name,v,g", *(f"I{n},x,{n} {n / 7},{n // 3}" for n in range(3000))]
    first = prepare(tmp_path, goods, columns='embedding = "v"\nitem_group = "g"')
    again = prepare_shop(tmp_path / "small.toml", tmp_path / "again")
    for name in ("items.parquet", "embeddings.npy", "incomplete.parquet", "manifest.json"):
        assert (first.path / name).read_bytes() == (again.path / name).read_bytes(), name
