"""Pictures show the leaf category, the style and, dimly, the appeal; nothing else in the catalogue shows the style."""

import dataclasses
import gzip

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.demo_shop.conftest import CONFIG
from tfrec.demo_shop import generate_demo_shop
from tfrec.demo_shop.pictures import fashion_pictures
from tfrec.errors import SourceError


@pytest.fixture(scope="module")
def pictures(folder, truth):
    with np.load(folder / "pictures.npz") as file:
        images, product = file["images"], file["product"]
    return images, truth.styles.set_index("item").loc[product]


def _hit_rate(X, label) -> float:
    half = np.random.default_rng(0).permutation(len(X))
    train, test = half[: len(X) // 2], half[len(X) // 2 :]
    return LogisticRegression(max_iter=300, C=0.01).fit(X[train], label[train]).score(X[test], label[test])


def test_pictures_are_aligned_to_the_items(folder, items, pictures):
    images, about = pictures
    assert images.shape == (len(about), 28, 28)
    assert images.dtype == np.uint8
    shown = items[items["picture"] >= 0]
    assert shown.sort_values("picture")["product"].tolist() == about.index.tolist()
    assert 0 < (items["picture"] < 0).sum() < 0.03 * len(items)


def test_style_and_leaf_are_predicted_from_the_picture(pictures):
    images, about = pictures
    X = images.reshape(len(images), -1) / 255
    assert _hit_rate(X, about["style"].to_numpy()) > 0.8  # a quarter by chance
    assert (
        _hit_rate(X, about["leaf"].to_numpy()) > 0.3
    )  # about 1 in 40 by chance, with ten pictures a leaf to learn from


def test_style_cannot_be_predicted_from_the_catalogue(items, truth):
    about = items.merge(truth.styles, left_on="product", right_on="item")
    columns = [about[name].astype("category").cat.codes for name in ("category", "brand", "tier")]
    X = np.concatenate([np.eye(code.max() + 1)[code] for code in columns] + [np.log(about[["price"]])], axis=1)
    assert _hit_rate(X, about["style"].to_numpy()) < 0.35


def test_appealing_items_look_lighter_and_sell_more(pictures, clean):
    images, about = pictures
    light = images.sum(axis=(1, 2)) / (images > 50).sum(axis=(1, 2))
    assert np.corrcoef(light, about["appeal"])[0, 1] > 0.4
    views = clean.loc[clean["action"] == "viewed", "product"].value_counts().reindex(about.index, fill_value=0)
    assert np.corrcoef(np.log1p(views), about["appeal"])[0, 1] > 0.5


def test_missing_fashion_pictures_are_named(tmp_path):
    with pytest.raises(SourceError, match="train-images-idx3"):
        generate_demo_shop(tmp_path / "shop", dataclasses.replace(CONFIG, fashion_mnist=tmp_path))


def test_style_of_a_fashion_picture_is_light_and_roughness(tmp_path):
    """Four kinds of picture in each class: dark or light, smooth or rough."""
    kinds = np.arange(4_000) % 4
    stripes = np.where(np.arange(28) % 2, 1.0, -1.0)
    images = 80 + 60 * (kinds[:, None, None] % 2) + np.where(kinds >= 2, 25, 2)[:, None, None] * stripes
    images = images + np.random.default_rng(0).normal(0, 1, (4_000, 28, 28))
    _write_idx(tmp_path / "train-images-idx3-ubyte.gz", images.round().astype(np.uint8))
    _write_idx(tmp_path / "train-labels-idx1-ubyte.gz", (np.arange(4_000) // 4 % 10).astype(np.uint8))
    drawn, style, _ = fashion_pictures(tmp_path, leaf=np.arange(2_000) % 40, rng=np.random.default_rng(0))
    is_light = drawn.mean(axis=(1, 2)) > 255 * (110 - 23) / 198
    is_rough = np.abs(np.diff(drawn.astype(float), axis=2)).mean(axis=(1, 2)) > 30
    assert (style % 2 == is_light).mean() > 0.9
    assert (style // 2 == is_rough).mean() > 0.85


def test_fashion_mnist_can_stand_in(tmp_path, data_set):
    source = data_set("fashion_mnist")
    truth = generate_demo_shop(tmp_path, dataclasses.replace(CONFIG, fashion_mnist=source))
    with np.load(tmp_path / "pictures.npz") as file:
        X, about = file["images"], truth.styles.set_index("item").loc[file["product"]]
    assert X.min() == 0
    assert X.max() == 255
    assert truth.styles["style"].value_counts(normalize=True).min() > 0.2
    assert _hit_rate(X.reshape(len(X), -1) / 255, about["style"].to_numpy()) > 0.4


def _write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))
