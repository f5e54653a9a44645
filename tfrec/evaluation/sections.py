"""Makes the `Section` of a task: a table with one row per method, each cell an estimate with its interval.

No headline without its split: every section shows the repeat and the new cases apart, or it cannot be made.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

from tfrec.errors import SchemaError
from tfrec.evaluation import metrics
from tfrec.evaluation.cases import Cases, item_categories
from tfrec.evaluation.metrics import Ranking
from tfrec.evaluation.sessions import events_sent
from tfrec.schema.tables import Tables
from tfrec.statistics.cluster_bootstrap import bootstrap_means
from tfrec.statistics.estimates import Estimate
from tfrec.statistics.paired import PairedComparison, compare_paired

logger = logging.getLogger(__name__)

Method: TypeAlias = Callable[[Cases, int], Ranking]
"""Answers cases with the ranks of their hidden items and its top k."""


@dataclasses.dataclass(frozen=True)
class Column:
    """A figure of a table.

    Attributes:
        name: heading, unique in its table.
        meaning: one line for humans.
        is_headline: compared with the strongest baseline; drawn on the page unless it stands beside.
        is_beside: stands in a second table below.
    """

    name: str
    meaning: str
    is_headline: bool = False
    is_beside: bool = False


@dataclasses.dataclass(frozen=True)
class Row:
    """What one method reached.

    Attributes:
        method: its name.
        is_baseline: False for the model under test.
        cells: column name → estimate.
        seconds: time that its answers took, without fitting.
    """

    method: str
    is_baseline: bool
    cells: Mapping[str, Estimate]
    seconds: float


@dataclasses.dataclass(frozen=True)
class Duel:
    """A model against the strongest baseline of a column, on the same queries."""

    method: str
    baseline: str
    column: str
    comparison: PairedComparison


@dataclasses.dataclass(frozen=True)
class Section:
    """One task's table.

    Attributes:
        task: name of the task.
        title: heading.
        note: what was asked, and of how many.
        columns: the table's columns.
        rows: a row a method.
        duels: models against the strongest baselines.
        beside: heading of the second table.

    Raises:
        SchemaError: a headline stands without its repeat and new columns.
    """

    task: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    duels: tuple[Duel, ...] = ()
    beside: str = "Beside accuracy"

    def __post_init__(self) -> None:
        first_words = {column.name.split()[0] for column in self.columns}
        if not {"new", "repeat"} <= first_words:
            raise SchemaError(
                f"The table of `{self.task}` must show new and repeat cases apart: an overall figure alone lets "
                "repeat purchases pass for discovery. Add the columns `new ...` and `repeat ...`."
            )


_NOTHING_SENT = "after 0"
_EVENTS_SENT = {
    _NOTHING_SENT: (0, 0),
    "after 1": (1, 1),
    "after 2": (2, 2),
    "after 3–5": (3, 5),
    "after 6+": (6, np.inf),
}
"""Columns of `after_clicks_section` → fewest and most events of the visit that were sent."""

_Values: TypeAlias = dict[str, np.ndarray | tuple[np.ndarray, np.ndarray]]
"""Column name → `[B]` values, or values and their denominators."""


def cart_section(
    whole: Sequence[Cases],
    discoveries: Sequence[Cases],
    apart: Sequence[Cases],
    cold: Sequence[Cases],
    methods: Mapping[str, tuple[Method, bool]],
    *,
    train: Tables,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Section:
    """Returns the table of cart completion, discovery and cold items.

    Args:
        whole: cart completion cases, one a draw of the hidden items.
        discoveries: the discovery cases of each draw.
        apart: the cross-category cases of each draw, or a sample of them.
        cold: the cold item cases of each draw.
        methods: name → (method, whether it is a baseline).
        train: gives categories and popularity for the columns beyond accuracy.
        num_resamples: number of resamples of the bootstrap.
        seed: random seed of the bootstrap.
    """
    columns = (
        Column("all HR@10", "hidden item among the first 10", True),
        Column("all HR@20", "hidden item among the first 20"),
        Column("all NDCG@10", "1 / log2(rank + 1) within the first 10"),
        Column("new HR@10", "the same where the hidden item is new to the user", True),
        Column("repeat HR@10", "the same where the user had bought it before"),
        Column("cross-category HR@10", "hidden item of a category that is not in the cart, ranked among such items"),
        Column("discover HR@10", "new cases, ranked over what the user has not bought", True),
        Column("discover NDCG@10", "the same, 1 / log2(rank + 1)"),
        Column("cold HR@10", "hidden item never sold in training, whole catalogue ranked"),
        Column("unlimited cross-category HR@10", "the cross-category cases, ranked among all items", is_beside=True),
        Column("revenue HR@10", "share of the hidden items' prices that was found", is_beside=True),
        Column("novelty@10", "mean −log2 of the offered items' share of sales, bits", is_beside=True),
        Column("diversity@10", "share of pairs of offered items of different categories", is_beside=True),
        Column("coverage@10", "share of the catalogue that is offered at all", is_beside=True),
        Column(
            "ECE@10",
            "gap between the predicted probabilities of the first 10 and how often they came true",
            is_beside=True,
        ),
    )
    groups = np.concatenate([cases.groups for cases in (*whole, *cold)])
    size = sum(map(len, whole))
    item_ids = whole[0].item_ids
    categories = item_categories(train, item_ids, level=0)
    sold = train.purchases["item_id"].value_counts().reindex(item_ids).fillna(0).to_numpy()
    is_new = np.concatenate([cases.is_new for cases in whole])
    is_cross = np.concatenate([cases.is_cross_category for cases in whole])
    is_apart = np.concatenate([np.isin(a.query_ids, b.query_ids) for a, b in zip(whole, apart, strict=True)])
    prices = np.concatenate([cases.prices for cases in whole])

    def measure(method: Method) -> tuple[_Values, dict[str, float]]:
        rankings = [method(cases, 20) for cases in whole]
        ranks = np.concatenate([ranking.ranks for ranking in rankings])
        top = np.concatenate([ranking.top[:, :10] for ranking in rankings])
        new_ranks = np.concatenate([method(cases, 20).ranks for cases in discoveries])
        apart_ranks = np.concatenate([method(cases, 20).ranks for cases in apart])
        cold_ranks = np.concatenate([method(cases, 20).ranks for cases in cold] or [np.zeros((0, 1))])
        hit = metrics.hit_rate_at_k(ranks, k=10)
        captured, possible = metrics.revenue_hit_rate_at_k(ranks, prices, k=10)
        values: _Values = {
            "all HR@10": hit,
            "all HR@20": metrics.hit_rate_at_k(ranks, k=20),
            "all NDCG@10": metrics.ndcg_at_k(ranks, k=10),
            "new HR@10": np.where(is_new, hit, np.nan),
            "repeat HR@10": np.where(is_new, np.nan, hit),
            "cross-category HR@10": _spread(metrics.hit_rate_at_k(apart_ranks, k=10), is_apart),
            "unlimited cross-category HR@10": np.where(is_cross, hit, np.nan),
            "discover HR@10": _spread(metrics.hit_rate_at_k(new_ranks, k=10), is_new),
            "discover NDCG@10": _spread(metrics.ndcg_at_k(new_ranks, k=10), is_new),
            "novelty@10": metrics.novelty(top, sold),
            "diversity@10": metrics.diversity(top, categories),
        }
        values = {
            name: np.concatenate([column, np.full(len(groups) - size, np.nan)]) for name, column in values.items()
        }
        values["cold HR@10"] = np.concatenate([np.full(size, np.nan), metrics.hit_rate_at_k(cold_ranks, k=10)])
        nothing = np.zeros(len(groups) - size)
        values["revenue HR@10"] = np.concatenate([captured, nothing]), np.concatenate([possible, nothing])
        gaps = [_calibration(ranking, cases) for ranking, cases in zip(rankings, whole, strict=True)]
        return values, {
            "coverage@10": metrics.coverage(top, num_items=len(item_ids)),
            "ECE@10": float(np.mean(gaps)),
        }

    draws = "one draw" if len(whole) == 1 else f"{len(whole)} draws averaged"
    note = (
        f"One item of each of {len(whole[0]):,} orders is hidden ({draws}); all "
        f"{len(item_ids):,} known items but the cart are ranked, ties count against. {is_new.mean():.0%} of the hidden "
        "items are new to their user. ± is half of the 95 % bootstrap interval over orders."
        if size
        else "No order of the test period has two known items."
    )
    title = "Cart completion and cross-sell"
    rows, duels = _table(methods, measure, columns, groups, num_resamples=num_resamples, seed=seed)
    return Section("complete_cart", title, note, columns, rows, duels)


def list_section(
    cases: Cases,
    methods: Mapping[str, tuple[Method, bool]],
    *,
    title: str,
    note: str,
    k: int = 20,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Section:
    """Returns the table of one set of cases: hit rate, recall, NDCG, MRR and MAP at k, new and repeat apart."""
    columns: tuple[Column, ...] = (
        Column(f"all HR@{k}", f"a hidden item among the first {k}", True),
        Column(f"all MRR@{k}", f"1 / rank of the first hidden item within the first {k}", True),
        Column(f"all NDCG@{k}", "discounted gain over the best possible"),
        Column(f"new HR@{k}", "where the hidden item is new to the user and the session", True),
        Column(f"new MRR@{k}", "the same, 1 / rank"),
        Column(f"repeat HR@{k}", "where it is not"),
        Column(f"cross-category HR@{k}", "hidden item of a category that the session has not touched"),
    )
    if cases.truths.shape[1] > 1:
        columns += (
            Column(f"all recall@{k}", f"share of the hidden items among the first {k}"),
            Column(f"new recall@{k}", "the same of those that are new to the user"),
            Column(f"all MAP@{k}", "mean average precision"),
        )

    def measure(method: Method) -> tuple[_Values, dict[str, float]]:
        ranks = method(cases, k).ranks
        is_new = cases.is_new.reshape(len(cases), -1)
        new, repeat = np.where(is_new, ranks, np.nan), np.where(is_new, np.nan, ranks)
        hit, reciprocal = metrics.hit_rate_at_k(ranks, k=k), metrics.mrr_at_k(ranks, k=k)
        values: _Values = {
            f"all HR@{k}": hit,
            f"all MRR@{k}": reciprocal,
            f"all NDCG@{k}": metrics.ndcg_at_k(ranks, k=k),
            f"new HR@{k}": np.where(_has_any(new), metrics.hit_rate_at_k(new, k=k), np.nan),
            f"new MRR@{k}": np.where(_has_any(new), metrics.mrr_at_k(new, k=k), np.nan),
            f"repeat HR@{k}": np.where(_has_any(repeat), metrics.hit_rate_at_k(repeat, k=k), np.nan),
            f"cross-category HR@{k}": np.where(cases.is_cross_category, hit, np.nan),
            f"all recall@{k}": metrics.recall_at_k(ranks, k=k),
            f"new recall@{k}": metrics.recall_at_k(new, k=k),
            f"all MAP@{k}": metrics.map_at_k(ranks, k=k),
        }
        return {column.name: values[column.name] for column in columns}, {}

    rows, duels = _table(methods, measure, columns, cases.groups, num_resamples=num_resamples, seed=seed)
    return Section(cases.task, title, note, columns, rows, duels)


def after_clicks_section(
    firsts: Cases,
    clicks: Cases,
    methods: Mapping[str, tuple[Method, Method]],
    *,
    k: int = 20,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Section:
    """Returns what the events of a visit are worth when they are sent with the request: the next item after k of them.

    Each model is asked for the same clicks twice, with the events of the visit up to then and without them. The
    second stands as the baseline, so that the comparisons are the worth of what was sent.

    Args:
        firsts: the first clicks of sessions, before which there is nothing to send.
        clicks: the later clicks of the same sessions.
        methods: name → (with the visit, without it).
        k: length of the slates.
        num_resamples: number of resamples of the bootstrap.
        seed: random seed of the bootstrap.
    """
    parts = [cases for cases in (firsts, clicks) if len(cases)]
    sent = np.concatenate([events_sent(cases) for cases in parts])
    groups = np.concatenate([cases.groups for cases in parts])
    is_new = np.concatenate([cases.is_new for cases in parts])
    spans = {name: (low <= sent) & (sent <= high) for name, (low, high) in _EVENTS_SENT.items()}
    columns = (
        *(Column(f"{span} HR@{k}", f"the next item among the first {k}", span != _NOTHING_SENT) for span in spans),
        Column(f"new HR@{k}", "after one event or more, the next item is new to the user and the visit"),
        Column(f"repeat HR@{k}", "after one event or more, it is not"),
        *(
            Column(f"{span} MRR@{k}", f"1 / rank of the next item within the first {k}", span != _NOTHING_SENT, True)
            for span in spans
        ),
    )

    def measure(method: Method) -> tuple[_Values, dict[str, float]]:
        ranks = np.concatenate([method(cases, k).ranks for cases in parts])
        hit, reciprocal = metrics.hit_rate_at_k(ranks, k=k), metrics.mrr_at_k(ranks, k=k)
        values: _Values = {f"{span} HR@{k}": np.where(rows, hit, np.nan) for span, rows in spans.items()}
        values |= {f"{span} MRR@{k}": np.where(rows, reciprocal, np.nan) for span, rows in spans.items()}
        values[f"new HR@{k}"] = np.where((sent > 0) & is_new, hit, np.nan)
        values[f"repeat HR@{k}"] = np.where((sent > 0) & ~is_new, hit, np.nan)
        return values, {}

    asked = {}
    for name, (with_visit, without) in methods.items():
        asked[f"{name}, visit not sent"] = without, True
        asked[name] = with_visit, False
    rows, duels = _table(asked, measure, columns, groups, num_resamples=num_resamples, seed=seed)
    note = (
        f"{len(firsts):,} first and {len(clicks):,} later clicks of the same visits, by the number of events that came "
        "before in the visit, each asked for twice: with these events sent along, as a page does, and without, so "
        "that only the user's history is used (for a guest, nothing)."
    )
    title = "Next item after k clicks"
    return Section("after_clicks", title, note, columns, rows, duels, beside="Rank of the next item")


def _table(
    methods: Mapping[str, tuple[Method, bool]],
    measure: Callable[[Method], tuple[_Values, dict[str, float]]],
    columns: tuple[Column, ...],
    groups: np.ndarray,
    *,
    num_resamples: int,
    seed: int,
) -> tuple[tuple[Row, ...], tuple[Duel, ...]]:
    codes = pd.factorize(groups)[0]
    rows, measured = [], {}
    for name, (method, is_baseline) in methods.items():
        began = time.perf_counter()
        values, points = measure(method)
        seconds = time.perf_counter() - began
        names = list(values)
        pairs = [value if isinstance(value, tuple) else (value, np.ones(len(value))) for value in values.values()]
        table, weights = (np.stack(part, axis=1) for part in zip(*pairs, strict=True))
        estimates = bootstrap_means(table, codes, weights=weights, num_resamples=num_resamples, seed=seed)
        cells = dict(zip(names, estimates, strict=True))
        for point, value in points.items():
            cells[point] = Estimate(value, np.nan, np.nan, np.nan, 0 if np.isnan(value) else len(codes))
        rows.append(Row(name, is_baseline, {column.name: cells[column.name] for column in columns}, seconds))
        measured[name] = {column.name: values[column.name] for column in columns if column.is_headline}
        logger.info("%s: %s in %.1f s", name, cells[columns[0].name], seconds)
    duels = []
    for column in (column.name for column in columns if column.is_headline):
        baselines = [row for row in rows if row.is_baseline and row.cells[column].n]
        if not baselines:
            continue
        best = max(baselines, key=lambda row: row.cells[column].value).method
        for row in rows:
            if not row.is_baseline:
                first, second = measured[row.method][column], measured[best][column]
                outcome = compare_paired(
                    np.asarray(first), np.asarray(second), codes, num_resamples=num_resamples, seed=seed
                )
                duels.append(Duel(row.method, best, column, outcome))
    return tuple(rows), tuple(duels)


def _has_any(ranks: np.ndarray) -> np.ndarray:
    """Returns `[B]` bool: whether ranks `[B, R]` have a hidden item."""
    return ~np.isnan(ranks).all(axis=1)


def _calibration(ranking: Ranking, cases: Cases) -> float:
    """Returns the expected calibration error of the first 10; NaN where the ranking has no probabilities."""
    if ranking.probabilities is None:
        return float("nan")
    top, said = ranking.top[:, :10], ranking.probabilities[:, :10]
    happened = (top[:, :, None] == cases.truths[:, None, :]).any(axis=2)
    return metrics.calibration_error(said[top >= 0], happened[top >= 0])


def _spread(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns `[B]` the values at the marked rows, in their order; NaN elsewhere."""
    spread = np.full(len(mask), np.nan)
    spread[mask] = values
    return spread
