import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from tfrec.errors import SchemaError
from tfrec.evaluation import metrics
from tfrec.evaluation.cases import Cases
from tfrec.schema.slate import Slate


def cases_of(truths, *, num_items, excluded=None, candidates=None, prices=None):
    truths = np.asarray(truths, np.int32).reshape(len(truths), -1)
    size = len(truths)
    empty = scipy.sparse.csr_matrix((size, num_items), dtype=np.float32)

    def sparse(rows):
        matrix = empty.toarray()
        for row, items in enumerate(rows):
            matrix[row, items] = 1
        return scipy.sparse.csr_matrix(matrix)

    return Cases(
        task="complete_cart",
        item_ids=pd.Index([f"i{item}" for item in range(num_items)]),
        query_ids=np.array([f"q{row}" for row in range(size)], object),
        groups=np.arange(size),
        user_ids=np.full(size, "", object),
        timestamps=np.full(size, np.datetime64("2024-01-01")),
        contexts=empty,
        recent=np.full((size, 1), -1, np.int32),
        recent_types=np.full((size, 1), "", object),
        recent_ages=np.zeros((size, 1), np.float32),
        anchors=np.full(size, -1, np.int32),
        truths=truths,
        excluded=empty if excluded is None else sparse(excluded),
        candidates=None if candidates is None else sparse(candidates),
        is_new=np.ones(size, bool),
        is_cross_category=np.zeros(size, bool),
        prices=np.ones(size, np.float32),
    )


def fixed(scores):
    scores = np.asarray(scores, np.float32)
    return lambda cases: scores[[int(name[1:]) for name in cases.query_ids]]


def test_a_tie_counts_against_the_method():
    cases = cases_of([2], num_items=5)
    assert metrics.rank_by_scores(fixed([[0, 1, 1, 1, 0]]), cases).ranks.item() == 3
    assert metrics.rank_by_scores(fixed([[7, 7, 7, 7, 7]]), cases).ranks.item() == 5


def test_what_is_excluded_or_no_candidate_is_not_ranked():
    scores = [[9, 8, 1, 7, 1]]
    assert metrics.rank_by_scores(fixed(scores), cases_of([2], num_items=5)).ranks.item() == 5
    without = metrics.rank_by_scores(fixed(scores), cases_of([2], num_items=5, excluded=[[0, 1]]))
    assert without.ranks.item() == 3
    assert without.top.tolist() == [[3, 2, 4, -1, -1]]
    among = metrics.rank_by_scores(fixed(scores), cases_of([2], num_items=5, candidates=[[2, 4, 1]], excluded=[[1]]))
    assert among.ranks.item() == 2
    assert among.top.tolist() == [[2, 4, -1, -1, -1]]


def test_an_item_that_a_method_rules_out_is_never_found():
    cases = cases_of([2], num_items=3)
    assert metrics.rank_by_scores(fixed([[-np.inf, 1, -np.inf]]), cases).ranks.item() == np.inf


def test_blocks_of_queries_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 30, (57, 40)).astype(np.float32)
    excluded = [rng.choice(39, 5, replace=False) for _ in range(57)]
    cases = cases_of(np.full(57, 39), num_items=40, excluded=excluded)
    whole = metrics.rank_by_scores(fixed(scores), cases, k=7)
    monkeypatch.setattr(metrics, "_BLOCK_CELLS", 400)
    parts = metrics.rank_by_scores(fixed(scores), cases, k=7)
    assert (whole.ranks == parts.ranks).all()
    assert (whole.top == parts.top).all()
    sparse = metrics.rank_by_scores(lambda block: scipy.sparse.csr_matrix(fixed(scores)(block)), cases, k=7)
    assert (whole.ranks == sparse.ranks).all()


@pytest.mark.parametrize("sorts", [True, False], ids=["by sorting", "by comparing"])
def test_several_hidden_items_each_get_their_rank(monkeypatch, sorts):
    monkeypatch.setattr(metrics, "_SORT_FROM", 0 if sorts else 100)
    cases = cases_of([[0, 3], [1, -1]], num_items=4, excluded=[[1], []])
    ranks = metrics.rank_by_scores(fixed([[4, 9, 2, 3], [0, 5, 5, 0]]), cases).ranks
    np.testing.assert_array_equal(ranks, [[1, 2], [2, np.nan]])


def test_a_slate_ranks_as_the_scores_it_was_cut_from():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(30, 25)).astype(np.float32)
    excluded = [rng.choice(24, 3, replace=False) for _ in range(30)]
    cases = cases_of(np.full(30, 24), num_items=25, excluded=excluded)
    order = np.argsort(-scores, axis=1)
    slate = Slate(cases.item_ids.to_numpy()[order], np.take_along_axis(scores, order, 1))
    exact = metrics.rank_by_scores(fixed(scores), cases, k=10)
    assert (metrics.rank_in_slate(slate, cases).ranks == exact.ranks).all()
    assert (metrics.rank_in_slate(slate, cases).top[:, :10] == exact.top).all()
    short = metrics.rank_in_slate(slate.top(8), cases).ranks
    found = np.isfinite(short)
    assert (short[found] == exact.ranks[found]).all()
    assert found.any() and not found.all()


def test_strange_items_in_a_slate_take_up_room_but_no_rank():
    cases = cases_of([2], num_items=3, excluded=[[0]])
    slate = Slate(np.array([["stranger", "i0", "i2", ""]], object), np.array([[4.0, 3.0, 2.0, -np.inf]]))
    assert metrics.rank_in_slate(slate, cases).ranks.item() == 1


def test_metrics_by_hand():
    ranks = np.array([[1, 3, np.nan], [11, np.inf, 2], [np.inf, np.nan, np.nan]])
    assert metrics.hit_rate_at_k(ranks, k=10).tolist() == [1, 1, 0]
    assert metrics.recall_at_k(ranks, k=10).tolist() == [1, pytest.approx(1 / 3), 0]
    assert metrics.mrr_at_k(ranks, k=10).tolist() == [1, 0.5, 0]
    assert metrics.map_at_k(ranks, k=10)[0] == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.map_at_k(ranks, k=10)[1] == pytest.approx(0.5 / 3)
    ideal = 1 + 1 / np.log2(3)
    assert metrics.ndcg_at_k(ranks, k=10)[0] == pytest.approx((1 + 0.5) / ideal)
    assert metrics.ndcg_at_k(np.array([1.0, 2.0, 11.0]), k=10).tolist() == [1, pytest.approx(1 / np.log2(3)), 0]


def test_a_perfect_answer_scores_one_everywhere():
    ranks = np.array([[1.0, 2, 3]])
    for metric in (metrics.hit_rate_at_k, metrics.recall_at_k, metrics.mrr_at_k, metrics.map_at_k, metrics.ndcg_at_k):
        assert metric(ranks, k=3) == pytest.approx(1)


def test_a_hit_on_a_dear_item_counts_for_more():
    ranks = np.array([1.0, 50.0, 1.0])
    for prices, expected in (([9, 1, np.nan], 0.9), ([1, 9, np.nan], 0.1)):
        captured, possible = metrics.revenue_hit_rate_at_k(ranks, np.array(prices), k=10)
        assert captured.sum() / possible.sum() == pytest.approx(expected)


def test_coverage_novelty_and_diversity_differ_for_bestseller_and_varied_lists():
    popularity = np.array([100, 10, 10, 10, 0])
    categories = np.array([0, 0, 1, 2, 1])
    same, varied = np.array([[0, 1], [0, 1]]), np.array([[1, 2], [3, 4]])
    assert metrics.coverage(same, num_items=5) == pytest.approx(0.4)
    assert metrics.coverage(varied, num_items=5) == pytest.approx(0.8)
    assert (metrics.novelty(varied, popularity) > metrics.novelty(same, popularity)).all()
    assert metrics.diversity(same, categories).tolist() == [0, 0]
    assert metrics.diversity(varied, categories).tolist() == [1, 1]
    assert np.isnan(metrics.diversity(np.array([[0, -1]]), categories)).all()


def test_calibration_error_is_the_gap_between_promise_and_outcome():
    rng = np.random.default_rng(0)
    probabilities = rng.random(100_000)
    happened = rng.random(100_000) < probabilities
    assert metrics.calibration_error(probabilities, happened) < 0.01
    assert metrics.calibration_error(np.full(1000, 0.9), np.arange(1000) % 2) == pytest.approx(0.4)


def test_bad_scores_are_refused():
    cases = cases_of([0], num_items=3)
    with pytest.raises(SchemaError, match=r"\(1, 3\); got \(1, 2\)"):
        metrics.rank_by_scores(fixed([[1, 2]]), cases)
    with pytest.raises(SchemaError, match="got NaN"):
        metrics.rank_by_scores(fixed([[1, np.nan, 3]]), cases)
    with pytest.raises(SchemaError, match="a row for each of the 1 cases"):
        metrics.rank_in_slate(Slate(np.full((2, 1), "i0", object), np.zeros((2, 1))), cases)
