"""Models of some days ago, refreshed, warm-started and trained again: `python -m tests.benchmarks.warm_start`.

Prepares Online Retail twice, to the end of training and `--days` before it, trains the older shop, then renews its
models for the younger one in both ways, and trains that from scratch. Each completes the same carts of the test period.
"""

import argparse
import datetime as dt
import shutil
import time
from pathlib import Path

from tests.benchmarks.results import Cost, add_save, save_results
from tests.benchmarks.whole_shop import data_home
from tfrec.evaluation.metrics import rank_in_slate
from tfrec.evaluation.protocol import cart_completion_cases, cold_item_cases, cross_category_cases, discover_cases
from tfrec.evaluation.sections import Method, Section, cart_section
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared
from tfrec.jobs.model_updates import refresh_shop, warm_start_shop
from tfrec.release.served_ranker import served_ranker
from tfrec.serving.recommend import newest_version
from tfrec.serving.servable import Servable
from tfrec.training.settings_file import read_config
from tfrec.workflow import train_shop

COLUMNS = ("all HR@10", "all HR@20", "all NDCG@10", "new HR@10")
RETRAINED = "trained again"


def update(old_shop: Path, shop: Path, work: Path, settings: list[str]) -> dict[str, tuple[Path, float, float]]:
    """Returns how → models, seconds of learning, seconds from reading the shop to the published version."""
    config = read_config(None, settings)
    old = work / "models-old"
    train_shop(old_shop, old, config)
    results = {}
    for how in ("refreshed", "warm-started", RETRAINED):
        models = work / f"models-{how.replace(' ', '-')}"
        shutil.rmtree(models, ignore_errors=True)
        began = time.perf_counter()
        if how == "refreshed":
            shutil.copytree(old, models)
            refresh_shop(models, shop)
            seconds = 0.0
        elif how == "warm-started":
            seconds = warm_start_shop(shop, models, old, config).seconds
        else:
            seconds = train_shop(shop, models, config).seconds
        results[how] = models, seconds, time.perf_counter() - began
    return results


def compare(shop: Prepared, models: dict[str, Path], seeds: tuple[int, ...]) -> Section:
    """Returns the table of all on the carts of the test period, each paired with the retrained one."""
    whole = [cart_completion_cases(shop.train, shop.test, seed=seed) for seed in seeds]
    found = [discover_cases(cases, shop.train) for cases in whole]
    apart = [cross_category_cases(cases, shop.train) for cases in whole]
    cold = [cold_item_cases(shop.train, shop.test, seed=seed) for seed in seeds]
    servables = {name: Servable.load(newest_version(folder, "shop")) for name, folder in models.items()}

    def method(servable: Servable) -> Method:
        ask = served_ranker(servable)
        return lambda cases, k: rank_in_slate(ask(cases, k, cases.signature), cases)

    try:
        methods = {name: (method(servable), name == RETRAINED) for name, servable in servables.items()}
        return cart_section(whole, found, apart, cold, methods, train=shop.train)
    finally:
        for servable in servables.values():
            servable.close()


def main() -> None:
    """Prints seconds and figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=14, help="that the old models do not know")
    parser.add_argument("--draws", type=int, default=2, help="of the hidden items")
    parser.add_argument("--work", type=Path, default=Path("prepared/warm_start"), help="old models there are reused")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of all trainings")
    add_save(parser)
    options = parser.parse_args()
    today = prepare_shop("online_retail", options.work / "shop", data_home=data_home())
    until = (today.test_from - dt.timedelta(days=options.days)).date().isoformat()
    old = prepare_shop("online_retail", options.work / f"shop-{until}", until=until, data_home=data_home())
    made = update(old.path, today.path, options.work, options.set)
    section = compare(today, {name: folder for name, (folder, _, _) in made.items()}, tuple(range(options.draws)))
    print(f"{today.manifest.train_events - old.manifest.train_events:,} new events in {options.days} days")
    print(f"{'':<14}{'learning':>10}{'in all':>10}" + "".join(f"{column:>22}" for column in COLUMNS))
    for row in section.rows:
        _, learning, whole = made[row.method]
        cells = "".join(f"{row.cells[column]!s:>22}" for column in COLUMNS)
        print(f"{row.method:<14}{learning:>8.0f} s{whole:>8.0f} s{cells}")
    full = made[RETRAINED]
    warm = made["warm-started"]
    print(f"A warm start takes {warm[1] / full[1]:.1%} of the learning time, {warm[2] / full[2]:.1%} of the whole.")
    for duel in section.duels:
        print(f"{duel.method} less {duel.baseline}, {duel.column}: {duel.comparison}")
    if options.save:
        what = f"Online Retail, the models of {options.days} days before"
        ways = [f"{row.method} {row.cells['all HR@10']}" for row in section.rows]
        save_results(
            "warm_start",
            "make bench-warm_start",
            costs=[
                Cost("Online Retail: training, without reading", f"{full[1]:.0f} s"),
                Cost(f"{what}: learning by a warm start / training again", f"{warm[1]:.0f} s / {full[1]:.0f} s"),
                Cost(f"{what}, cart completion, HR@10", "; ".join(ways)),
            ],
        )


if __name__ == "__main__":
    main()
