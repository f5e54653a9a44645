"""Makes the recommenders whose slates simulated visits show: the shipped funnel and what it is compared with."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse
from tqdm import tqdm

from tests.benchmarks.earnings import Recommender, Slates, one_by_one
from tests.benchmarks.plain_funnel import PlainAnswers
from tfrec.baselines import Baseline, Ease, Popularity
from tfrec.baselines.history import History, order_history
from tfrec.baselines.popularity import below_one
from tfrec.features.shop import load_shop
from tfrec.ingest.prepared import Prepared
from tfrec.release.served_ranker import ask_slates
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.recommend import Answering, recommend_table
from tfrec.training.funnel import offered_now

BY_PAGE = "pages by margin"
"""Whole pages, one request each, whose places go by margin."""
WITH_STRATEGIES = "strategies one by one"
_BLOCK = 1024
"""Queries that a baseline scores at a time."""


@dataclasses.dataclass(frozen=True)
class _Queries:
    """What a baseline reads of queries, see `tfrec.baselines.scores.Queries`."""

    contexts: scipy.sparse.csr_matrix
    recent: np.ndarray
    user_ids: np.ndarray


def all_recommenders(prepared: Prepared, shipped: Answering, models: Path) -> dict[str, Recommender]:
    """Returns name → recommender: pages by margin, popularity, EASE, the funnel without strategies and with.

    Args:
        prepared: the shop.
        shipped: its servable.
        models: folder that `train_shop` wrote.
    """
    shop = load_shop(prepared.path)
    ids = pd.Index(shop.vocabularies.items.tokens.astype(object))
    history, is_offered = order_history(prepared.train, ids), offered_now(shop)[1:]
    return {
        BY_PAGE: by_page(shipped, "margin"),
        "popularity": one_by_one(by_baseline(Popularity(), history, is_offered)),
        "EASE": one_by_one(by_baseline(Ease(), history, is_offered)),
        "the funnel without strategies": one_by_one(served(PlainAnswers(Path(prepared.path), models))),
        WITH_STRATEGIES: one_by_one(served(shipped)),
    }


def by_page(answering: Answering, places_by: str) -> Recommender:
    """Returns the recommender that asks a servable for whole pages, whose places go by an objective."""

    def fill(widgets: tuple[str, ...], queries: pd.DataFrame, k: int) -> dict[str, np.ndarray]:
        every = [list(widgets)] * len(queries)
        asked = pa.Table.from_pandas(queries.assign(widgets=every, places_by=places_by), preserve_index=False)
        with tqdm(total=len(queries), desc=f"page of {', '.join(widgets)}", disable=None, leave=False) as bar:
            answers = recommend_table(answering, SIGNATURES["page"], asked, k=k, bar=bar).to_pandas()
        row = pd.Index(queries["query_id"]).get_indexer(answers["query_id"])
        column = answers.groupby(["query_id", "places"]).cumcount().to_numpy()
        found = {}
        for number, widget in enumerate(widgets, start=1):
            at = (answers["places"] == number).to_numpy()
            found[widget] = np.full((len(queries), k), "", object)
            found[widget][row[at], column[at]] = answers["item_id"].to_numpy(object)[at]
        return found

    return fill


def served(answering: Answering) -> Slates:
    """Returns the slates of a servable, with its own settings."""

    def slates(signature: str, queries: pd.DataFrame, k: int) -> np.ndarray:
        return ask_slates(answering, signature, queries, k=k, width=k, progress=signature).item_ids

    return slates


def by_baseline(baseline: Baseline, history: History, is_offered: np.ndarray) -> Slates:
    """Returns the slates of a baseline, which answers every signature alike.

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
