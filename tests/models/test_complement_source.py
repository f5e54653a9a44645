"""The bestsellers of the categories that complete the cart's, as candidates and as features."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.fitting import allowing, features_of, query_of, sources_of
from tests.worlds import bought, make_shop, viewed
from tfrec.models import RetrievalConfig, RetrievalModel
from tfrec.models.source_config import SourceConfig

CARDS, MUGS = 30, 10
ITEMS = {
    **{f"camera{n}": {"category": "Photo > Cameras", "price": 300.0} for n in range(3)},
    **{f"card{n}": {"category": "Photo > Cards", "price": 20.0} for n in range(CARDS)},
    **{f"mug{n}": {"category": "Kitchen > Mugs", "price": 8.0} for n in range(MUGS)},
    "unknown": {"price": 8.0},
}


@pytest.fixture(scope="module")
def shop():
    """Who buys a camera takes a card in two of three cases, mostly one of the first; a mug is bought alone."""
    rng = np.random.default_rng(0)
    rows = []
    for visit in range(400):
        has_camera = rng.random() < 0.5
        basket = [f"camera{visit % 2}"] if has_camera else [f"mug{rng.integers(MUGS)}"]
        basket += [f"card{min(rng.geometric(0.15) - 1, CARDS - 1)}"] * (has_camera and rng.random() < 0.67)
        seen = [*basket, *(name for name in ("camera0", "card0") if name not in basket)]
        rows += viewed(f"u{visit}", visit / 9, *seen, session=f"s{visit}")
        order = bought(f"u{visit}", visit / 9 + 0.01, *basket, order=f"o{visit}")
        rows += [{**line, "session_id": f"s{visit}"} for line in order]
    return make_shop(rows, ITEMS)


@pytest.fixture(scope="module")
def model(shop):
    tf.keras.utils.set_random_seed(0)
    return RetrievalModel(shop.vocabularies, RetrievalConfig(embedding_dim=8, use_lstm=False))


@pytest.fixture(scope="module")
def sources(shop, model):
    return sources_of(shop, model)


@pytest.mark.parametrize("dense_items", [10_000, 1])
def test_a_camera_never_sold_brings_the_bestselling_cards(shop, model, dense_items):
    config = SourceConfig(complements=3, dense_items=dense_items)
    sources = sources_of(shop, model, config)
    query = query_of(shop, [""], carts=[["camera2"]])
    evidence = sources.gather_evidence(query, allowing(np.ones((1, len(ITEMS) + 1), bool)))
    score = sources.source_scores(evidence)["complements"][0].numpy()
    best = np.broadcast_to(evidence.shortlist.item.numpy(), (1, len(score)))[0][np.argsort(-score)[:3]]
    assert set(shop.vocabularies.items.decode(best)) == {"card0", "card1", "card2"}
    assert np.sum(score > 0) == 20  # bestsellers alone


def test_features_state_how_strongly_a_category_completes_the_cart(shop, sources):
    names = ["camera1", "card29", "mug0", "unknown"]
    items = shop.vocabularies.items.encode(names)[None, :]
    for cart, expected in ((["camera2"], [0, 1, 0, 0]), (["mug0", "unknown"], [0] * 4), ([], [0] * 4)):
        found = features_of(sources, query_of(shop, [""], carts=[cart]), items)
        assert found["complement_relative"][0].tolist() == expected
        assert (found["complement"][0] > 0.4).tolist() == [bool(one) for one in expected]


def test_complements_of_one_item_are_of_no_other(shop, sources):
    items = shop.vocabularies.items.encode(["camera0", "card0", "mug0"])
    strength = sources.completes(tf.constant([*items, 0]), tf.constant(np.tile(items, (4, 1)))).numpy()
    assert (strength > 0).tolist() == [[False, True, False], *[[False] * 3] * 3]
