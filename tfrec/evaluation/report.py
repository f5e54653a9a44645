"""Evaluates a shop's methods in one run as an `EvaluationReport`: text, JSON and a page.

The served model comes in as a *ranker*, a callable `(cases, k, signature) -> Slate`; this layer knows no TensorFlow.
`python -m tfrec.evaluation.report PREPARED` prints the baselines alone.
"""

import argparse
import dataclasses
import json
import logging
import math
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO, TypeAlias

import numpy as np

from tfrec.baselines import BASKET_BASELINES, CART_BASELINES, MORE_CART_BASELINES, SESSION_BASELINES, UPSELL_BASELINES
from tfrec.baselines.history import History, order_history, session_history
from tfrec.baselines.scores import Baseline
from tfrec.errors import ConfigError, TfrecError
from tfrec.evaluation.cases import Cases
from tfrec.evaluation.metrics import Ranking, Scorer, on_catalogue, rank_by_scores, rank_in_slate
from tfrec.evaluation.page import page
from tfrec.evaluation.protocol import (
    cart_completion_cases,
    cold_item_cases,
    cross_category_cases,
    discover_cases,
    next_basket_cases,
)
from tfrec.evaluation.sections import Method, Section, after_clicks_section, cart_section, list_section
from tfrec.evaluation.sessions import events_sent, next_item_cases, upsell_cases, without_visit
from tfrec.ingest.prepared import Prepared, read_prepared
from tfrec.schema.plain_values import to_plain
from tfrec.schema.slate import Slate
from tfrec.statistics.estimates import Estimate

logger = logging.getLogger(__name__)

Ranker: TypeAlias = Callable[[Cases, int, str], Slate]
"""Answers cases with slates of k items through a signature of the served model."""

SEEDS = (0, 1, 2, 3, 4)
"""Draws of the hidden items: one draw alone moves HR@10 of 3,000 orders by .005 either way."""

_LEAST_APART, _APART_CELLS = 1000, 200_000_000


_TEXT_WIDTH = 120


@dataclasses.dataclass(frozen=True)
class EvaluationReport:
    """What each method reached on each task.

    Attributes:
        shop: name of the prepared shop.
        test_from: first moment of the test period, ISO.
        seeds: draws of the hidden items.
        sections: a table a task.
        findings: sentences on what no table holds, such as how much of a known truth was found.
    """

    shop: str
    test_from: str
    seeds: tuple[int, ...]
    sections: tuple[Section, ...]
    findings: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Returns the whole report as text."""
        parts = [f"Evaluation of {self.shop}, test from {self.test_from}"]
        parts += [_section_text(section) for section in self.sections]
        parts += [textwrap.fill(finding, _TEXT_WIDTH) for finding in self.findings]
        return "\n\n".join(parts) + "\n"

    def to_json(self) -> str:
        """Returns the report for machines; absent figures are null."""
        return json.dumps(_plain(self), indent=2, ensure_ascii=False)

    def to_html(self) -> str:
        """Returns one self-contained page: light and dark, readable on a phone, no network."""
        title = f"Evaluation of {self.shop}"
        return page(title, f"Global temporal split; test from {self.test_from}.", self.sections, self.findings)


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
        asked = {name: _asked_once(_by_slate(ranker)) for name, ranker in rankers.items()}
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
    return EvaluationReport(name, str(prepared.test_from).removesuffix(" 00:00:00"), tuple(seeds), tuple(sections))


def print_evaluation(
    prepared: Prepared,
    rankers: Mapping[str, Ranker] | None = None,
    *,
    out: Path | None = None,
    baselines: Mapping[str, Baseline] | None = None,
    seeds: Sequence[int] = SEEDS,
    category_level: int = 0,
    with_baskets: bool = False,
    stream: TextIO | None = None,
) -> EvaluationReport:
    """Evaluates, writes the text to `stream` (None = standard output), and `evaluation.json`, `.html` to `out`.

    Args:
        prepared: see `evaluate`.
        rankers: see `evaluate`.
        out: folder for the files; None = write none.
        baselines: see `evaluate`.
        seeds: see `evaluate`.
        category_level: see `evaluate`.
        with_baskets: see `evaluate`.
        stream: where the text goes.
    """
    report = evaluate(
        prepared,
        rankers,
        baselines=baselines,
        seeds=seeds,
        category_level=category_level,
        with_baskets=with_baskets,
    )
    (stream or sys.stdout).write(str(report))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "evaluation.json").write_text(report.to_json() + "\n", encoding="utf-8")
        (out / "evaluation.html").write_text(report.to_html(), encoding="utf-8")
        logger.info("The report lies in %s", out / "evaluation.html")
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the baselines' evaluation of a prepared shop; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tfrec.evaluation.report", description="What every model of this shop has to beat."
    )
    parser.add_argument("prepared", type=Path, help="folder written by `tfrec prepare`")
    parser.add_argument("--out", type=Path, help="folder for evaluation.json and evaluation.html")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="number of draws of the hidden items")
    parser.add_argument("--category-level", type=int, default=0, help="level of the cross-category column, 0 = top")
    parser.add_argument("--all", action="store_true", help="every baseline, those of the extra `benchmarks` too")
    parser.add_argument("--next-basket", action="store_true", help="also the whole next basket of each known user")
    options = parser.parse_args(arguments)
    try:
        print_evaluation(
            read_prepared(options.prepared),
            out=options.out,
            baselines=MORE_CART_BASELINES if options.all else CART_BASELINES,
            with_baskets=options.next_basket,
            seeds=range(options.seeds),
            category_level=options.category_level,
        )
    except TfrecError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _methods(
    baselines: Mapping[str, Baseline], rankers: Mapping[str, Ranker], history: History
) -> dict[str, tuple[Method, bool]]:
    """Baselines that are fitted when first asked and released when the table is done."""
    methods: dict[str, tuple[Method, bool]] = {}
    for place, (name, baseline) in enumerate(baselines.items(), start=1):
        methods[name] = _fitted_once(baseline, history, f"{name}, {place} of {len(baselines)}"), True
    for name, ranker in rankers.items():
        methods[name] = _by_slate(ranker), False
    return methods


def _fitted_once(baseline: Baseline, history: History, label: str) -> Method:
    fitted: list[Scorer] = []

    def method(cases: Cases, k: int) -> Ranking:
        if not fitted:
            fitted.append(baseline.fit(history))
        return rank_by_scores(on_catalogue(fitted[0], history.item_ids), cases, k=k, progress=label)

    return method


def _by_slate(ranker: Ranker) -> Method:
    return lambda cases, k: rank_in_slate(ranker(cases, k, cases.signature), cases)


def _asked_once(method: Method) -> Method:
    """Remembers its answers: two tables ask for the same cases."""
    answers: list[tuple[Cases, int, Ranking]] = []

    def again(cases: Cases, k: int) -> Ranking:
        for known, length, ranking in answers:
            if known is cases and length == k:
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


def estimate_fields(estimate: Estimate) -> dict[str, float]:
    """Returns what reports and comparisons keep of an estimate: `value`, `low`, `high`, `num_queries`."""
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "num_queries": estimate.n}


def sample_cases(cases: Cases, max_queries: int) -> Cases:
    """Returns whole groups (users or sessions), in seeded random order, until `max_queries` are reached."""
    if len(cases) <= max_queries:
        return cases
    groups, code, size = np.unique(cases.groups.astype(str), return_inverse=True, return_counts=True)
    order = np.random.default_rng(0).permutation(len(groups))
    chosen = np.zeros(len(groups), bool)
    chosen[order[np.cumsum(size[order]) <= max_queries]] = True
    return cases[chosen[code]]


def _section_text(section: Section) -> str:
    shown = [column for column in section.columns if _is_known(section, column.name)]
    parts = [section.title, textwrap.fill(section.note, _TEXT_WIDTH), ""]
    for columns in ([column for column in shown if column.is_beside == beside] for beside in (False, True)):
        if columns:
            parts += [_table_text(section, [column.name for column in columns]), ""]
    parts += [f"{duel.method} − {duel.baseline}, {duel.column}: {duel.comparison}" for duel in section.duels]
    left_out = [column.name for column in section.columns if column not in shown]
    if left_out:
        parts.append(f"No such cases here: {', '.join(left_out)}.")
    return "\n".join(parts).rstrip()


def _table_text(section: Section, names: Sequence[str]) -> str:
    split = [name.rsplit(" ", 1) if " " in name else ["", name] for name in names]  # two lines of heading
    heads = [["", *(first for first, _ in split)], ["method", *(second for _, second in split)]]
    lines = [[row.method, *(_cell(row.cells[name]) for name in names)] for row in section.rows]
    widths = [max(len(line[at]) for line in heads + lines) for at in range(len(names) + 1)]
    rule = ["-" * width for width in widths]
    return "\n".join(_line(line, widths) for line in [*heads, rule, *lines])


def _is_known(section: Section, column: str) -> bool:
    return any(row.cells[column].n for row in section.rows)


def _cell(estimate: Estimate) -> str:
    if not estimate.n or math.isnan(estimate.value):
        return "–"
    value = f"{estimate.value:.3f}".replace("0.", ".", 1) if abs(estimate.value) < 1 else f"{estimate.value:.2f}"
    half = (estimate.high - estimate.low) / 2
    return value if math.isnan(half) else f"{value} ±{half:.3f}".replace("±0.", "±.")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]).rstrip()


def _plain(value: object) -> object:
    """Returns the report's values for JSON: estimates by `estimate_fields`, all others as plain values."""
    if isinstance(value, Estimate):
        return to_plain(estimate_fields(value))
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return to_plain(value)


if __name__ == "__main__":
    sys.exit(main())
