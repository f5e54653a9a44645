import numpy as np
import pandas as pd
import pytest

from tests.worlds import make_tables
from tfrec.errors import SchemaError
from tfrec.features.vocabulary import NUM_PRICE_BUCKETS, TITLE_LENGTH, Vocabulary, build_vocabularies

CATALOGUE = {
    "cam": {"title": "Blue compact camera", "category": "Photo > Cameras", "brand": "Lux", "price": 200.0},
    "pro": {"title": "Red compact camera", "category": "Photo > Cameras > Pro", "brand": "Lux", "price": 900.0},
    "mug": {"title": "Blue mug", "category": "Kitchen", "price": 5.0, "stock": 0.0},
    "tbd": {"available_from": pd.Timestamp("1970-01-02")},
}


def vocabularies_of(catalogue, images=None):
    item = next(iter(catalogue))
    rows = [{"user_id": "u", "day": 0, "item_id": item, "order_id": "o"}]
    return build_vocabularies(make_tables(rows, catalogue).items, images)


def test_ids_come_back_and_the_unknown_is_0():
    vocabulary = Vocabulary.of(["b", "", "a", "b"])
    assert vocabulary.encode(["a", "b", "never seen", ""]).tolist() == [2, 1, 0, 0]
    assert vocabulary.decode(np.array([[2, 0], [1, 1]])).tolist() == [["a", ""], ["b", "b"]]
    assert vocabulary.size == 3


@pytest.mark.parametrize("tokens", [["a", "a"], ["a", ""]], ids=["twice", "empty"])
def test_a_vocabulary_refuses_tokens_that_mean_two_things(tokens):
    with pytest.raises(SchemaError, match="Drop duplicates and blanks"):
        Vocabulary(np.array(tokens, dtype=object))


def test_every_level_of_a_category_path_is_known():
    vocabularies = vocabularies_of(CATALOGUE)
    paths = [list(vocabularies.categories.decode(row)) for row in vocabularies.catalogue.categories]
    assert paths == [
        ["", "", ""],
        ["Photo", "Photo > Cameras", "Photo > Cameras"],
        ["Photo", "Photo > Cameras", "Photo > Cameras > Pro"],
        ["Kitchen", "Kitchen", "Kitchen"],
        ["", "", ""],
    ]
    assert vocabularies.catalogue.leaf_category.tolist() == vocabularies.catalogue.categories[:, 2].tolist()


def test_availability_follows_stock_and_first_day():
    catalogue = vocabularies_of(CATALOGUE).catalogue
    assert catalogue.is_available(23.9).tolist() == [False, True, True, False, False]
    assert catalogue.is_available(24.0).tolist() == [False, True, True, False, True]


def test_sale_ends_at_its_last_moment_and_variants_share_a_group():
    until = {"available_until": pd.Timestamp("1970-01-03"), "item_group": "shirt"}
    catalogue = vocabularies_of({"m": until, "l": {"item_group": "shirt"}, "cap": {}}).catalogue
    assert catalogue.is_available(47.9).tolist() == [False, True, True, True]
    assert catalogue.is_available(48.0).tolist() == [False, False, True, True]
    assert catalogue.group.tolist() == [0, 1, 1, 0]
    assert catalogue.largest_group == 2


def test_titles_keep_words_that_two_items_share():
    vocabularies = vocabularies_of(CATALOGUE)
    words = [[word for word in vocabularies.words.decode(row) if word] for row in vocabularies.catalogue.title_words]
    assert words == [[], ["blue", "compact", "camera"], ["compact", "camera"], ["blue"], []]


def test_a_long_title_is_cut():
    long = " ".join(f"word{number:02}" for number in range(TITLE_LENGTH + 5))
    vocabularies = vocabularies_of({"a": {"title": long}, "b": {"title": long}})
    assert vocabularies.words.decode(vocabularies.catalogue.title_words[1]).tolist() == long.split()[:TITLE_LENGTH]


def test_content_is_near_for_things_alike_and_of_unit_length():
    catalogue = vocabularies_of(CATALOGUE).catalogue
    similar = catalogue.content @ catalogue.content.T
    assert similar[1, 2] > similar[1, 3]
    np.testing.assert_allclose(np.diag(similar)[1:4], 1, rtol=1e-5)
    assert not catalogue.content[[0, 4]].any()  # nothing is known of them


def test_price_buckets_part_the_known_prices_by_rank():
    catalogue = vocabularies_of({f"i{n}": {"price": 2.0**n} for n in range(32)} | {"free": {}}).catalogue
    assert catalogue.price_bucket.tolist() == [0, *np.repeat(np.arange(1, NUM_PRICE_BUCKETS + 1), 2), 0]
    assert catalogue.price[-1] == 0


def test_pictures_stand_in_the_rows_of_their_items():
    images = np.stack([np.full((4, 4), 10, np.uint8), np.full((4, 4), 20, np.uint8)])
    catalogue = vocabularies_of({"a": {"image_index": 1}, "b": {}, "c": {"image_index": 0}}, images).catalogue
    assert catalogue.images.shape == (4, 4, 4, 1)
    assert catalogue.images[:, 0, 0, 0].tolist() == [0, 20, 0, 10]
    assert catalogue.has_image.tolist() == [False, True, False, True]


def test_a_picture_that_is_not_there_is_an_error():
    with pytest.raises(SchemaError, match="Prepare the shop again"):
        vocabularies_of({"a": {"image_index": 2}}, np.zeros((2, 4, 4), np.uint8))


def test_a_catalogue_of_ids_alone_is_enough():
    vocabularies = vocabularies_of({"a": {}, "b": {}})
    catalogue = vocabularies.catalogue
    assert vocabularies.num_items == 2
    assert catalogue.images is None and not catalogue.content.any() and not catalogue.categories.any()
    assert catalogue.is_available(0.0).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("margins", "expected"),
    [
        ((0.2, 0.1, 0.5), [0, 40, 90, 2.5, 0]),
        ((0.2, np.nan, -0.5), [0, 40, 900 * -0.15, -2.5, 0]),  # of the shop, for the leaf states none
        ((np.nan, np.nan, np.nan), [0, 200, 900, 5, 0]),
    ],
)
def test_profit_is_the_price_where_no_margin_is_known(margins, expected):
    items = {
        name: {**about, "margin": margin}
        for (name, about), margin in zip(CATALOGUE.items(), (*margins, np.nan), strict=True)
    }
    np.testing.assert_allclose(vocabularies_of(items).catalogue.profit, expected, rtol=1e-5)


def test_an_unknown_margin_is_that_of_its_category():
    shirts = {name: {"category": "Shirts", "price": 10.0} for name in "abc"}
    margins = {"a": 0.1, "b": 0.3, "other": 0.9}
    items = {**shirts, "other": {"category": "Coats", "price": 10.0}}
    items = {name: {**about, "margin": margins.get(name, np.nan)} for name, about in items.items()}
    np.testing.assert_allclose(vocabularies_of(items).catalogue.profit, [0, 1, 3, 2, 9], rtol=1e-5)
