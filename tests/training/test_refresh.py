"""New items, orders and users are known after a refresh, though no weight has changed."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tests.training.small import SMALL, ask
from tests.worlds import checkerboard, make_tables
from tfrec.errors import SourceError
from tfrec.features.shop import encode_shop
from tfrec.schema.tables import Tables
from tfrec.training import load_trained, refresh, save_trained, train

pytestmark = pytest.mark.slow

NUM_ITEMS, NUM_USERS = 24, 24
NEW = ["i24", "i25"]
CONFIG = dataclasses.replace(
    SMALL,
    retrieval=dataclasses.replace(SMALL.retrieval, id_dropout=0.4, image_filters=(4,), image_features=16),
    retrieval_epochs=8,
)


def picture_of(number):
    """Even items are bright above, odd ones below; no two are alike."""
    picture = np.random.default_rng(number).integers(0, 60, (8, 8)).astype(np.uint8)
    picture[slice(0, 4) if number % 2 == 0 else slice(4, 8)] += 150
    return picture


def colours(ids):
    return [int(item[1:]) % 2 for item in ids]


def shop_with(shop, *, items=NUM_ITEMS, more_rows=()):
    """The checkerboard shop with pictures and this many items, of which those beyond the 24th were never sold."""
    catalogue = {f"i{n}": {"image_index": n, "price": 1.0 + n % NUM_ITEMS} for n in range(items)}
    events, users = shop.prepared.train.events, shop.prepared.train.users
    if more_rows:
        more = make_tables(list(more_rows), catalogue)
        events = pd.concat([events, more.events]).sort_values("timestamp", kind="stable", ignore_index=True)
        users = pd.concat([users, more.users[~more.users["user_id"].isin(users["user_id"])]], ignore_index=True)
    table = make_tables([{"user_id": "", "day": 0.0, "item_id": "i0"}], catalogue).items
    images = np.stack([picture_of(n) for n in range(items)])
    return encode_shop(dataclasses.replace(shop.prepared, train=Tables(events, table, users), images=images))


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """The shop with pictures, its funnel, and the folder where that is kept."""
    shop = shop_with(checkerboard(NUM_USERS, NUM_ITEMS)[0])
    trained = train(shop, CONFIG, work=tmp_path_factory.mktemp("work"), show_progress=False)
    folder = tmp_path_factory.mktemp("trained")
    save_trained(trained, CONFIG, folder)
    return shop, trained, folder


def test_a_brand_new_item_is_offered_to_those_whom_its_picture_suits(old):
    shop, _, folder = old
    today = shop_with(shop, items=NUM_ITEMS + 2)
    funnel, _ = refresh(today, folder)
    users = [f"u{n}" for n in range(NUM_USERS)]
    candidates = [NEW] * NUM_USERS
    towers = ask(today, funnel, "retrieve", user_id=users, k=[NUM_ITEMS + 2])["item_ids"].tolist()
    first = [row[min(row.index(NEW[0]), row.index(NEW[1]))] for row in towers]
    assert np.mean([colours([item])[0] == n % 2 for n, item in enumerate(first)]) > 0.9
    slates = ask(today, funnel, "cross_sell", user_id=users, k=[NUM_ITEMS + 2])["item_ids"]
    assert all(set(NEW) <= set(row) for row in slates)
    scores = ask(today, funnel, "rank", user_id=users, candidate_item_ids=candidates)["scores"]
    assert np.isfinite(scores).all()


def test_what_was_there_before_keeps_its_embedding_and_its_place(old):
    shop, trained, folder = old
    today = shop_with(shop, items=NUM_ITEMS + 2)
    funnel, config = refresh(today, folder)
    assert config == CONFIG
    np.testing.assert_allclose(
        funnel.retrieval.candidate_embeddings()[: NUM_ITEMS + 1], trained.retrieval.candidate_embeddings(), atol=1e-5
    )
    carts = {"cart_item_ids": [["i0", "i2"], ["i1", "i3"]], "exclude_item_ids": [NEW, NEW], "k": [4]}
    before, after = ask(shop, trained, "complete_cart", **carts), ask(today, funnel, "complete_cart", **carts)
    assert before["item_ids"].tolist() == after["item_ids"].tolist()
    np.testing.assert_allclose(before["scores"], after["scores"], atol=1e-3)


def test_items_keep_their_weights_wherever_they_stand_in_the_new_catalogue(old):
    shop, trained, folder = old
    table = shop.prepared.train.items
    turned = dataclasses.replace(shop.prepared.train, items=table.iloc[::-1].reset_index(drop=True))
    today = encode_shop(dataclasses.replace(shop.prepared, train=turned))
    funnel, _ = refresh(today, folder)
    np.testing.assert_allclose(
        funnel.retrieval.candidate_embeddings()[:0:-1], trained.retrieval.candidate_embeddings()[1:], atol=1e-5
    )


def test_a_new_user_is_known_by_the_orders_of_today(old):
    shop, trained, folder = old
    rows = [
        {"user_id": "newcomer", "day": 34.0 + n / 10, "item_id": f"i{item}", "order_id": f"n{n}"}
        for n, item in enumerate((1, 5, 9, 5, 9))
    ]
    today = shop_with(shop, more_rows=rows)
    assert "newcomer" not in shop.users.tokens
    funnel, _ = refresh(today, folder)
    assert colours(ask(today, funnel, "recommend", user_id=["newcomer"], k=[3])["item_ids"][0]) == [1, 1, 1]
    anonymous = ask(shop, trained, "recommend", user_id=["newcomer"], k=[3])
    assert np.isfinite(anonymous["scores"]).all()


def test_a_refreshed_funnel_is_kept_and_refreshed_again(old, tmp_path):
    shop, trained, folder = old
    today = shop_with(shop, items=NUM_ITEMS + 1)
    funnel, config = refresh(today, folder)
    save_trained(funnel, config, tmp_path)
    tomorrow = shop_with(shop, items=NUM_ITEMS + 2)
    again, _ = refresh(tomorrow, tmp_path)
    assert again.learned_until == trained.learned_until
    np.testing.assert_allclose(
        again.retrieval.candidate_embeddings()[: NUM_ITEMS + 1], trained.retrieval.candidate_embeddings(), atol=1e-5
    )
    assert load_trained(today, tmp_path)[0].feature_tables.as_of == funnel.feature_tables.as_of


def test_pictures_that_come_after_training_say_nothing_yet(checkerboard_world, trained, tmp_path):
    shop, _ = checkerboard_world
    settings = dataclasses.replace(SMALL, retrieval=dataclasses.replace(SMALL.retrieval, use_images=True))
    save_trained(trained, settings, tmp_path)
    today = shop_with(shop)
    funnel, _ = refresh(today, tmp_path)
    np.testing.assert_allclose(
        funnel.retrieval.candidate_embeddings(), trained.retrieval.candidate_embeddings(), atol=1e-5
    )


def test_vectors_that_come_after_training_say_nothing_yet(checkerboard_world, trained, tmp_path):
    shop, _ = checkerboard_world
    save_trained(trained, SMALL, tmp_path)
    vectors = np.random.default_rng(0).normal(size=(shop.vocabularies.num_items, 5)).astype(np.float32)
    today = encode_shop(dataclasses.replace(shop.prepared, embeddings=vectors))
    funnel, _ = refresh(today, tmp_path)
    assert funnel.retrieval.item_encoder.vector_dense is not None
    np.testing.assert_allclose(
        funnel.retrieval.candidate_embeddings(), trained.retrieval.candidate_embeddings(), atol=1e-5
    )


def test_models_of_another_shape_say_so(checkerboard_world, trained, tmp_path):
    wide = dataclasses.replace(SMALL, retrieval=dataclasses.replace(SMALL.retrieval, embedding_dim=16))
    save_trained(trained, wide, tmp_path)
    with pytest.raises(SourceError, match="another shape"):
        refresh(checkerboard_world[0], tmp_path)
