"""Answers from lists of candidates against those of a scan of the whole catalogue."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.fitting import allowing, query_of, sources_of
from tests.models.shelves import SHELF, shop_of_shelves
from tfrec.models import RetrievalConfig, RetrievalModel
from tfrec.models.source_config import SourceConfig

SHELVES, UNSOLD = 40, 20
ROWS = 1 + SHELVES * SHELF + UNSOLD
ASKED = [
    ("u1", ["i8", "i11"], ["i9"]),
    ("u2", [], ["i100", "i101", "i8"]),
    ("u3", ["i200"], []),
    ("", ["i16"], []),
    ("", [], []),
    ("never seen", ["never sold"], ["i40"]),
]


@pytest.fixture(scope="module")
def shop():
    segments = {f"u{user}": "north" if user % 2 else "south" for user in range(12)}
    friends = [("u1", "u4"), ("u2", "u5")]
    return shop_of_shelves(shelves=SHELVES, unsold=UNSOLD, orders=160, segments=segments, friends=friends)


@pytest.fixture(scope="module")
def model(shop):
    tf.keras.utils.set_random_seed(0)
    return RetrievalModel(shop.vocabularies, RetrievalConfig(embedding_dim=8, use_lstm=False))


@pytest.fixture(scope="module")
def query(shop):
    users, carts, recent = zip(*ASKED, strict=True)
    return query_of(shop, list(users), carts=list(carts), recent=list(recent))


def answer(shop, model, query, eligible, *, most, dense_items):
    """Returns the items of the evidence's columns, candidates, and the features of every item, in a list or not."""
    counts = {name: most for name in vars(SourceConfig()) if not name.endswith("items")}
    sources = sources_of(shop, model, SourceConfig(**counts, dense_items=dense_items), l2=5.0)
    evidence = sources.gather_evidence(query, allowing(eligible))
    every_item = tf.broadcast_to(tf.range(1, ROWS)[None, :], [len(ASKED), ROWS - 1])
    features = sources.features(query, evidence, every_item)
    return evidence.shortlist.item.numpy(), sources.candidates(evidence).numpy(), features.numpy()


@pytest.mark.parametrize(
    ("share", "spare"),
    [(1.0, 0), (0.7, 30), (0.7, 0), (0.02, 30), (0.0, 0)],
    ids=["all may be offered", "most, with some to spare", "most, none to spare", "few", "none"],
)
@pytest.mark.parametrize("most", [1, 3, 10])
def test_lists_give_the_candidates_and_features_of_a_full_scan(shop, model, query, monkeypatch, most, share, spare):
    """Where limits leave too few of a ranking, the best of all that may be offered are listed, found block by block."""
    monkeypatch.setattr("tfrec.models.sources.best_items._BLOCK", 64)
    monkeypatch.setattr("tfrec.models.sources.source._SPARED", 1)
    monkeypatch.setattr("tfrec.models.sources.source._SPARE", spare)
    eligible = np.random.default_rng(most).random((len(ASKED), ROWS)) < share
    eligible[:, 0] = False
    listed, candidates, features = answer(shop, model, query, eligible, most=most, dense_items=1)
    assert listed.shape[1] < ROWS
    scanned, expected, its_features = answer(shop, model, query, eligible, most=most, dense_items=ROWS)
    assert scanned.shape == (1, ROWS)
    assert candidates.tolist() == expected.tolist()
    np.testing.assert_allclose(features, its_features, rtol=1e-4, atol=1e-5)
    offered = [set(row[row > 0].tolist()) for row in candidates]
    assert all(found <= set(np.flatnonzero(may_be)) for found, may_be in zip(offered, eligible, strict=True))
