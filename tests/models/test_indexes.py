"""Candidates from an index against those of a scan of all items."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.fitting import allowing, query_of, sources_of
from tests.models.shelves import SHELF, shop_of_shelves
from tfrec.models import RetrievalConfig, RetrievalModel
from tfrec.models.index_config import IndexConfig
from tfrec.models.source_config import SourceConfig
from tfrec.models.sources.item_index import ItemIndex
from tfrec.training.indexes import build_indexes, latest_queries

SHELVES, UNSOLD = 100, 100
ROWS = 1 + SHELVES * SHELF + UNSOLD
ASKED = [
    ("u1", ["i8", "i10"], ["i9"]),
    ("u2", [], ["i100", "i101", "i8"]),
    ("u3", ["i200"], []),
    ("", ["i16"], []),
    ("", ["i17", "i18"], ["i401"]),
    ("never seen", ["never sold"], ["i40"]),
]
CONFIG = SourceConfig(**{name: 5 for name in vars(SourceConfig()) if not name.endswith("items")}, dense_items=1)


@pytest.fixture(scope="module", autouse=True)
def short_lists():
    """Five nearest are wanted of each search, and ten listed; four times as much is read under limits."""
    patch = pytest.MonkeyPatch()
    patch.setattr("tfrec.models.sources.source._SPARED", 1)
    patch.setattr("tfrec.models.sources.source._SPARE", 5)
    patch.setattr("tfrec.models.sources.popular._LONGER", 10)
    patch.setattr("tfrec.models.sources.nearest_items._MORE", 4)
    patch.setattr("tfrec.models.sources.item_index._RESCORED", (110, 220, 440, ROWS))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def shop():
    return shop_of_shelves(shelves=SHELVES, unsold=UNSOLD, orders=300)


@pytest.fixture(scope="module")
def model(shop):
    tf.keras.utils.set_random_seed(0)
    return RetrievalModel(shop.vocabularies, RetrievalConfig(embedding_dim=8, use_lstm=False))


@pytest.fixture(scope="module")
def query(shop):
    users, carts, recent = zip(*ASKED, strict=True)
    return query_of(shop, list(users), carts=list(carts), recent=list(recent))


@pytest.fixture(scope="module")
def scanning(shop, model):
    return sources_of(shop, model, CONFIG, l2=5.0)


@pytest.fixture(scope="module")
def built(shop, model):
    """Sources whose indexes read part of the lists, and what was measured of each."""
    sources = sources_of(shop, model, CONFIG, l2=5.0)
    facts = build_indexes(sources, sources.moment.feature_tables, IndexConfig(min_items=1, recall=0.8, max_share=1.0))
    assert {"towers", "content"} <= set(facts)
    assert all(one.probes < one.lists / 2 for one in (facts["towers"], facts["content"]))
    assert all(0.8 <= one.recall_at_100 < 1 for one in facts.values())
    return sources, facts


@pytest.fixture(scope="module")
def indexed(built):
    return built[0]


def candidates(sources, query, eligible, *, at_least=0):
    evidence = sources.gather_evidence(query, allowing(eligible), at_least=at_least)
    return sources.candidates(evidence, at_least=at_least).numpy(), int(evidence.shortlist.size)


def eligible_share(share, seed=0):
    eligible = np.random.default_rng(seed).random((len(ASKED), ROWS)) < share
    eligible[:, 0] = False
    return eligible


@pytest.mark.parametrize("share", [1.0, 0.6, 0.03, 0.0], ids=["all", "most", "few", "none"])
def test_an_index_that_finds_all_gives_the_candidates_of_a_scan(shop, model, scanning, query, share):
    """Whatever limits leave: what is asked is what the indexes were measured on."""
    sources = sources_of(shop, model, CONFIG, l2=5.0)
    facts = sources.build_indexes(query, IndexConfig(min_items=1, recall=1.0, max_share=1.0))
    assert set(facts) == {"towers", "unsold", "content"}
    assert all(one.recall_at_100 == 1 for one in facts.values())
    eligible = eligible_share(share)
    found, _ = candidates(sources, query, eligible)
    assert found.tolist() == candidates(scanning, query, eligible)[0].tolist()


@pytest.mark.parametrize("at_least", [0, 40])
@pytest.mark.parametrize("share", [1.0, 0.3, 0.1, 0.02, 0.002, 0.0])
def test_as_many_come_as_are_wanted_whenever_as_many_are_eligible(indexed, query, share, at_least):
    eligible = eligible_share(share, seed=int(share * 1000))
    found, _ = candidates(indexed, query, eligible, at_least=at_least)
    for row, may_be in zip(found, eligible, strict=True):
        offered = row[row > 0]
        assert set(offered.tolist()) <= set(np.flatnonzero(may_be).tolist())
        assert len(offered) >= min(max(at_least, 5), may_be.sum())


def test_most_requests_look_at_few_items_and_limited_ones_at_what_may_be_offered(indexed, query):
    sizes = {share: candidates(indexed, query, eligible_share(share))[1] for share in (1.0, 0.1, 0.004)}
    assert all(size < ROWS / 2 for size in sizes.values()), sizes


def test_who_has_neither_past_nor_cart_is_not_compared_with_all_items(indexed, shop):
    """Nothing is similar to nothing: the nearest lists suffice to find that."""
    query = query_of(shop, [""], carts=[[]], recent=[[]])
    assert candidates(indexed, query, eligible_share(1.0)[:1])[1] < ROWS / 2


def test_an_index_finds_most_of_what_a_scan_finds(indexed, scanning, query):
    eligible = eligible_share(1.0)
    found, expected = candidates(indexed, query, eligible)[0], candidates(scanning, query, eligible)[0]
    shared = [len(set(one) & set(other) - {0}) for one, other in zip(found.tolist(), expected.tolist(), strict=True)]
    assert sum(shared) >= 0.85 * np.count_nonzero(expected)


def test_a_query_is_answered_in_a_batch_as_alone(indexed, query):
    """One row is without limits, one has limits that longer lists meet, one limits that only a scan of all meets."""
    eligible = np.concatenate([eligible_share(share)[:2] for share in (1.0, 0.1, 0.004)])
    together, _ = candidates(indexed, query, eligible)
    for row in range(len(ASKED)):
        one = tf.nest.map_structure(lambda part, row=row: part[row : row + 1], query, expand_composites=True)
        alone, _ = candidates(indexed, one, eligible[row : row + 1])
        assert sorted(alone[0][alone[0] > 0]) == sorted(together[row][together[row] > 0])


def only(query, rows):
    return tf.nest.map_structure(lambda part: part[rows], query, expand_composites=True)


def test_the_nearest_of_a_query_are_the_same_whatever_others_of_its_batch_want(indexed, query):
    """One wants what its lists hold, the others more, for which all items are compared."""
    wanted = tf.constant([5, 300, 2**31 - 1, 0, 7, 300])
    together, scores = (part.numpy() for part in indexed.nearest(query, wanted))
    for row in range(len(ASKED)):
        alone, its_scores = (
            part.numpy() for part in indexed.nearest(only(query, slice(row, row + 1)), wanted[row:][:1])
        )
        number = np.count_nonzero(alone[0])
        assert number == min(int(wanted[row]), int(np.count_nonzero(indexed.is_offered.numpy()[1:])))
        assert together[row][together[row] > 0].tolist() == alone[0][:number].tolist()
        np.testing.assert_allclose(scores[row][together[row] > 0], its_scores[0][:number], rtol=1e-5)


def test_no_query_at_all_has_no_candidates(indexed, query):
    item, score = indexed.nearest(only(query, slice(0, 0)), tf.zeros([0], tf.int32))
    assert item.shape[0] == score.shape[0] == 0
    found, _ = candidates(indexed, only(query, slice(0, 0)), eligible_share(1.0)[:0])
    assert len(found) == 0


def test_lists_are_read_for_one_row_at_a_time(indexed, query, monkeypatch):
    source, rows = indexed.by_name["towers"], []
    read = ItemIndex.read

    def noted(index, vectors, **options):
        rows.append(len(vectors))
        return read(index, vectors, **options)

    monkeypatch.setattr(ItemIndex, "read", noted)
    ranking = source.searches["towers"].ranking(source.vector(query), 5)
    assert rows == [1] * len(ASKED)
    ranking.longer()
    assert rows == [1] * len(ASKED) * 2


def test_the_graph_finds_the_share_that_was_measured(built):
    """At least: where an item stands among all it was assumed to stand among those of the lists read."""
    sources, facts = built
    queries = latest_queries(sources.moment.feature_tables, most=500, seed=0)
    for name, vectors in (("towers", sources.candidate_embeddings), ("content", sources.content)):
        source = sources.by_name[name]
        query = source.vector(queries)
        item = source.searches[name].ranking(query, 100).item.numpy()
        score = (query.numpy() @ vectors.numpy().astype(np.float32).T).astype(np.float64)
        score[:, 0] = -np.inf
        last = np.sort(score, axis=1)[:, -100, None]
        found = (np.take_along_axis(score, item, axis=1) >= last - 1e-6).sum(axis=1)
        assert 0.8 <= facts[name].recall_at_100 <= np.minimum(found / 100, 1).mean() + 1e-4 <= 1.001


def test_what_one_query_wants_changes_nothing_for_the_others_of_its_batch(indexed, query):
    eligible, at_least = eligible_share(0.5), np.zeros(len(ASKED), np.int32)
    usual, _ = candidates(indexed, query, eligible, at_least=tf.constant(at_least))
    at_least[0] = 300
    beside, _ = candidates(indexed, query, eligible, at_least=tf.constant(at_least))
    assert np.count_nonzero(beside[0]) >= 300
    for row, other in zip(usual[1:], beside[1:], strict=True):
        assert row[row > 0].tolist() == other[other > 0].tolist()


def test_vectors_that_an_index_searches_are_stored_in_half_precision_and_mean_the_same(scanning, indexed):
    for name in ("candidate_embeddings", "content"):
        whole, half = getattr(scanning, name), getattr(indexed, name)
        assert (whole.dtype, half.dtype) == (tf.float32, tf.float16)
        np.testing.assert_array_equal(whole.numpy(), half.numpy().astype(np.float32))
    anchor, items = tf.constant([8, 200]), tf.constant([[9, 10, 0], [201, 1, 5]])
    assert indexed.similarity(anchor, items).numpy().tolist() == scanning.similarity(anchor, items).numpy().tolist()


def test_few_items_are_all_compared(shop, model):
    sources = sources_of(shop, model, CONFIG, l2=5.0)
    tables = sources.moment.feature_tables
    assert build_indexes(sources, tables, IndexConfig(min_items=ROWS)) == {}
    assert not sources.moment.is_indexed


def test_an_index_that_would_have_to_compare_too_many_is_not_built(shop, model, scanning, query):
    sources = sources_of(shop, model, CONFIG, l2=5.0)
    assert build_indexes(sources, sources.moment.feature_tables, IndexConfig(min_items=1, max_share=0.001)) == {}
    eligible = eligible_share(0.5)
    assert candidates(sources, query, eligible)[0].tolist() == candidates(scanning, query, eligible)[0].tolist()


def test_queries_are_the_latest_orders_and_visits_half_of_them_as_carts(scanning):
    tables = scanning.moment.feature_tables
    queries = latest_queries(tables, most=6, seed=0)
    recent, cart = queries.recent_item.numpy(), queries.cart.numpy()
    assert len(recent) == len(cart) == 6
    assert (cart > 0).any(axis=1).tolist() == [False, True] * 3
    rows = [row[row > 0].tolist() for row in tables.recent_item]
    for visit, chosen in zip(recent, cart, strict=True):
        visit, chosen = visit[visit > 0].tolist(), chosen[chosen > 0].tolist()
        assert any(row[-len(visit + chosen) :] == visit + chosen for row in rows)
        assert len(chosen) == 3 if chosen else len(visit) == 3  # orders are of three items
    nothing = type(tables)(**{**vars(tables), "recent_item": np.zeros_like(tables.recent_item)})
    assert latest_queries(nothing, most=6, seed=0) is None
