"""Pictures in a folder, each named by its item, become one array of small squares."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.ingest.small_shop import RECIPE, write_small_shop
from tfrec.errors import RecipeError, SourceError
from tfrec.ingest.picture_folder import read_picture
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import read_prepared
from tfrec.ingest.recipes import read_recipe

PICTURES = "[pictures]\nfolder = 'images'\nsize = 16\n"


def write_picture(path: Path, colour: tuple[int, ...], size: tuple[int, int] = (40, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB" if len(colour) == 3 else "RGBA", size, colour).save(path)


def test_items_get_the_rows_of_their_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    write_picture(folder / "A.png", (255, 0, 0))
    write_picture(folder / "new" / "b.JPG", (0, 0, 255))
    write_picture(folder / "zzz.png", (0, 255, 0))
    write_picture(folder / "old" / "A.png", (9, 9, 9))
    (folder / "C.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("x")
    recipe = write_small_shop(tmp_path, recipe=RECIPE + PICTURES + "[clean]\nupper_case_ids = true\n")
    shop = prepare_shop(recipe, tmp_path / "out")
    assert shop.images.shape == (3, 16, 16, 3)
    items = pd.read_parquet(tmp_path / "out" / "items.parquet").set_index("item_id")["image_index"]
    assert items["C"] == -1
    assert shop.images[items["A"]].reshape(-1, 3).tolist() == [[255, 0, 0]] * 256
    np.testing.assert_allclose(shop.images[items["B"]].reshape(-1, 3), [[0, 0, 255]] * 256, atol=3)
    notes = {note.code: note for note in shop.manifest.notes}
    assert notes["pictures_unreadable"].count == 1
    assert notes["pictures_repeated"].count == 1
    assert "'ZZZ'" in notes["pictures_without_item"].text
    assert shop.manifest.images == 3


def test_a_changed_picture_is_read_again(tmp_path: Path) -> None:
    write_picture(tmp_path / "images" / "A.png", (255, 0, 0))
    recipe = write_small_shop(tmp_path, recipe=RECIPE + PICTURES)
    before = prepare_shop(recipe, tmp_path / "out").manifest.fingerprint
    write_picture(tmp_path / "images" / "A.png", (0, 255, 0))
    assert prepare_shop(recipe, tmp_path / "out").manifest.fingerprint != before
    assert read_prepared(tmp_path / "out").images[0, 0, 0].tolist() == [0, 255, 0]
    (tmp_path / "images" / "A.png").rename(tmp_path / "images" / "B.png")
    items = prepare_shop(recipe, tmp_path / "out").train.items.set_index("item_id")["image_index"]
    assert items.to_dict() == {"A": -1, "B": 0, "C": -1}


def test_a_picture_stays_whole_on_white(tmp_path: Path) -> None:
    write_picture(tmp_path / "wide.png", (0, 0, 0), size=(80, 20))
    wide = read_picture(tmp_path / "wide.png", size=16)
    assert wide[0, 8].tolist() == [255, 255, 255]
    assert wide[8, 8].tolist() == [0, 0, 0]
    write_picture(tmp_path / "clear.png", (0, 0, 0, 0))
    assert (read_picture(tmp_path / "clear.png", size=16) == 255).all()


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        ("[pictures]\nsize = 16\n", "file .* or folder"),
        ("[pictures]\nfolder = 'x'\nfile = 'y.npy'\n", "not both"),
        (PICTURES.replace("16", "4"), "from 8 to 1024"),
    ],
    ids=["neither", "both", "tiny"],
)
def test_wrong_keys_are_refused(tmp_path: Path, pictures: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        read_recipe(write_small_shop(tmp_path, recipe=RECIPE + pictures))


def test_folder_without_pictures_is_a_clear_error(tmp_path: Path) -> None:
    recipe = write_small_shop(tmp_path, recipe=RECIPE + PICTURES)
    with pytest.raises(SourceError, match="no folder 'images' with JPEG or PNG"):
        prepare_shop(recipe, tmp_path / "out")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "A.png").write_bytes(b"?")
    with pytest.raises(SourceError, match=r"A\.png and all other pictures cannot be read"):
        prepare_shop(recipe, tmp_path / "out")
