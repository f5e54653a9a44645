"""Computes metrics, one value per query, from the ranks of hidden items in scores or slates.

A *rank* is 1 for the best; `inf` for an item that was not returned; NaN pads the rows of queries with fewer hidden
items than others. Every metric takes ranks `[B]` (one hidden item a query) or `[B, R]` and returns `[B]`, so that
intervals can resample queries.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse
from tqdm import tqdm

from tfrec.errors import ConfigError, SchemaError
from tfrec.evaluation.cases import Cases, sampled
from tfrec.schema.slate import Slate

Scorer: TypeAlias = Callable[[Cases], np.ndarray | scipy.sparse.csr_matrix]
"""Answers a batch of cases with scores `[b, num_items]`, float32, dense or sparse; the better, the higher."""

_BLOCK_CELLS = 1 << 25
"""Scores held at a time: 128 MiB of float32."""
_SORT_FROM = 8
"""Hidden items a query from which one sort of the scores is cheaper than a comparison for each."""


@dataclasses.dataclass(frozen=True)
class Ranking:
    """What a method answered to a set of cases.

    Attributes:
        ranks: `[B, R]` float64 rank of each hidden item among the ranked items, ties counted against.
        top: `[B, k]` int32 item indices, best first; -1 behind the end.
        probabilities: `[B, k]` what the method says of `top`; None where it says nothing.
    """

    ranks: np.ndarray  # [B, R]
    top: np.ndarray  # [B, k]
    probabilities: np.ndarray | None = None  # [B, k]


def rank_by_scores(scorer: Scorer, cases: Cases, *, k: int = 20, progress: str = "") -> Ranking:
    """Ranks every hidden item exactly, against the whole catalogue, a block of queries at a time.

    `rank = |{ranked items whose score ≥ the hidden item's}|`: a tie counts against the method, so a scorer that
    gives every item the same score ranks the hidden item last.

    Args:
        scorer: scores a batch of cases.
        cases: queries with their hidden, excluded and candidate items.
        k: width of `top`, in which ties go by item index.
        progress: text of a progress bar; "" = none.

    Raises:
        SchemaError: the scores are not `[b, num_items]`, or not numbers.
    """
    num_items = len(cases.item_ids)
    step = max(1, _BLOCK_CELLS // max(1, num_items))
    ranks = np.full(cases.truths.shape, np.nan)
    top = np.full((len(cases), min(k, num_items)), -1, np.int32)
    starts = range(0, len(cases), step)
    for start in tqdm(starts, desc=progress, disable=None if progress and len(starts) > 1 else True, leave=False):
        block = cases[start : start + step]
        scores = _checked_scores(scorer(block), len(block), num_items)
        ranks[start : start + step] = _exact_ranks(scores, block)
        top[start : start + step] = _top(scores, block, k=top.shape[1])
    return Ranking(ranks, top)


def rank_in_slate(slate: Slate, cases: Cases) -> Ranking:
    """Ranks every hidden item within a slate; `inf` where it was not returned.

    The rank counts returned items that the protocol ranks (of the catalogue, not excluded, a candidate) and that
    score at least as high as the hidden item. Others in the slate are passed over: they take up room, no more.

    Raises:
        SchemaError: the slate has another number of rows than there are cases.
    """
    if len(slate) != len(cases):
        raise SchemaError(f"The slate must have a row for each of the {len(cases)} cases; got {len(slate)}.")
    code = cases.item_ids.get_indexer(np.asarray(slate.item_ids, object).ravel()).reshape(slate.item_ids.shape)
    row, place = np.nonzero(code >= 0)
    column = code[row, place]
    counts = np.zeros(code.shape, bool)
    allowed = sampled(cases.excluded, row, column) == 0
    if cases.candidates is not None:
        allowed &= sampled(cases.candidates, row, column) > 0
    counts[row, place] = allowed
    ranks = np.full(cases.truths.shape, np.nan)
    for hidden in range(cases.truths.shape[1]):
        truth = cases.truths[:, hidden]
        hit = counts & (code == truth[:, None])
        has_hit = hit.any(axis=1)
        score = np.take_along_axis(slate.scores, hit.argmax(axis=1)[:, None], axis=1)
        rank = (counts & (slate.scores >= score)).sum(axis=1)
        ranks[:, hidden] = np.where(truth < 0, np.nan, np.where(has_hit, rank, np.inf))
    packed = np.argsort(~counts, axis=1, kind="stable")  # ranked items first, in the slate's order
    top = np.where(np.take_along_axis(counts, packed, 1), np.take_along_axis(code, packed, 1), -1)
    said = slate.extras.get("probabilities")
    return Ranking(ranks, top.astype(np.int32), None if said is None else np.take_along_axis(said, packed, 1))


def on_catalogue(scorer: Scorer, item_ids: pd.Index) -> Scorer:
    """Returns `scorer`, fitted over `item_ids`, for cases over any catalogue; what it does not know scores `-inf`."""

    def score(cases: Cases) -> np.ndarray | scipy.sparse.csr_matrix:
        if cases.item_ids is item_ids or cases.item_ids.equals(item_ids):
            return scorer(cases)
        at = cases.item_ids.get_indexer(item_ids)  # the known items' columns
        rows = np.flatnonzero(at >= 0)
        code = item_ids.get_indexer(cases.item_ids)

        def narrow(matrix: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
            cells = matrix.tocoo()
            inside = code[cells.col] >= 0
            place = (cells.row[inside], code[cells.col[inside]])
            return scipy.sparse.csr_matrix((cells.data[inside], place), shape=(len(cases), len(item_ids)))

        def translate(items: np.ndarray) -> np.ndarray:
            return np.where(items >= 0, code[items], -1).astype(np.int32)

        known_cases = dataclasses.replace(
            cases,
            item_ids=item_ids,
            contexts=narrow(cases.contexts),
            excluded=narrow(cases.excluded),
            candidates=None if cases.candidates is None else narrow(cases.candidates),
            recent=translate(cases.recent),
            anchors=translate(cases.anchors),
            truths=translate(cases.truths),
        )
        scores = scorer(known_cases)
        dense = scores if isinstance(scores, np.ndarray) else scores.toarray()
        wide = np.full((len(cases), len(cases.item_ids)), -np.inf, np.float32)
        wide[:, at[rows]] = dense[:, rows]
        return wide

    return score


def hit_rate_at_k(ranks: np.ndarray, *, k: int) -> np.ndarray:
    """Returns `[B]` 1 for each query with a hidden item in the top k, else 0.

    Examples:
        >>> hit_rate_at_k(np.array([1.0, 12.0, np.inf]), k=10)
        array([1., 0., 0.])
    """
    return np.any(_table(ranks) <= k, axis=1).astype(np.float64)


def recall_at_k(ranks: np.ndarray, *, k: int) -> np.ndarray:
    """Returns `[B]` each query's share of its hidden items found in the top k; NaN for a query without any.

    `recall@k = |top k ∩ hidden| / |hidden|`.

    Examples:
        Two queries with two hidden items, at ranks 1 and 4, and at ranks 12 and not found:

        >>> recall_at_k(np.array([[1.0, 4.0], [12.0, np.inf]]), k=10)
        array([1., 0.])
        >>> recall_at_k(np.array([[1.0, 12.0]]), k=10)
        array([0.5])
    """
    ranks = _table(ranks)
    return _divide((ranks <= k).sum(axis=1), _num_hidden(ranks))


def ndcg_at_k(ranks: np.ndarray, *, k: int) -> np.ndarray:
    """Returns `[B]` each query's discounted gain over the best possible one; NaN without hidden items.

    `ndcg@k = Σ_{rank ≤ k} 1 / log2(rank + 1)  /  Σ_{i = 1 .. min(k, |hidden|)} 1 / log2(i + 1)`
    (Järvelin & Kekäläinen 2002; the ideal is cut at k).

    Examples:
        One hidden item at rank 1, 3 and 12: `1 / log2(2)`, `1 / log2(4)`, nothing.

        >>> ndcg_at_k(np.array([1.0, 3.0, 12.0]), k=10)
        array([1. , 0.5, 0. ])
    """
    ranks = _table(ranks)
    gain = np.where(ranks <= k, 1 / np.log2(ranks + 1), 0).sum(axis=1)
    ideal = np.concatenate([[0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    return _divide(gain, ideal[np.minimum(_num_hidden(ranks), k)])


def mrr_at_k(ranks: np.ndarray, *, k: int) -> np.ndarray:
    """Returns `[B]` 1 / rank of each query's first hidden item where that is in the top k, else 0.

    Examples:
        >>> mrr_at_k(np.array([1.0, 4.0, 12.0]), k=10)
        array([1.  , 0.25, 0.  ])
    """
    first = np.nan_to_num(_table(ranks), nan=np.inf, posinf=np.inf).min(axis=1)
    return np.asarray(np.where(first <= k, 1 / first, 0.0))


def map_at_k(ranks: np.ndarray, *, k: int) -> np.ndarray:
    """Returns `[B]` each query's average precision in the top k; NaN without hidden items.

    `ap@k = Σ_{hits in the top k} (hits up to it / its rank) / min(k, |hidden|)`.

    Examples:
        Hidden items at ranks 1 and 4: `(1/1 + 2/4) / 2`.

        >>> map_at_k(np.array([[1.0, 4.0]]), k=10)
        array([0.75])
    """
    ranks = np.sort(_table(ranks), axis=1)  # NaN sorts last
    precision = np.arange(1, ranks.shape[1] + 1) / ranks
    return _divide(np.where(ranks <= k, precision, 0).sum(axis=1), np.minimum(_num_hidden(ranks), k))


def revenue_hit_rate_at_k(ranks: np.ndarray, prices: np.ndarray, *, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns each query's captured and possible revenue, whose sums' ratio is the revenue-weighted hit rate.

    `Σ price · hit / Σ price` over queries with a known price: a hit on a dear item counts for more.

    Args:
        ranks: `[B]` or `[B, 1]`.
        prices: `[B]` price of the hidden item; NaN unknown (counts 0 in both).
        k: depth.

    Examples:
        >>> captured, possible = revenue_hit_rate_at_k(np.array([2.0, 30.0]), np.array([60.0, 20.0]), k=10)
        >>> captured, possible
        (array([60.,  0.]), array([60., 20.]))
        >>> float(captured.sum() / possible.sum())
        0.75
    """
    possible = np.nan_to_num(np.asarray(prices, np.float64), nan=0.0)
    return possible * hit_rate_at_k(ranks, k=k), possible


def coverage(top: np.ndarray, *, num_items: int) -> float:
    """Returns the share of the catalogue that is in at least one row of `top` (`[B, k]`, -1 = none).

    Examples:
        >>> coverage(np.array([[0, 1], [1, -1]]), num_items=4)
        0.5
    """
    return len(np.unique(top[top >= 0])) / num_items if num_items else float("nan")


def novelty(top: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    """Returns each query's mean self-information of its top items, in bits; NaN for an empty row.

    `−log2 p(item)`, `p` the item's share of all sales (Vargas & Castells 2011); an item without any counts as if it
    had half of one.

    Args:
        top: `[B, k]` item indices; -1 = none.
        popularity: `[num_items]` sales of each item.

    Examples:
        Of eight sales item 0 has four (1 bit) and item 1 has one (3 bits):

        >>> novelty(np.array([[0, 1], [0, -1]]), np.array([4, 1, 3]))
        array([2., 1.])
    """
    counts = np.maximum(popularity.astype(np.float64), 0.5)
    bits = -np.log2(counts / max(counts.sum(), 1.0))
    return _row_mean(bits[top], top >= 0)


def diversity(top: np.ndarray, categories: np.ndarray) -> np.ndarray:
    """Returns each query's share of pairs of its top items that are of different categories; NaN below two items.

    Args:
        top: `[B, k]` item indices; -1 = none.
        categories: `[num_items]` category codes; -1 = unknown, in no pair.

    Examples:
        Items 0 and 1 share a category, item 2 has another: of three pairs two differ.

        >>> diversity(np.array([[0, 1, 2]]), np.array([7, 7, 8])).round(2)
        array([0.67])
    """
    code = np.where(top >= 0, categories[top], -1)
    different, pairs = np.zeros(len(top)), np.zeros(len(top))
    for shift in range(1, top.shape[1]):
        both = (code[:, :-shift] >= 0) & (code[:, shift:] >= 0)
        different += (both & (code[:, :-shift] != code[:, shift:])).sum(axis=1)
        pairs += both.sum(axis=1)
    return _divide(different, pairs)


def calibration_error(probabilities: np.ndarray, outcomes: np.ndarray, *, num_bins: int = 15) -> float:
    """Returns the expected calibration error (ECE) over bins that hold equally many predictions.

    `ECE = Σ_bins (n_bin / n) · |mean probability − share of outcomes|` (Naeini et al. 2015; bins by quantile, since
    purchase probabilities crowd near 0).

    Args:
        probabilities: `[n]` in [0, 1].
        outcomes: `[n]` 0 or 1.
        num_bins: number of bins.

    Raises:
        SchemaError: lengths differ or a probability lies outside [0, 1].

    Examples:
        Announced 20 %, observed 50 %:

        >>> round(calibration_error(np.array([0.2, 0.2]), np.array([0, 1]), num_bins=1), 2)
        0.3
    """
    if num_bins < 1:
        raise ConfigError(f"`num_bins` must be at least 1; got {num_bins}.")
    if probabilities.shape != outcomes.shape:
        raise SchemaError(f"An outcome is needed for each probability; got {outcomes.shape}, {probabilities.shape}.")
    if probabilities.size == 0:
        return float("nan")
    if not (probabilities.min() >= 0 and probabilities.max() <= 1):
        raise SchemaError(f"Probabilities lie in [0, 1]; got {probabilities.min()}..{probabilities.max()}.")
    order = np.argsort(probabilities, kind="stable")
    gaps = [
        abs(float(probabilities[part].mean()) - float(outcomes[part].mean())) * len(part)
        for part in np.array_split(order, num_bins)
        if len(part)
    ]
    return sum(gaps) / len(order)


def _checked_scores(scores: np.ndarray | scipy.sparse.csr_matrix, size: int, num_items: int) -> np.ndarray:
    """Returns scores `[size, num_items]`, dense; refuses another shape and NaN."""
    if not isinstance(scores, np.ndarray):
        scores = scores.toarray()
    if scores.shape != (size, num_items):
        raise SchemaError(f"Scores must be [b, num_items] = {(size, num_items)}; got {scores.shape}.")
    if np.isnan(scores.min(initial=0)):  # min passes NaN on
        raise SchemaError("Scores must be numbers; got NaN. Use -inf for what must not be ranked.")
    return scores


def _exact_ranks(scores: np.ndarray, cases: Cases) -> np.ndarray:
    """Returns `[B, R]` ranks of the hidden items, ties against them; NaN for none, inf for a score of -inf.

    The idea: a rank is a count of scores at least as high, less those of excluded items, so that no row is sorted; only
    with many hidden items a query is one sort of the row, and a search in it, cheaper.

    Example: scores (.9, .5, .5, .1) with item 0 excluded: hidden item 2 has the rank 2, as item 1 ties with it; hidden
    item 3 has the rank 3; with no item excluded the ranks are 3 and 4.
    """
    rows = np.arange(len(cases))
    ranks = np.full(cases.truths.shape, np.nan)
    out, counted = cases.excluded, cases.candidates
    out_row = np.repeat(rows, np.diff(out.indptr))
    out_scores = scores[out_row, out.indices]
    if counted is not None:
        in_row = np.repeat(rows, np.diff(counted.indptr))
        in_scores = scores[in_row, counted.indices]
        is_in = sampled(out, in_row, counted.indices) == 0
    ordered = np.sort(scores, axis=1) if cases.truths.shape[1] > _SORT_FROM and counted is None else None
    for hidden in range(cases.truths.shape[1]):
        asked = np.flatnonzero(cases.truths[:, hidden] >= 0)
        bar = np.full(len(cases), np.inf, scores.dtype)
        bar[asked] = scores[asked, cases.truths[asked, hidden]]
        if counted is not None:
            at_least = np.bincount(in_row[is_in & (in_scores >= bar[in_row])], minlength=len(cases))
        else:
            if ordered is None:
                at_least = np.count_nonzero(scores >= bar[:, None], axis=1)
            else:
                at_least = np.zeros(len(cases), np.int64)
                at_least[asked] = [
                    scores.shape[1] - np.searchsorted(ordered[row], bar[row], side="left") for row in asked
                ]
            at_least = at_least - np.bincount(out_row[out_scores >= bar[out_row]], minlength=len(cases))
        ranks[asked, hidden] = np.where(np.isneginf(bar[asked]), np.inf, np.maximum(at_least[asked], 1))
    return ranks


def _top(scores: np.ndarray, cases: Cases, *, k: int) -> np.ndarray:
    """Returns `[B, k]` int32 items of the highest scores that may be ranked, best first; -1 for none."""
    rows, num_items = np.arange(len(cases)), scores.shape[1]
    if cases.candidates is not None:
        kept = np.full(scores.shape, -np.inf, np.float32)
        row = np.repeat(rows, np.diff(cases.candidates.indptr))
        kept[row, cases.candidates.indices] = scores[row, cases.candidates.indices]
    else:
        kept = scores.copy()
    kept[np.repeat(rows, np.diff(cases.excluded.indptr)), cases.excluded.indices] = -np.inf
    top = np.argpartition(-kept, k - 1, axis=1)[:, :k] if k < num_items else np.tile(np.arange(k), (len(rows), 1))
    best = np.take_along_axis(kept, top, axis=1)
    order = np.lexsort((top, -best))  # along the last axis: best first, ties by item index
    chosen = np.where(np.isneginf(best), -1, top)
    return np.take_along_axis(chosen, order, axis=1).astype(np.int32)


def _table(ranks: np.ndarray) -> np.ndarray:
    """Returns ranks `[B, R]`; `[B]` ranks become one column."""
    return ranks[:, None] if ranks.ndim == 1 else ranks


def _num_hidden(ranks: np.ndarray) -> np.ndarray:
    """Returns `[B]` numbers of hidden items in ranks `[B, R]`."""
    return (~np.isnan(ranks)).sum(axis=1)


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Returns `[B]` quotients; NaN where the denominator is 0."""
    whole = np.full(len(numerator), np.nan)
    return np.divide(numerator, denominator, out=whole, where=denominator > 0)


def _row_mean(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Returns `[B]` means of the values `[B, k]` that are inside; NaN for a row without any."""
    return _divide(np.where(inside, values, 0).sum(axis=1), inside.sum(axis=1))
