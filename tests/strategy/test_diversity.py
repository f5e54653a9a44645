import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings

from tfrec.schema.inputs import VARIETIES
from tfrec.strategy.candidate_slate import CandidateSlate, top
from tfrec.strategy.config import VarietyConfig
from tfrec.strategy.diversity import Tastes, maximal_marginal_relevance

VECTORS = np.zeros((121, 3), np.float32)
VECTORS[np.arange(1, 121), np.arange(1, 121) % 3] = 1  # three categories, in turns


def slate_of(scores):
    """Item `i + 1` has the score in column `i`; `None` is a gap."""
    item = np.array([[column + 1 if score is not None else 0 for column, score in enumerate(row)] for row in scores])
    score = np.array([[-np.inf if score is None else score for score in row] for row in scores], np.float32)
    probability = np.where(item > 0, item / 1000.0, 0).astype(np.float32)
    return CandidateSlate(tf.constant(item, tf.int32), tf.constant(score), tf.constant(probability))


def reranked(scores, k, trade_off, config=VarietyConfig()):
    size = len(scores)
    return maximal_marginal_relevance(
        slate_of(scores),
        k=tf.constant(np.broadcast_to(k, size).astype(np.int32)),
        trade_off=tf.constant(np.broadcast_to(trade_off, size).astype(np.float32)),
        vectors=tf.constant(VECTORS),
        config=config,
    )


def test_the_trade_off_by_hand():
    """Items 1 and 4 are of one category; the second place goes to the other one as variety counts more."""
    scores = [[1.0, 0.6, None, 0.9, 0.0]]
    assert reranked(scores, 3, 0.0).item.numpy().tolist() == [[1, 4, 2]]
    # second place: .9·(1 − t) − t for item 4 against .6·(1 − t) for item 2
    assert reranked(scores, 3, 0.2).item.numpy().tolist() == [[1, 4, 2]]
    assert reranked(scores, 3, 0.3).item.numpy().tolist() == [[1, 2, 4]]
    assert reranked(scores, 3, 7.0).item.numpy().tolist() == reranked(scores, 3, 1.0).item.numpy().tolist()


def test_variety_is_sought_in_the_pool_alone():
    scores = [[1.0, 0.6, None, 0.9, 0.0]]
    assert reranked(scores, 3, 0.5, VarietyConfig(pool=2)).item.numpy().tolist() == [[1, 4, 2]]
    assert reranked(scores, 3, 0.5, VarietyConfig(pool=3)).item.numpy().tolist() == [[1, 2, 4]]


def test_a_probability_stays_with_its_item():
    slate = reranked([[1.0, 0.6, None, 0.9, 0.0]], 3, 0.5)
    np.testing.assert_allclose(slate.probability, slate.item.numpy() / 1000.0)


rows = st.lists(st.one_of(st.none(), st.floats(-5, 5, width=32, allow_subnormal=False)), min_size=12, max_size=12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    scores=st.lists(rows, min_size=1, max_size=3),
    k=st.integers(0, 20),
    trade_offs=st.lists(
        st.sampled_from([0.0, 0.2, 0.7, 1.0, -3.0, 7.0, np.nan, np.inf, -np.inf]), min_size=3, max_size=3
    ),
)
def test_variety_loses_doubles_and_invents_nothing(scores, k, trade_offs):
    """The row keeps as many items as without variety, all real, each once, scores falling; whatever is asked for."""
    plain = top(slate_of(scores), k=tf.fill([len(scores)], k))
    slate = reranked(scores, k, trade_offs[: len(scores)])
    for row, values in enumerate(scores):
        items = slate.item.numpy()[row]
        real = items[items > 0]
        assert len(real) == min(k, sum(value is not None for value in values)) == (plain.item.numpy()[row] > 0).sum()
        assert len(set(real.tolist())) == len(real) and (items[len(real) :] == 0).all()
        assert all(values[item - 1] is not None for item in real)
        score = slate.score.numpy()[row]
        assert (np.diff(score[: len(real)]) <= 0).all() and np.isneginf(score[len(real) :]).all()
        if not trade_offs[row] > 0:
            assert items.tolist() == plain.item.numpy()[row].tolist()


@pytest.mark.parametrize("trade_off", [0.0, 0.4, 1.0])
def test_a_row_in_a_batch_is_reranked_as_alone(trade_off):
    rng = np.random.default_rng(0)
    scores = [rng.normal(size=120).tolist() for _ in range(3)]
    scores[1][5:] = [None] * 115
    k, trade_offs = [7, 30, 3], [trade_off, 0.5, 0.0]
    together = reranked(scores, k, trade_offs)
    for row in range(3):
        alone = reranked(scores[row : row + 1], k[row], trade_offs[row])
        width = alone.item.shape[1]
        assert together.item.numpy()[row, :width].tolist() == alone.item.numpy()[0].tolist()
        np.testing.assert_allclose(together.score.numpy()[row, :width], alone.score.numpy()[0])


def test_more_variety_gives_more_categories_at_the_top():
    scores = [[1.0 - item / 100 if item % 3 == 1 else 0.2 - item / 1000 for item in range(1, 61)]]
    categories = [len(set((reranked(scores, 6, trade_off).item.numpy()[0] % 3).tolist())) for trade_off in (0.0, 1.0)]
    assert categories == [1, 3]


def test_behind_the_first_hundred_the_order_is_by_score():
    scores = [np.linspace(1, 0, 120).tolist()]
    item = reranked(scores, 120, 0.9).item.numpy()[0]
    assert sorted(item[:100].tolist()) == list(range(1, 101))
    assert item[100:].tolist() == list(range(101, 121))


# Items 1, 4, 7 ... are of category 2, items 2, 5, 8 ... of 3, items 3, 6, 9 ... of 1; the better ones come first.
CATEGORY = np.where(np.arange(121) > 0, np.arange(121) % 3 + 1, 0).astype(np.int32)
SCORES = [[10.0 - place for place in range(12)]]


def by_taste(kind, interests, *, k=6, trade_off=1.0, seed=0):
    """The categories of the slate, and its items; `interests` of the categories 0 to 3."""
    tastes = Tastes(
        kind=tf.constant([VARIETIES.index(kind) + 1]),
        interests=tf.constant([interests], tf.float32),
        seed=tf.constant([seed]),
    )
    slate = maximal_marginal_relevance(
        slate_of(SCORES),
        k=tf.constant([k]),
        trade_off=tf.constant([trade_off]),
        vectors=tf.constant(VECTORS),
        categories=tf.constant(CATEGORY[:, None]),
        tastes=tastes,
    )
    items = slate.item.numpy()[0].tolist()
    return CATEGORY[items].tolist(), items


def test_random_takes_the_best_of_each_category_in_an_order_of_the_seed():
    orders = set()
    for seed in range(50):
        categories, items = by_taste("random", [0, 0, 0, 0], seed=seed)
        assert sorted(categories[:3]) == sorted(categories[3:]) == [1, 2, 3]
        assert sorted(items) == [1, 2, 3, 4, 5, 6]
        orders.add(tuple(categories[:3]))
    assert len(orders) == 6
    assert by_taste("random", [0, 0, 0, 0], seed=7) == by_taste("random", [0, 0, 0, 0], seed=7)


def test_unexplored_begins_with_categories_of_which_nothing_was_bought():
    categories, items = by_taste("unexplored", [0, 9, 0, 3], k=3)
    assert items == [1, 2, 4]  # none of 2, a third of 3; then 2 again, before what was bought most
    assert categories == [2, 3, 2]
    assert by_taste("unexplored", [0, 0, 0, 0], k=3)[1] == [1, 2, 3]


@pytest.mark.parametrize(
    ("interests", "expected"),
    [([0, 4, 1, 1], {1: 4, 2: 1, 3: 1}), ([0, 0, 3, 3], {2: 3, 3: 3}), ([0, 2, 2, 2], {1: 2, 2: 2, 3: 2})],
)
def test_a_calibrated_slate_has_the_users_own_mix(interests, expected):
    categories, _ = by_taste("calibrated", interests)
    assert {one: categories.count(one) for one in set(categories)} == expected


def test_who_bought_nothing_gets_variety_by_content():
    assert by_taste("calibrated", [0, 0, 0, 0]) == by_taste("content", [0, 0, 0, 0])


def test_a_small_trade_off_keeps_the_best_first():
    for kind in VARIETIES:
        assert by_taste(kind, [0, 5, 0, 0], trade_off=0.001)[1] == [1, 2, 3, 4, 5, 6]
