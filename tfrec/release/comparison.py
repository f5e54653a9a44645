"""Compares two methods on a period that neither has learned from, signature by signature.

Both are asked the same queries, and the differences are paired: their interval is a bootstrap over orders and visits.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfrec.baselines.registry import fit_method
from tfrec.evaluation.cases import Cases
from tfrec.evaluation.evaluate import sample_cases
from tfrec.evaluation.metrics import Ranking, hit_rate_at_k, on_catalogue, rank_by_scores
from tfrec.evaluation.protocol import cart_completion_cases, discover_cases, next_basket_cases
from tfrec.evaluation.report import estimate_fields
from tfrec.evaluation.sections import Method
from tfrec.evaluation.sessions import next_item_cases, upsell_cases
from tfrec.schema.tables import Tables
from tfrec.statistics.estimates import Estimate
from tfrec.statistics.paired import compare_paired

COMPARISON = Path("assets.extra") / "fallback_comparison.json"
K = 10
SEEDS = (0, 1, 2)
LEVEL = 0.9
"""Coverage of the intervals: each end is passed by chance in 5 of 100 comparisons."""
MIN_QUERIES = 20
"""Fewer queries decide nothing."""


@dataclasses.dataclass(frozen=True)
class SignatureComparison:
    """How two methods answered the queries of one signature.

    Attributes:
        signature: signature that was asked.
        num_queries: asked of both.
        first: hit rate at 10 of the first method.
        second: the same of the second.
        difference: `first − second` with its interval.
    """

    signature: str
    num_queries: int
    first: float
    second: float
    difference: Estimate

    def is_worse(self, *, margin: float = 0.0) -> bool:
        """Returns whether the first loses by more than `margin` beyond chance: the whole interval lies below 0."""
        difference = self.difference
        return self.num_queries >= MIN_QUERIES and difference.value < -margin and difference.high < 0

    def sentence(self, first: str, second: str) -> str:
        """Returns the result in words."""
        text = f"{self.signature}: HR@{K} {_short(self.first)} ({first}) against {_short(self.second)} ({second})"
        return f"{text}, difference {self.difference}, {self.num_queries:,} queries"


def held_out_questions(
    train: Tables, later: Tables, *, max_queries: int = 2_000, seeds: Sequence[int] = SEEDS
) -> dict[str, list[Cases]]:
    """Returns signature → sets of cases of the later period; signatures that the log has nothing for are left out.

    `recommend` is asked for the next item of each visit, in a log without visits for the next basket of known users.
    `similar` has no truth in a log.

    Args:
        train: what the methods know.
        later: what followed.
        max_queries: largest number of queries of each set.
        seeds: draws of the hidden items of carts.
    """
    carts = [sample_cases(cart_completion_cases(train, later, seed=seed), max_queries) for seed in seeds]
    visits = sample_cases(next_item_cases(train, later), max_queries)
    if not len(visits) and len(carts[0]):
        visits = sample_cases(next_basket_cases(train, later), max_queries)
    comparisons = {
        "complete_cart": carts,
        "cross_sell": [discover_cases(cases, train) for cases in carts if len(cases)],
        "recommend": [visits],
        "upsell": [sample_cases(upsell_cases(train, later), max_queries)],
    }
    kept = {name: [cases for cases in sets if len(cases)] for name, sets in comparisons.items()}
    return {name: sets for name, sets in kept.items() if sets}


def compare_methods(
    first: Method, second: Method, questions: Mapping[str, Sequence[Cases]]
) -> list[SignatureComparison]:
    """Returns a comparison of each signature that has questions."""
    return [
        compare_answers(name, [first(cases, K) for cases in sets], [second(cases, K) for cases in sets], sets)
        for name, sets in questions.items()
    ]


def compare_answers(
    signature: str, first: Sequence[Ranking], second: Sequence[Ranking], sets: Sequence[Cases]
) -> SignatureComparison:
    """Returns the comparison of two methods' answers to the same sets of cases."""
    hits = [np.concatenate([hit_rate_at_k(ranking.ranks, k=K) for ranking in answers]) for answers in (first, second)]
    groups = np.concatenate([cases.groups.astype(str) for cases in sets])
    difference = compare_paired(hits[0], hits[1], groups, level=LEVEL).difference
    return SignatureComparison(signature, len(groups), float(hits[0].mean()), float(hits[1].mean()), difference)


def by_baseline(train: Tables, method: str) -> Method:
    """Returns a baseline, with the settings that `tfrec baseline` publishes, as a method.

    Args:
        train: what it is fitted to.
        method: a name of `tfrec.baselines.REGISTRY`.

    Raises:
        SchemaError: the log has nothing that the method learns from.
    """
    scorer, history = fit_method(train, method)
    scored = on_catalogue(scorer, history.item_ids)
    return lambda cases, k: rank_by_scores(scored, cases, k=k)


def to_json(comparisons: Iterable[SignatureComparison], *, method: str, since: str) -> str:
    """Returns the comparison of a funnel with its fall-back for a version's `assets.extra`.

    Args:
        comparisons: funnel first.
        method: method of the fall-back.
        since: beginning of the period that was asked.
    """
    rows = [
        {
            **dataclasses.asdict(comparison),
            "difference": estimate_fields(comparison.difference),
            "is_worse": comparison.is_worse(),
        }
        for comparison in comparisons
    ]
    return json.dumps({"metric": f"HR@{K}", "fallback": method, "since": since, "signatures": rows}, indent=1) + "\n"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0") if value < 1 else f"{value:.3f}"
