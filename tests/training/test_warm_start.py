"""Old models learn the new days: what is new is learned, what was known stays."""

import dataclasses

import numpy as np
import pytest

from tests.training.small import SMALL, ask
from tests.worlds import bought, make_shop
from tfrec.errors import ConfigError, SchemaError
from tfrec.pipelines import retrieval
from tfrec.training import WarmStartConfig, save_trained, train, warm_start
from tfrec.training.time_blocks import end_of_training

pytestmark = pytest.mark.slow

LAST_OLD_DAY, LAST_DAY = 30, 37
CONFIG = dataclasses.replace(
    SMALL, warm=WarmStartConfig(epochs=6, replay=0.3, rate_share=1.0, ranking_queries=200, ranking_epochs=2)
)


def fashion(until):
    """Carts of four colours, two of which, with items of their own, come into fashion after `LAST_OLD_DAY`."""
    rng = np.random.default_rng(0)
    rows = []
    for day in range(LAST_DAY):
        for number in range(12):
            is_late = number % 4 > 1
            if day >= until or (is_late and day < LAST_OLD_DAY):
                continue
            basket = rng.permutation([f"{'abcd'[number % 4]}{at}" for at in range(5)])[:4]
            user = f"u{number}"
            rows += bought(user, day + number / 24, *basket)
    return make_shop(rows)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    shop = fashion(LAST_OLD_DAY)
    trained = train(shop, CONFIG, work=tmp_path_factory.mktemp("work"), show_progress=False)
    folder = tmp_path_factory.mktemp("trained")
    save_trained(trained, CONFIG, folder)
    return shop, trained, folder


@pytest.fixture(scope="module")
def warm(old, tmp_path_factory):
    shop = fashion(LAST_DAY)
    return shop, warm_start(shop, old[2], CONFIG, work=tmp_path_factory.mktemp("warm"), show_progress=False)


def nearest(model, shop, item):
    """The items whose candidate embeddings are closest to one item's."""
    embeddings = model.candidate_embeddings()[1:]
    row = shop.vocabularies.items.encode([item])[0] - 1
    return shop.vocabularies.items.tokens[np.argsort(-embeddings @ embeddings[row])[:5]]


def test_the_towers_learn_the_new_and_keep_the_old(warm):
    shop, trained = warm
    for item in ("a0", "b1", "c2", "d3"):
        assert {name[0] for name in nearest(trained.retrieval, shop, item)} == {item[0]}


def test_the_query_tower_knows_carts_of_the_new_and_of_the_old(warm):
    shop, trained = warm
    carts = [[f"{colour}{at}" for at in range(3)] for colour in "abcd"]
    answer = ask(shop, trained, "retrieve", cart_item_ids=carts, k=[5])["item_ids"]
    assert [{item[0] for item in row} for row in answer] == [{"a"}, {"b"}, {"c"}, {"d"}]


def test_it_has_learned_until_the_end_and_cannot_do_so_twice(warm, tmp_path):
    shop, trained = warm
    assert trained.learned_until == end_of_training(shop)
    save_trained(trained, CONFIG, tmp_path)
    with pytest.raises(SchemaError, match="no event that the models have not learned"):
        warm_start(shop, tmp_path, CONFIG, work=tmp_path / "work", show_progress=False)


def test_other_shapes_are_refused(old, tmp_path):
    wide = dataclasses.replace(CONFIG, retrieval=dataclasses.replace(CONFIG.retrieval, embedding_dim=16))
    with pytest.raises(ConfigError, match="keeps the shape"):
        warm_start(fashion(LAST_DAY), old[2], wide, work=tmp_path, show_progress=False)


def test_a_warm_start_looks_at_the_windows_of_the_new_days_alone():
    shop = fashion(LAST_DAY)
    since = shop.train.hour.min() + LAST_OLD_DAY * 24
    all_labels = sum(int((batch["label"].numpy() > 0).sum()) for batch in retrieval(shop.train, sequence_length=8))
    new = list(retrieval(shop.train, sequence_length=8, since=since))
    new_labels = sum(int((batch["label"].numpy() > 0).sum()) for batch in new)
    new_events = int((shop.train.hour >= since).sum())
    assert new_events * 0.8 < new_labels < 0.6 * all_labels
    late = shop.vocabularies.items.encode([f"{colour}{at}" for colour in "cd" for at in range(5)])
    assert sum(int(np.isin(batch["label"].numpy(), late).sum()) for batch in new) > 0.4 * new_events
    replayed = list(retrieval(shop.train, sequence_length=8, since=since, replay=1.0))
    assert sum(int((batch["label"].numpy() > 0).sum()) for batch in replayed) == all_labels
