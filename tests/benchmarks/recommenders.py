"""Makes the recommenders whose slates simulated visits show: the shipped funnel and what it is compared with."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse

from tests.benchmarks.earnings import Recommender
from tests.benchmarks.plain_funnel import PlainAnswers
from tfrec.baselines import Baseline, Ease, Popularity
from tfrec.baselines.history import History, order_history
from tfrec.baselines.popularity import below_one
from tfrec.features.shop import load_shop
from tfrec.ingest.prepared import Prepared
from tfrec.release.served_ranker import ask_slates
from tfrec.serving.recommend import Answering
from tfrec.training.funnel import offered_now

WITH_STRATEGIES = "strategies"
_BLOCK = 1024
"""Queries that a baseline scores at a time."""


@dataclasses.dataclass(frozen=True)
class _Queries:
    """What a baseline reads of queries, see `tfrec.baselines.scores.Queries`."""

    contexts: scipy.sparse.csr_matrix
    recent: np.ndarray
    user_ids: np.ndarray


def all_recommenders(prepared: Prepared, shipped: Answering, models: Path) -> dict[str, Recommender]:
    """Returns name → recommender: popularity, EASE, the trained funnel without strategies, and the shipped one with.

    Args:
        prepared: the shop.
        shipped: its servable.
        models: folder that `train_shop` wrote.
    """
    shop = load_shop(prepared.path)
    ids = pd.Index(shop.vocabularies.items.tokens.astype(object))
    history, is_offered = order_history(prepared.train, ids), offered_now(shop)[1:]
    return {
        WITH_STRATEGIES: served(shipped),
        "popularity": by_baseline(Popularity(), history, is_offered),
        "EASE": by_baseline(Ease(), history, is_offered),
        "the funnel without strategies": served(PlainAnswers(Path(prepared.path), models)),
    }


def served(answering: Answering) -> Recommender:
    """Returns the recommender of a servable, with its own settings."""

    def slates(signature: str, queries: pd.DataFrame, k: int) -> np.ndarray:
        return ask_slates(answering, signature, queries, k=k, width=k, progress=signature).item_ids

    return slates


def by_baseline(baseline: Baseline, history: History, is_offered: np.ndarray) -> Recommender:
    """Returns the recommender of a baseline, which answers every signature alike.

    Its context is the cart, the item on the page and what was viewed in the visit; where there is none, what the user
    bought in training. What it leaves equal goes by popularity. Not offered are what `is_offered [num_items]` refuses,
    what is in the cart and the page's item.
    """
    score = baseline.fit(history)
    columns = history.item_ids
    of_users = (history.user_counts > 0).astype(np.float32)

    def slates(signature: str, queries: pd.DataFrame, k: int) -> np.ndarray:
        found = np.full((len(queries), k), "", object)
        for start in range(0, len(queries), _BLOCK):
            block = queries.iloc[start : start + _BLOCK]
            pages = block["item_id"] if "item_id" in block else pd.Series("", index=block.index)
            chosen = [[*cart, page] for cart, page in zip(block["cart_item_ids"], pages, strict=True)]
            refused = _matrix(chosen, columns)
            context = ((_matrix(block["recent_item_ids"], columns) + refused) > 0).astype(np.float32)
            is_empty = scipy.sparse.diags((np.diff(context.indptr) == 0).astype(np.float32))
            rows = history.user_rows(block["user_id"].to_numpy(object))
            context = (context + is_empty @ of_users[rows]).tocsr()
            nothing = np.full((len(block), 1), -1, np.int32)
            scores = score(_Queries(context, nothing, block["user_id"].to_numpy(object)))
            dense = np.asarray(scores.todense() if scipy.sparse.issparse(scores) else scores, np.float64)
            dense = dense + 1e-9 * below_one(history.popularity)
            dense[:, ~is_offered] = -np.inf
            dense[refused.nonzero()] = -np.inf
            best = np.argsort(-dense, axis=1, kind="stable")[:, :k]
            is_there = np.isfinite(np.take_along_axis(dense, best, axis=1))
            found[start : start + len(block)] = np.where(is_there, columns.to_numpy(object)[best], "")
        return found

    return slates


def _matrix(lists: Sequence[Sequence[str]] | pd.Series, columns: pd.Index) -> scipy.sparse.csr_matrix:
    """Returns `[B, num_items]` 1 for the items of each list that are known."""
    lists = list(lists)
    row = np.repeat(np.arange(len(lists)), [len(items) for items in lists])
    column = columns.get_indexer([item for items in lists for item in items])
    row, column = row[column >= 0], column[column >= 0]
    matrix = scipy.sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(len(lists), len(columns)))
    matrix.data[:] = 1
    return matrix
