"""Times exact ranking at 100,000 items and item weights at 200,000: `python -m tests.benchmarks.evaluation_scale`."""

import resource
import time

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.evaluation.cases import Cases
from tfrec.evaluation.metrics import rank_by_scores
from tfrec.features.ease import fit_ease_in_parts


def time_ranking(num_queries: int = 20_000, num_items: int = 100_000, dim: int = 64) -> float:
    """Returns seconds to rank one hidden item a query exactly, scores from a product of embeddings included."""
    rng = np.random.default_rng(0)
    place = np.repeat(np.arange(num_queries), 8), rng.integers(0, num_items, num_queries * 8)
    carts = scipy.sparse.csr_matrix((np.ones(num_queries * 8, np.float32), place), shape=(num_queries, num_items))
    nothing = np.full((num_queries, 1), -1, np.int32)
    cases = Cases(
        task="complete_cart",
        item_ids=pd.Index(np.arange(num_items).astype(str)),
        query_ids=np.arange(num_queries).astype(str).astype(object),
        groups=np.arange(num_queries),
        user_ids=np.full(num_queries, "", object),
        timestamps=np.zeros(num_queries, "datetime64[us]"),
        contexts=carts,
        recent=nothing,
        recent_types=np.full((num_queries, 1), "", object),
        recent_ages=np.zeros((num_queries, 1), np.float32),
        anchors=nothing[:, 0],
        truths=rng.integers(0, num_items, (num_queries, 1)).astype(np.int32),
        excluded=carts,
        candidates=None,
        is_new=np.ones(num_queries, bool),
        is_cross_category=np.zeros(num_queries, bool),
        prices=np.ones(num_queries, np.float32),
    )
    queries = rng.normal(size=(num_queries, dim)).astype(np.float32)
    items = rng.normal(size=(num_items, dim)).astype(np.float32)
    began = time.perf_counter()
    rank_by_scores(lambda block: queries[block.query_ids.astype(np.int64)] @ items.T, cases)
    return time.perf_counter() - began


def time_weights(num_items: int = 200_000, num_orders: int = 500_000) -> float:
    """Returns seconds to fit item weights to orders drawn from clusters of 50 items, a fifth of the lines at random."""
    rng = np.random.default_rng(0)
    size = rng.poisson(6, num_orders) + 2
    row = np.repeat(np.arange(num_orders), size)
    cluster = rng.integers(0, num_items // 50, num_orders)[row]
    column = cluster * 50 + np.minimum((rng.pareto(1.0, len(row)) * 5).astype(int), 49)
    by_chance = rng.random(len(row)) < 0.2
    column[by_chance] = np.minimum((rng.pareto(0.8, by_chance.sum()) * 50).astype(int), num_items - 1)
    orders = scipy.sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(num_orders, num_items))
    orders.data[:] = 1
    began = time.perf_counter()
    fit_ease_in_parts(orders, l2=10.0)
    return time.perf_counter() - began


def main() -> None:
    """Prints both times with the peak memory so far."""
    seconds = time_ranking()
    print(f"exact ranks of 20,000 queries over 100,000 items: {seconds:.1f} s, 100,000 queries: {seconds / 12:.1f} min")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")
    print(f"item weights of 200,000 items, 500,000 orders: {time_weights():.0f} s")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB")


if __name__ == "__main__":
    main()
