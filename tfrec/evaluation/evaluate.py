"""Evaluates a shop's methods in one run: models and baselines are asked the same cases.

The served model comes in as a *ranker*, a callable `(cases, k, signature) -> Slate`; this layer knows no TensorFlow.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from tfrec.baselines import BASKET_BASELINES, CART_BASELINES, SESSION_BASELINES, UPSELL_BASELINES
from tfrec.baselines.history import History, order_history, session_history
from tfrec.baselines.scores import Baseline
from tfrec.errors import ConfigError
from tfrec.evaluation.cases import Cases
from tfrec.evaluation.metrics import Ranking, Scorer, on_catalogue, rank_by_scores, rank_in_slate
from tfrec.evaluation.protocol import (
    cart_completion_cases,
    cold_item_cases,
    cross_category_cases,
    discover_cases,
    next_basket_cases,
)
from tfrec.evaluation.report import EvaluationReport
from tfrec.evaluation.sections import Method, after_clicks_section, cart_section, list_section
from tfrec.evaluation.sessions import events_sent, next_item_cases, upsell_cases, without_visit
from tfrec.ingest.prepared import Prepared
from tfrec.schema.slate import Slate

Ranker: TypeAlias = Callable[[Cases, int, str], Slate]
"""Answers cases with slates of k items through a signature of the served model."""

SEEDS = (0, 1, 2, 3, 4)
"""Draws of the hidden items: one draw alone moves HR@10 of 3,000 orders by .005 either way."""

_LEAST_APART, _APART_CELLS = 1000, 200_000_000


def evaluate(
    prepared: Prepared,
    rankers: Mapping[str, Ranker] | None = None,
    *,
    baselines: Mapping[str, Baseline] | None = None,
    session_baselines: Mapping[str, Baseline] = SESSION_BASELINES,
    basket_baselines: Mapping[str, Baseline] = BASKET_BASELINES,
    seeds: Sequence[int] = SEEDS,
    category_level: int = 0,
    with_baskets: bool = False,
    max_queries: int = 20_000,
    num_resamples: int = 1000,
) -> EvaluationReport:
    """Returns the report of the models and of the baselines, on the same cases in the same run.

    Args:
        prepared: the shop before and after the split.
        rankers: name → served model; none = the baselines alone.
        baselines: name → baseline for carts; None = those of `CART_BASELINES`.
        session_baselines: the same for the next item of a session.
        basket_baselines: the same for whole next baskets.
        seeds: draws of the hidden items.
        category_level: level of the category path (0 = top) of the cross-category column.
        with_baskets: also ask for the whole next basket of each known user.
        max_queries: queries of each task looked at; more are sampled by whole users or sessions, seeded.
        num_resamples: number of resamples of the bootstrap.

    Raises:
        ConfigError: no seed, or a model is called like a baseline.
    """
    rankers = dict(rankers or {})
    baselines = CART_BASELINES if baselines is None else baselines
    if not seeds:
        raise ConfigError("At least one seed is needed to draw the hidden items; got none.")
    for name in rankers:
        if name in baselines:
            raise ConfigError(f"A model must not be called like a baseline; got {name!r}. Rename it.")
    train, test = prepared.train, prepared.test
    sections = []

    def drawn(cases: Callable[..., Cases]) -> list[Cases]:
        return [
            sample_cases(cases(train, test, seed=seed, category_level=category_level), max_queries) for seed in seeds
        ]

    whole = drawn(cart_completion_cases)
    if len(whole[0]):
        cold = drawn(cold_item_cases)
        discoveries = [discover_cases(cases, train) for cases in whole]
        methods = _methods(baselines, rankers, order_history(train, whole[0].item_ids))
        most = max(_LEAST_APART, _APART_CELLS // len(whole[0].item_ids))  # each excludes a good part of the catalogue
        apart = [cross_category_cases(sample_cases(cases[cases.is_cross_category], most), train) for cases in whole]
        sections.append(
            cart_section(whole, discoveries, apart, cold, methods, train=train, num_resamples=num_resamples)
        )

    baskets = next_basket_cases(train, test, category_level=category_level) if with_baskets else None
    if baskets is not None and len(baskets):
        baskets = sample_cases(baskets, max_queries)
        methods = _methods(basket_baselines, rankers, order_history(train, baskets.item_ids))
        note = f"The first test order of {len(baskets):,} known users, ranked over {len(baskets.item_ids):,} items."
        sections.append(
            list_section(baskets, methods, title="Next basket", note=note, k=10, num_resamples=num_resamples)
        )

    visits = next_item_cases(train, test, category_level=category_level, with_first=True)
    is_first = events_sent(visits) == 0
    clicks = sample_cases(visits[~is_first], max_queries)
    if len(clicks):
        methods = _methods(session_baselines, {}, session_history(train, clicks.item_ids))
        asked = {name: _asked_once(by_slates(ranker)) for name, ranker in rankers.items()}
        methods |= {name: (method, False) for name, method in asked.items()}
        note = f"{len(clicks):,} clicks after the first of their session, ranked over {len(clicks.item_ids):,} items."
        sections.append(
            list_section(clicks, methods, title="Next item in the session", note=note, num_resamples=num_resamples)
        )
    if len(clicks) and rankers:
        firsts = visits[is_first & np.isin(visits.groups.astype(str), clicks.groups.astype(str))]
        pairs = {name: (asked[name], _without_visit(ranker)) for name, ranker in rankers.items()}
        sections.append(after_clicks_section(firsts, clicks, pairs, num_resamples=num_resamples))

    steps_up = sample_cases(upsell_cases(train, test), max_queries)
    if len(steps_up):
        methods = _methods(UPSELL_BASELINES, rankers, session_history(train, steps_up.item_ids))
        width = np.diff(steps_up.candidates.indptr).mean() if steps_up.candidates is not None else 0
        note = (
            f"{len(steps_up):,} viewed items after which a dearer one of the category was chosen in the session, "
            f"ranked over all dearer items of the category ({width:.0f} on average)."
        )
        sections.append(list_section(steps_up, methods, title="Upsell", note=note, k=10, num_resamples=num_resamples))

    if not sections:
        raise ConfigError(
            "There is nothing to evaluate: the test period has no order with two known items and no session with two "
            "clicks. Prepare the shop with an earlier split."
        )
    name = prepared.manifest.recipe
    test_from = prepared.calendar.moment_text(prepared.test_from)
    return EvaluationReport(name, test_from, tuple(seeds), tuple(sections))


def sample_cases(cases: Cases, max_queries: int) -> Cases:
    """Returns whole groups (users or sessions), in seeded random order, until `max_queries` are reached."""
    return cases if len(cases) <= max_queries else cases[sampled_groups(cases.groups, max_queries)]


def sampled_groups(groups: np.ndarray, most: int) -> np.ndarray:
    """Returns `[B]` bool: the queries of whole groups, drawn in seeded random order until `most` are reached."""
    labels, code, size = np.unique(groups.astype(str), return_inverse=True, return_counts=True)
    order = np.random.default_rng(0).permutation(len(labels))
    chosen = np.zeros(len(labels), bool)
    chosen[order[np.cumsum(size[order]) <= most]] = True
    return np.asarray(chosen[code])


def _methods(
    baselines: Mapping[str, Baseline], rankers: Mapping[str, Ranker], history: History
) -> dict[str, tuple[Method, bool]]:
    """Baselines that are fitted when first asked and released when the table is done."""
    methods: dict[str, tuple[Method, bool]] = {}
    for place, (name, baseline) in enumerate(baselines.items(), start=1):
        methods[name] = _fitted_once(baseline, history, f"{name}, {place} of {len(baselines)}"), True
    for name, ranker in rankers.items():
        methods[name] = by_slates(ranker), False
    return methods


def _fitted_once(baseline: Baseline, history: History, label: str) -> Method:
    fitted: list[Scorer] = []

    def method(cases: Cases, k: int) -> Ranking:
        if not fitted:
            fitted.append(baseline.fit(history))
        return rank_by_scores(on_catalogue(fitted[0], history.item_ids), cases, k=k, progress=label)

    return method


def by_slates(ranker: Ranker) -> Method:
    """Returns a served model as a method."""
    return lambda cases, k: rank_in_slate(ranker(cases, k, cases.signature), cases)


def _asked_once(method: Method) -> Method:
    """Remembers its answers: two tables ask for the same cases."""
    answers: list[tuple[Cases, int, Ranking]] = []

    def again(cases: Cases, k: int) -> Ranking:
        for asked, length, ranking in answers:
            if asked is cases and length == k:
                return ranking
        answers.append((cases, k, method(cases, k)))
        return answers[-1][2]

    return again


def _without_visit(ranker: Ranker) -> Method:
    """Sends who asks and no event of the visit, each user once: all the user's requests are then the same."""

    def method(cases: Cases, k: int) -> Ranking:
        _, rows, row_of = np.unique(cases.user_ids.astype(str), return_index=True, return_inverse=True)
        slate = ranker(without_visit(cases[rows]), k, cases.signature)
        extras = {name: values[row_of] for name, values in slate.extras.items()}
        return rank_in_slate(Slate(slate.item_ids[row_of], slate.scores[row_of], extras), cases)

    return method
