"""Compares the funnel with shipped settings to tuned baselines on every data set: `python -m tests.benchmarks.quality`.

Prepares, trains and evaluates each data set named (all, if none is) and prints the headline figures. The settings of
the baselines are chosen on the validation period of each data set, after fitting to what lies before it; the funnel has
the shipped settings, the same for every data set. With several trainings (`--trainings`), the mean and each training
are printed. The test period is read at the end only, and not at all with `--validation`, which takes settings to try
(`--set`). Trained models are kept in the given folder, so that the next run resumes.
"""

import argparse
import contextlib
import dataclasses
import itertools
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.results import Compared, Figure, add_save, save_results
from tests.benchmarks.whole_shop import data_home
from tfrec.baselines import (
    BASKET_BASELINES,
    CART_BASELINES,
    MORE_CART_BASELINES,
    SESSION_BASELINES,
    Baseline,
    Blend,
    Ease,
    ImplicitAls,
    MarkovChain,
    PersonalFrequency,
    TifuKnn,
    UpCf,
    UserKnn,
    VmisKnn,
)
from tfrec.baselines.history import order_history, session_history
from tfrec.demo_shop import DemoShopConfig, generate_demo_shop
from tfrec.evaluation.cases import Cases
from tfrec.evaluation.evaluate import evaluate
from tfrec.evaluation.metrics import hit_rate_at_k, mrr_at_k, rank_by_scores, rank_in_slate
from tfrec.evaluation.protocol import cart_completion_cases
from tfrec.evaluation.report import EvaluationReport
from tfrec.evaluation.sessions import next_item_cases
from tfrec.features.shop import load_shop
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared
from tfrec.jobs.ablation import rank_all, unsold_cases
from tfrec.release.served_ranker import served_ranker
from tfrec.serving.recommend import newest_version
from tfrec.serving.servable import Servable
from tfrec.statistics.cluster_bootstrap import bootstrap_means
from tfrec.statistics.estimates import Estimate
from tfrec.statistics.paired import compare_paired
from tfrec.training import TrainingConfig
from tfrec.training.settings_file import read_config
from tfrec.workflow import SERVED_NAME, train_shop

_MOST_VALIDATION = 3000
_FASHION = "fashion_shop"
_CONTENT = "content without pictures"


@dataclasses.dataclass(frozen=True)
class Bar:
    """A figure that the funnel is held to.

    Attributes:
        task: of the report's section.
        column: of its table.
        value: to be reached; None = `ratio` times the strongest baseline.
        ratio: see `value`.
    """

    task: str
    column: str
    value: float | None = None
    ratio: float = 1.0


@dataclasses.dataclass(frozen=True)
class Study:
    """A data set and its bars."""

    recipe: str
    bars: tuple[Bar, ...]
    category_level: int = 0
    with_baskets: bool = False


STUDIES = (
    Study(
        "online_retail",
        (
            Bar("complete_cart", "all HR@10", 0.385),
            Bar("complete_cart", "all HR@20", 0.475),
            Bar("complete_cart", "all NDCG@10", 0.232),
            Bar("complete_cart", "discover HR@10", 0.320),
            Bar("complete_cart", "discover NDCG@10", 0.200),
        ),
    ),
    Study(
        "coop100",
        (
            Bar("complete_cart", "all HR@10", ratio=1.10),
            Bar("complete_cart", "all NDCG@10", ratio=1.10),
            Bar("complete_cart", "cross-category HR@10", ratio=1.10),
            Bar("complete_cart", "unlimited cross-category HR@10", ratio=1.10),
            Bar("next_basket", "all recall@10", ratio=1.10),
        ),
        category_level=2,  # SETTORE
        with_baskets=True,
    ),
    Study(
        "groceries",
        (
            Bar("complete_cart", "all HR@10", ratio=1.05),
            Bar("complete_cart", "all NDCG@10", ratio=1.05),
            Bar("complete_cart", "cross-category HR@10", ratio=1.05),
            Bar("complete_cart", "unlimited cross-category HR@10", ratio=1.05),
        ),
    ),
    Study(
        "eshop_clothing_2008",
        (Bar("next_item", "all HR@20", 0.735), Bar("next_item", "all MRR@20", 0.275)),
    ),
    Study(
        "demo_shop",
        (
            Bar("complete_cart", "all HR@10"),
            Bar("complete_cart", "discover HR@10"),
            Bar("upsell", "all HR@10"),
            Bar("next_item", "all HR@20"),
            Bar("next_item", "all MRR@20"),
        ),
    ),
)

_CART_GRIDS: Mapping[str, tuple[Baseline, ...]] = {
    "EASE, tuned": tuple(Ease(l2=l2) for l2 in (10.0, 30.0, 60.0, 120.0, 300.0)),
    "EDLAE, tuned": tuple(
        Ease(l2=l2, dropout=dropout) for l2, dropout in itertools.product((10.0, 30.0, 60.0), (0.25, 0.5, 0.67, 0.8))
    ),
    "EASE + personal, tuned": tuple(
        Blend(Ease(l2=l2), PersonalFrequency(then_popular=False), share=share)
        for l2, share in itertools.product((30.0, 60.0, 120.0), (0.3, 0.5, 0.6, 0.7, 0.8, 0.9))
    ),
    "TIFU-KNN, tuned": tuple(
        TifuKnn(num_neighbours=k, within_decay=within, group_decay=group, own_share=own, group_size=size)
        for k, within, group, own, size in itertools.product(
            (100, 300), (0.9, 1.0), (0.7, 0.9), (0.5, 0.7, 0.9), (7, 20)
        )
    ),
    "UP-CF, tuned": tuple(
        UpCf(num_recent=recent, asymmetry=asymmetry, locality=locality)
        for recent, asymmetry, locality in itertools.product((10, 25, 100, 1000), (0.5, 0.75), (5.0, 10.0, 20.0))
    ),
    "UserKNN, tuned": tuple(
        UserKnn(num_neighbours=k, shrink=shrink, cart_weight=cart)
        for k, shrink, cart in itertools.product((100, 400), (10.0, 50.0), (1.0, 3.0, 10.0))
    ),
}
_SESSION_GRIDS: Mapping[str, tuple[Baseline, ...]] = {
    "VMIS-kNN, tuned": tuple(
        VmisKnn(num_neighbours=k, num_recent=recent, max_length=length)
        for k, recent, length in itertools.product((50, 100, 500), (500, 5000), (2, 5, 9))
    ),
    "EASE on sessions, tuned": tuple(Ease(l2=l2) for l2 in (10.0, 60.0, 300.0)),
    "Markov + EASE, tuned": tuple(
        Blend(MarkovChain(), Ease(l2=60.0), share=share) for share in (0.5, 0.7, 0.8, 0.9, 0.95)
    ),
}


def tuned_baselines(prepared: Prepared) -> tuple[dict[str, Baseline], dict[str, Baseline]]:
    """Returns the baselines for carts and for sessions with the settings that were best on the validation period.

    Fitted to the training events before it; the best of a grid by HR@10 of carts, HR@20 + MRR@20 of sessions.
    """
    moment = prepared.validation_from
    past = prepared.train.until(moment)
    later = dataclasses.replace(
        prepared.train, events=prepared.train.events[prepared.train.events["timestamp"] >= moment]
    )
    carts: dict[str, Baseline] = dict(MORE_CART_BASELINES)
    carts.pop("implicit ALS, 256 factors")
    if _has_implicit():
        carts["implicit ALS, 256 factors"] = ImplicitAls(factors=256, alpha=20.0)
    sessions: dict[str, Baseline] = dict(SESSION_BASELINES)
    cases = _at_most(cart_completion_cases(past, later, seed=100))
    if len(cases):
        history = order_history(past, cases.item_ids)
        for name, grid in _CART_GRIDS.items():
            scored = [(float(hit_rate_at_k(rank_by_scores(b.fit(history), cases).ranks, k=10).mean()), b) for b in grid]
            carts[name] = max(scored, key=lambda pair: pair[0])[1]
    cases = _at_most(next_item_cases(past, later))
    if len(cases):
        history = session_history(past, cases.item_ids)
        for name, grid in _SESSION_GRIDS.items():
            scored = []
            for baseline in grid:
                ranks = rank_by_scores(baseline.fit(history), cases).ranks
                scored.append((float((hit_rate_at_k(ranks, k=20) + mrr_at_k(ranks, k=20)).mean()), baseline))
            sessions[name] = max(scored, key=lambda pair: pair[0])[1]
    return carts, sessions


@dataclasses.dataclass(frozen=True)
class Trial:
    """How a data set is run.

    Attributes:
        num_trainings: they differ in their seed alone.
        on_validation: split at the validation period, and ask of it alone; the baselines are not tuned then.
        settings: settings in place of the shipped ones, `name=value` each.
    """

    num_trainings: int = 1
    on_validation: bool = False
    settings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a study prints, and its figures."""

    lines: tuple[str, ...]
    compared: tuple[Compared, ...]


def run(study: Study, work: Path, home: Path, trial: Trial) -> Outcome:
    """Returns the outcome of one data set."""
    place = work / study.recipe
    if study.recipe == "demo_shop":
        home = place / "data"
        generate_demo_shop(home / study.recipe, DemoShopConfig())
    began = time.perf_counter()
    prepared = prepare_shop(study.recipe, place / "prepared", data_home=home)
    shop, models = place / "prepared", "models"
    if trial.on_validation:
        shop, models, test_from = place / "validation", "validation models", prepared.test_from
        prepared = prepare_shop(study.recipe, shop, until=str(prepared.validation_from), data_home=home)
        prepared = dataclasses.replace(prepared, test=prepared.test.until(test_from))
        carts, sessions = dict(CART_BASELINES), dict(SESSION_BASELINES)
    else:
        carts, sessions = tuned_baselines(prepared)
    tuned = time.perf_counter() - began
    config = read_config(settings=trial.settings)
    folders = [place / (models if seed == 0 else f"{models}, seed {seed}") for seed in range(trial.num_trainings)]
    seconds = [
        train_shop(shop, folder, dataclasses.replace(config, seed=seed)).seconds for seed, folder in enumerate(folders)
    ]
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        servables = [
            stack.enter_context(Servable.load(newest_version(folder, "shop"), is_graph_rewritten=False))
            for folder in folders
        ]
        report = evaluate(
            prepared,
            {f"{SERVED_NAME}, seed {seed}": served_ranker(servable) for seed, servable in enumerate(servables)},
            baselines=carts,
            session_baselines=sessions,
            basket_baselines={**BASKET_BASELINES, **{name: carts[name] for name in carts if name.endswith("tuned")}},
            category_level=study.category_level,
            with_baskets=study.with_baskets,
        )
    asked = time.perf_counter() - began
    chosen = [f"{name}: {baseline}" for name, baseline in {**carts, **sessions}.items() if name.endswith("tuned")]
    period = "validation period, " if trial.on_validation else ""
    changed = f" with {', '.join(trial.settings)}" if trial.settings else ""
    times = f"prepared and baselines tuned in {tuned:.0f} s, trained in {max(seconds):.0f} s, asked in {asked:.0f} s"
    lines = [f"{study.recipe}: {period}{times}{changed}", *(f"  {line}" for line in chosen)]
    if not _has_implicit():
        lines.append("  left out: implicit ALS (pip install implicit)")
    lines.append(f"  {'':44}{'tfrec (95 % interval)':>26}  {'a training each':<16}{'strongest baseline':<40}ratio  bar")
    compared = tuple(_compare_with(report, study.recipe, bar) for bar in study.bars)
    return Outcome((*lines, *(f"  {_line(row)}" for row in compared)), compared)


def run_fashion(work: Path, home: Path) -> Outcome:
    """Returns what Fashion-MNIST pictures add on the demo shop: items never sold before, and items sold.

    Beside the funnel stands the same trained without pictures, and the similarity of content (title, category, brand)
    to the cart, which is all that a shop has for an item without purchases.
    """
    place = work / "fashion_shop"
    raw = place / "data" / "demo_shop"
    if not raw.exists():
        generate_demo_shop(raw, DemoShopConfig(fashion_mnist=home / "fashion_mnist"))
    prepared = prepare_shop("demo_shop", place / "prepared", data_home=place / "data")
    config = TrainingConfig()
    without = dataclasses.replace(config, retrieval=dataclasses.replace(config.retrieval, use_images=False))
    folders = {"tfrec": place / "models", "tfrec without pictures": place / "without_pictures"}
    for folder, train_config in zip(folders.values(), (config, without), strict=True):
        train_shop(place / "prepared", folder, train_config)
    cases, ids = unsold_cases(prepared)
    shop = load_shop(place / "prepared")
    content = shop.vocabularies.catalogue.content[shop.vocabularies.items.encode(cases.item_ids)]
    hits, sold = {}, {}
    similarity = rank_by_scores(lambda part: (part.contexts @ content) @ content.T, cases)
    hits[_CONTENT] = hit_rate_at_k(similarity.ranks, k=10)
    carts = cart_completion_cases(prepared.train, prepared.test, seed=0)
    for name, folder in folders.items():
        with Servable.load(newest_version(folder, "ranking")) as servable:
            hits[name] = hit_rate_at_k(rank_in_slate(rank_all(servable, cases, ids), cases).ranks, k=10)
        with Servable.load(newest_version(folder, "shop")) as servable:
            slate = served_ranker(servable)(carts, 20, carts.signature)
            sold[name] = hit_rate_at_k(rank_in_slate(slate, carts).ranks, k=10)
    by_cart, by_order = (np.unique(part.groups, return_inverse=True)[1] for part in (cases, carts))
    lines = [
        f"demo shop with Fashion-MNIST pictures: {len(ids):,} items never sold, {len(cases):,} carts with one of them"
    ]
    never = {name: bootstrap_means(values[:, None], by_cart)[0] for name, values in hits.items()}
    lines += [f"  never sold, HR@10 among them, {name:<26}{estimate}" for name, estimate in never.items()]
    ratio = hits["tfrec"].mean() / hits[_CONTENT].mean()
    paired = compare_paired(hits["tfrec"], hits[_CONTENT], by_cart)
    lines.append(
        f"  ratio {ratio:.2f} (bar 1.30 {'reached' if ratio >= 1.3 else 'missed'}); paired difference {paired}"
    )
    lines += [
        f"  sold before, cart completion HR@10, {name:<22}{bootstrap_means(values[:, None], by_order)[0]}"
        for name, values in sold.items()
    ]
    best = max((name for name in never if name != "tfrec"), key=lambda name: never[name].value)
    ours, other = (_figure([never[name]]) for name in ("tfrec", best))
    row = Compared(_FASHION, "never_sold", "HR@10 among them", ours, other, best, never["tfrec"].n)
    return Outcome(tuple(lines), (row,))


def _compare_with(report: EvaluationReport, data: str, bar: Bar) -> Compared:
    section = next(section for section in report.sections if section.task == bar.task)
    trainings = [row.cells[bar.column] for row in section.rows if not row.is_baseline]
    best = max((row for row in section.rows if row.is_baseline), key=lambda row: row.cells[bar.column].value)
    baseline = best.cells[bar.column]
    wanted = bar.value if bar.value is not None else bar.ratio * baseline.value
    return Compared(
        data=data,
        task=bar.task,
        metric=bar.column,
        ours=_figure(trainings),
        baseline=_figure([baseline]),
        name=best.method,
        n=trainings[0].n,
        bar=wanted,
    )


def _figure(trainings: Sequence[Estimate]) -> Figure:
    """Returns the mean over trainings, of the ends of the intervals, too."""
    value, low, high = (float(np.mean([getattr(one, end) for one in trainings])) for end in ("value", "low", "high"))
    return Figure(value, low, high, tuple(one.value for one in trainings))


def _line(row: Compared) -> str:
    assert row.bar is not None
    each = " ".join(f"{value:.3f}" for value in row.ours.each)
    return (
        f"{row.task + ', ' + row.metric:<44}{row.ours!s:>26}  {each:<16}{f'{row.baseline.value:.3f} {row.name}':<40}"
        f"{row.ours.value / row.baseline.value:.3f}  {row.bar:.3f} "
        f"{'reached' if row.ours.value >= row.bar else 'missed'}, n = {row.n:,}"
    )


def _outcome(study: Study | None, work: Path, trial: Trial) -> Outcome:
    return run_fashion(work, data_home()) if study is None else run(study, work, data_home(), trial)


def _at_most(cases: Cases) -> Cases:
    if len(cases) <= _MOST_VALIDATION:
        return cases
    return cases[np.sort(np.random.default_rng(0).permutation(len(cases))[:_MOST_VALIDATION])]


def _has_implicit() -> bool:
    try:
        import implicit  # noqa: F401
    except ImportError:
        return False
    return True


def main() -> None:
    """Runs the studies named and prints their lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [*(study.recipe for study in STUDIES), _FASHION]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all, if none is named")
    parser.add_argument("--trainings", type=int, default=1, help="trainings of each data set, a seed each")
    parser.add_argument("--validation", action="store_true", help="ask of the validation period: to choose settings")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one setting of training")
    parser.add_argument("--work", type=Path, help="folder that keeps what is prepared and trained")
    add_save(parser)
    options = parser.parse_args()
    if options.save and (options.validation or options.set):
        parser.error("--save keeps the figures of shipped settings on the test period: leave out --validation, --set")
    if unknown := set(options.names) - set(names):
        parser.error(f"no data set {sorted(unknown)[0]!r}; there are {', '.join(names)}")
    trial = Trial(options.trainings, options.validation, tuple(options.set))
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        for name in options.names or names:
            study = next((study for study in STUDIES if study.recipe == name), None)
            outcome = _outcome(study, work, trial)
            print("\n".join(outcome.lines), flush=True)
            if options.save:
                times = f" --trainings {options.trainings}" if options.trainings > 1 else ""
                command = f'make bench-quality ARGS="{name}{times}"'
                print(f"  saved as {save_results(name, command, compared=outcome.compared)}", flush=True)


if __name__ == "__main__":
    main()
