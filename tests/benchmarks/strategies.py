"""Prints how good the sales strategies of the served graph are, each figure beside its bar.

`python -m tests.benchmarks.strategies [ROW ...] [--work DIR] [--requests N] [--visits N] [--save]`

Rows, all if none is named: `complements` and `upgrades` (demo shop, by its known truth), `other_seeds` and
`without_views` (the same two on other demo shops), `without_categories` (on one that states none), `new_colour` (a
variant that was never sold), `eshop_upsell` (real visits from 2008-08-01 on), `random_rules` (variants, fitting and
rules under random requests), `simulated_shoppers` (revenue and margin of visits to the demo shops of `other_seeds`,
against popularity, EASE and the same funnel without strategies), `times` (against that funnel).
Everything is asked of the servables with the shipped settings.

How simulated shoppers answer a slate is stated in `shopper_choices.py`. Not here: the time of the release before, which
cannot be loaded in the same run.

The folder `--work` keeps what is prepared and trained, in the layout of `quality.py`, and the figures of each finished
row: a run that was interrupted goes on where it stopped. Another code or another number of requests is measured again.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

import tfrec
from tests.benchmarks.earnings import Earnings, all_knowing, compare, measure
from tests.benchmarks.new_colours import give_colours, rank_colours
from tests.benchmarks.offers import CART, Share, anchors_of, ask, has_upgrade, judge, share
from tests.benchmarks.random_requests import ANY, CHOSEN_PRODUCT, MISFITS, VARIANTS, count_broken
from tests.benchmarks.results import ROOT, Figure, Held, add_save, held_from_json, save_results
from tests.benchmarks.simulated_visits import simulate_visits
from tests.benchmarks.whole_shop import data_home
from tests.benchmarks.withheld import withhold_categories, withhold_views
from tfrec.baselines import UPSELL_BASELINES
from tfrec.baselines.history import session_history
from tfrec.demo_shop import DemoShopConfig, generate_demo_shop, read_truth
from tfrec.evaluation.metrics import hit_rate_at_k, on_catalogue, rank_by_scores, rank_in_slate
from tfrec.evaluation.sessions import upsell_cases
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared, read_prepared
from tfrec.release.served_ranker import served_ranker
from tfrec.serving.recommend import newest_version
from tfrec.serving.servable import Servable
from tfrec.statistics.cluster_bootstrap import bootstrap_means
from tfrec.training import TrainingConfig
from tfrec.workflow import train_shop

DEMO, WITHOUT_VIEWS, CLOTHING = "demo_shop", "demo_shop without views", "eshop_clothing_2008"
COLOURS, WITHOUT_CATEGORIES = "demo_shop with colours", "demo_shop without categories"
OTHER_SEEDS = (11, 12, 13)
COMPLEMENTS_BAR, DIRECTION_BAR, SUBSTITUTES_BAR, UPGRADES_BAR = 0.85, 0.97, 0.02, 0.80
DISTANCE = 0.05
"""How far below the demo shop's own figure another seed's may be."""
BARS_WITHOUT_VIEWS = {"complements": 0.65, "upgrades": 0.60}
CLOTHING_BARS = {1: 0.30, 5: 0.70}
EARNINGS_BAR = 0.10
"""How far above each opponent's revenue and margin those with strategies should be."""
TIME_BARS = {"cross_sell": 1.15, "page": 2.5, "bundle": 2.5}


@dataclasses.dataclass(frozen=True)
class Bench:
    """Where a run keeps what it makes, and how much it asks.

    Attributes:
        work: folder of shops, models and finished rows.
        home: folder of the real data sets.
        num_requests: random requests of the row `random_rules`.
        num_visits: visits of the row `simulated_shoppers`, over all shops.
    """

    work: Path
    home: Path
    num_requests: int
    num_visits: int = 20_000


def complements(bench: Bench) -> Iterator[Held]:
    """Yields what `cross_sell` offers on item pages of the demo shop: complements, their direction, substitutes."""
    with _served(bench, DEMO, 7) as (prepared, servable):
        truth, anchors = read_truth(Path(prepared.path)), anchors_of(prepared, with_complements=True)
        judged = judge(ask(servable, "cross_sell", anchors, k=10), truth)
        in_cart = judge(ask(servable, "cross_sell", anchors, k=10, place=CART), truth)
    first, ten = (share(judged, "is_complement", k=k) for k in (5, 10))
    is_pair = (judged["is_complement"] | judged["is_reversed"]).to_numpy()
    what = "demo shop, `cross_sell` on item pages"
    yield _held(f"{what}: complements, precision@5", first, COMPLEMENTS_BAR)
    yield _held(f"{what}: complements, precision@10", ten)
    direction = share(judged, "is_complement", k=10, of=is_pair)
    yield _held(f"{what}: direction right, of what is a pair either way", direction, DIRECTION_BAR)
    leaked = share(judged, "is_substitute", k=10)
    yield _held(f"{what}: substitutes among the first 10", leaked, SUBSTITUTES_BAR, is_most=True)
    what = "demo shop, `cross_sell` for a cart of one item, no page"
    yield _held(f"{what}: complements, precision@5", share(in_cart, "is_complement", k=5))
    yield _held(f"{what}: substitutes among the first 10", share(in_cart, "is_substitute", k=10))


def upgrades(bench: Bench) -> Iterator[Held]:
    """Yields what `upsell` offers on item pages of the demo shop: true upgrades; nothing is right for the best tier."""
    with _served(bench, DEMO, 7) as (prepared, servable):
        truth = read_truth(Path(prepared.path))
        pages = anchors_of(prepared, with_complements=False)
        judged = judge(ask(servable, "upsell", pages, k=5), truth)
    what = "demo shop, `upsell` on item pages"
    some = has_upgrade(truth, judged)
    yield _held(f"{what}: true upgrades, precision@5", share(judged, "is_upgrade", k=5), UPGRADES_BAR)
    yield _held(f"{what} of items that have a true upgrade: precision@5", share(judged, "is_upgrade", k=5, of=some))
    served = judged[some].groupby("anchor")["is_upgrade"].any()
    num_pages = int(np.isin(pages, truth.upgrades["item"]).sum())
    found = Figure(float(served.sum() / max(num_pages, 1)))
    yield Held(f"{what} of items that have a true upgrade: one among the first 5", found, num_pages)


def other_seeds(bench: Bench) -> Iterator[Held]:
    """Yields both precisions on demo shops of other seeds, held to those of the first less `DISTANCE`."""
    own = _both(bench, DEMO, 7)
    for seed in OTHER_SEEDS:
        for name, found in _both(bench, f"{DEMO}, seed {seed}", seed).items():
            yield _held(f"demo shop, seed {seed}: {name}, precision@5", found, own[name].figure.value - DISTANCE)


def without_views(bench: Bench) -> Iterator[Held]:
    """Yields both precisions on the demo shop of the first seed whose log has no views."""
    for name, found in _both(bench, WITHOUT_VIEWS, 7).items():
        yield _held(f"demo shop without views: {name}, precision@5", found, BARS_WITHOUT_VIEWS[name])


def without_categories(bench: Bench) -> Iterator[Held]:
    """Yields both precisions on the demo shop of the first seed with categories learned from its titles."""
    for name, found in _both(bench, WITHOUT_CATEGORIES, 7).items():
        yield _held(f"demo shop, categories learned from titles: {name}, precision@5", found)


def new_colour(bench: Bench) -> Iterator[Held]:
    """Yields how often a colour that was never sold is offered, beside the colours of the same products that were."""
    with _served(bench, COLOURS, 7) as (prepared, servable):
        yield from rank_colours(servable, prepared)


def eshop_upsell(bench: Bench) -> Iterator[Held]:
    """Yields the hit rates of `upsell` among the dearer items of the category, and those of the baselines beside it.

    A case is a viewed item after which a dearer one of its category was looked at in the visit, from 2008-08-01 on;
    every method ranks all dearer items of the category, and the servable is asked for what is likely to be chosen
    (`objective = "purchase"`), at any price above the page's.
    """
    with _served(bench, CLOTHING, 0) as (prepared, servable):
        cases = upsell_cases(prepared.train, prepared.test)
        ranks = rank_in_slate(served_ranker(servable, show_progress=True)(cases, 20, "upsell"), cases).ranks
    history = session_history(prepared.train, cases.item_ids)
    others = {
        name: rank_by_scores(on_catalogue(baseline.fit(history), cases.item_ids), cases, progress=name).ranks
        for name, baseline in UPSELL_BASELINES.items()
    }
    for k, bar in CLOTHING_BARS.items():
        estimate = bootstrap_means(hit_rate_at_k(ranks, k=k)[:, None], cases.groups)[0]
        beside = {name: float(hit_rate_at_k(its, k=k).mean()) for name, its in others.items()}
        note = ", ".join(f"{name} {Figure(value)}" for name, value in sorted(beside.items(), key=lambda pair: -pair[1]))
        figure = Figure(estimate.value, estimate.low, estimate.high)
        yield Held(
            f"e-shop clothing, `upsell`, dearer items of the category, HR@{k}", figure, len(cases), bar, note=note
        )


def random_rules(bench: Bench) -> Iterator[Held]:
    """Yields how many slates break a guarantee under random requests with random rules."""
    broken = count_broken(bench.num_requests)
    note = f"{broken.num_offers:,} offers; {broken.example}" if broken.example else f"{broken.num_offers:,} offers"
    words = {
        VARIANTS: "slates with two variants of a product",
        CHOSEN_PRODUCT: "slates with a variant of what is in the cart or on the page",
        MISFITS: "slates with an offer that does not fit what is in the cart",
        ANY: "slates that break a rule or any other guarantee, or are short",
    }
    for kind, what in words.items():
        figure = Figure(float(broken.counts[kind]))
        yield Held(f"random requests with random rules: {what}", figure, broken.num_requests, 0.0, True, note)


def simulated_shoppers(bench: Bench) -> Iterator[Held]:
    """Yields how much more simulated visits to the demo shops of other seeds bring with strategies than without."""
    from tests.benchmarks.recommenders import BY_PAGE, WITH_STRATEGIES, all_recommenders  # reads TensorFlow

    earned: dict[str, list[Earnings]] = defaultdict(list)
    users, most = [], "slates that know every answer"
    for seed, visits in zip(OTHER_SEEDS, np.array_split(np.arange(bench.num_visits), len(OTHER_SEEDS)), strict=True):
        name = f"{DEMO}, seed {seed}"
        with _served(bench, name, seed) as (prepared, servable):
            world = simulate_visits(read_truth(Path(prepared.path)).config, len(visits))
            asked = all_recommenders(prepared, servable, bench.work / name / "models") | {most: all_knowing(world)}
            for other, recommender in asked.items():
                earned[other].append(measure(world, recommender))
        users.append(np.array([visit.user for visit in world.visits]))
    yield from compare(earned, users, ours=BY_PAGE, bar=EARNINGS_BAR, beside=WITH_STRATEGIES, most=most)


def times(bench: Bench) -> Iterator[Held]:
    """Yields times of answers on the demo shop over that of `cross_sell` of the same funnel without strategies."""
    from tests.benchmarks.plain_funnel import NUM_REQUESTS, TIMED, export_both, time_answers  # reads TensorFlow

    with _served(bench, DEMO, 7) as (prepared, _), tempfile.TemporaryDirectory() as out:
        versions = export_both(Path(prepared.path), bench.work / DEMO / "models", Path(out))
        found = time_answers(versions, prepared.train)
    for signature, (ratio, note) in found.items():
        what = f"demo shop, time of `{signature}` ({TIMED[signature]}) over that of `cross_sell` without strategies"
        yield Held(what, ratio, NUM_REQUESTS, TIME_BARS[signature], True, note)


ROWS: Mapping[str, Callable[[Bench], Iterator[Held]]] = {
    function.__name__: function
    for function in (
        complements,
        upgrades,
        other_seeds,
        without_views,
        without_categories,
        new_colour,
        eshop_upsell,
        random_rules,
        simulated_shoppers,
        times,
    )
}


def measured(bench: Bench, name: str) -> tuple[Held, ...]:
    """Returns the figures of a row, those kept in `bench.work` where the same was measured there."""
    path = bench.work / "rows" / f"{name}.json"
    asked = {random_rules.__name__: bench.num_requests, simulated_shoppers.__name__: bench.num_visits}.get(name, "all")
    key = f"{_digest_of_code()}, {asked}"
    if path.is_file() and (kept := json.loads(path.read_text()))["key"] == key:
        return held_from_json(kept["held"])
    held = tuple(ROWS[name](bench))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({"key": key, "held": [dataclasses.asdict(row) for row in held]}))
    unfinished.replace(path)
    return held


def table(rows: tuple[Held, ...]) -> str:
    """Returns the figures as lines of text, with their bars and what stands beside them."""
    wide = max(len(row.what) for row in rows)
    lines = [f"{'':{wide}}  {'figure (95 %)':<18}  {'bar':<7}"]
    for row in rows:
        note = f"; {row.note}" if row.note else ""
        lines.append(f"{row.what:{wide}}  {row.figure!s:<18}  {row.bar_text:<7} {row.verdict:<8} n = {row.n:,}{note}")
    return "\n".join(lines)


def _both(bench: Bench, name: str, seed: int) -> dict[str, Share]:
    """Returns the precision@5 of complements and of upgrades on a demo shop."""
    with _served(bench, name, seed) as (prepared, servable):
        truth = read_truth(Path(prepared.path))
        pages = {"complements": anchors_of(prepared, with_complements=True)}
        pages["upgrades"] = anchors_of(prepared, with_complements=False)
        asked = {"complements": ("cross_sell", "is_complement"), "upgrades": ("upsell", "is_upgrade")}
        return {
            kind: share(judge(ask(servable, signature, pages[kind], k=5), truth), column, k=5)
            for kind, (signature, column) in asked.items()
        }


def _held(what: str, found: Share, bar: float | None = None, *, is_most: bool = False) -> Held:
    return Held(what, found.figure, found.num_anchors, bar, is_most, f"{found.num_offers:,} offers")


@contextlib.contextmanager
def _served(bench: Bench, name: str, seed: int) -> Iterator[tuple[Prepared, Servable]]:
    """Prepares and trains a shop, as far as that is not done, and loads its servable."""
    place = bench.work / name
    home, recipe = bench.home, name
    if name != CLOTHING:
        home, recipe = place / "data", DEMO
        config = DemoShopConfig(seed=seed)
        generate_demo_shop(home / DEMO, config)
        if name == WITHOUT_VIEWS:
            home = withhold_views(place)
        if name == WITHOUT_CATEGORIES:
            home = place / "data without categories"
            recipe = str(withhold_categories(place / "data" / DEMO, home))
        if name == COLOURS:
            day_before = str(config.as_time(config.split_day - 1.0).astype("datetime64[D]"))
            home = place / "data with colours"
            recipe = str(give_colours(place / "data" / DEMO, home, on_sale_since=day_before))
    print(f"{name}: preparing and training, as far as not done", file=sys.stderr, flush=True)
    prepare_shop(recipe, place / "prepared", data_home=home)
    train_shop(place / "prepared", place / "models", TrainingConfig())
    with Servable.load(newest_version(place / "models", "shop"), is_graph_rewritten=False) as servable:
        yield read_prepared(place / "prepared"), servable


def _digest_of_code() -> str:
    """Returns a digest of the package, of this benchmark and of the tests' requests that it makes."""
    here, package = Path(__file__), Path(tfrec.__file__).parent
    beside = (
        "offers",
        "random_requests",
        "plain_funnel",
        "shopper_choices",
        "simulated_visits",
        "earnings",
        "new_colours",
    )
    own = [here, *(here.with_name(f"{name}.py") for name in (*beside, "recommenders"))]
    digest = hashlib.sha256()
    for path in (*own, *sorted(package.rglob("*.py")), *sorted((ROOT / "tests" / "strategy").rglob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def main() -> None:
    """Measures the rows named and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all, if none is named")
    parser.add_argument("--requests", type=int, default=100_000, help="random requests with random rules")
    parser.add_argument("--visits", type=int, default=Bench.num_visits, help="simulated visits, over three shops")
    parser.add_argument("--work", type=Path, help="folder that keeps what is prepared, trained and measured")
    add_save(parser)
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no row {sorted(unknown)[0]!r}; there are {', '.join(ROWS)}")
    names = [name for name in ROWS if name in options.rows or not options.rows]
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(options.work or Path(scratch), data_home(), options.requests, options.visits)
        found = [row for name in tqdm(names, unit="row", disable=None) for row in measured(bench, name)]
    print(table(tuple(found)))
    if options.save:
        asked = names if options.rows else []
        for option in ("requests", "visits"):
            if getattr(options, option) != parser.get_default(option):
                asked = [*asked, f"--{option} {getattr(options, option)}"]
        command = f'make bench-strategies ARGS="{" ".join(asked)}"' if asked else "make bench-strategies"
        print(f"saved as {save_results('strategies', command, held=found)}")


if __name__ == "__main__":
    main()
