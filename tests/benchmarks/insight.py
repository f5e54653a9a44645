"""Prints whether an experiment's design, its daily looks and its verdict agree: `python -m tests.benchmarks.insight`.

1. Simulated tests of a mail that brings 60 % of its users to the shop against 30 % of control, half of them with more
   buyers (4.5 % against 3.0 %), half with as many: how often the daily looks contradict the verdict, and call an
   effect that is none.
2. The effect that `experiment design` promises, against the read-out's own standard error of the last four weeks,
   over twenty splits without an effect, on the demo shop and Online Retail.
3. How often the verdict calls an effect on 2,000 random splits of Online Retail, which have none.
4. Audiences by predicted response in generated tests with known effects: how often what is promised of them lies inside
   the interval of the effect that is found out of fold.
"""

import argparse
import concurrent.futures
import functools
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from tests.benchmarks.audiences import KINDS, draw_audience
from tests.benchmarks.whole_shop import data_home, read_whole_shop
from tests.demo_shops import prepare_demo_shop
from tests.mailed_shops import METRICS, Conclusions, conclude, mailed_shop
from tfrec.experiments.assignment import assign
from tfrec.experiments.metrics import choose_metrics
from tfrec.experiments.read_out import Metric, read_out
from tfrec.experiments.shop_design import plan_in_shop
from tfrec.experiments.shop_metrics import user_metrics, users_of
from tfrec.ingest.prepared import read_prepared
from tfrec.report import whole_log
from tfrec.schema.tables import Tables

USERS = 4_000
WEEKS = 4
SPLITS = 20
QUANTILES = float(special.ndtri(0.975) + special.ndtri(0.8))


def conclude_one(seed: int, *, buyers: tuple[float, float]) -> dict[str, Conclusions]:
    """Returns what one simulated test concludes, metric by metric."""
    return conclude(*mailed_shop(seed, num_users=USERS, buyers=buyers), resamples=400)


def print_agreement(num_tests: int) -> None:
    """Prints contradictions and false calls of simulated tests."""
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        for what, buyers in (("more buyers", (0.030, 0.045)), ("as many buyers", (0.030, 0.030))):
            one = functools.partial(conclude_one, buyers=buyers)
            found = list(pool.map(one, range(num_tests // 2), chunksize=10))
            for metric in METRICS:
                each = [test[metric] for test in found]
                print(
                    f"{what}, {metric}: {len(each)} tests, {sum(one.is_contradiction for one in each)} contradictions; "
                    f"verdict better {np.mean([one.at_end == 'better' for one in each]):.1%}, worse "
                    f"{np.mean([one.at_end == 'worse' for one in each]):.1%}; daily better "
                    f"{np.mean([one.daily == 'better' for one in each]):.1%}, worse "
                    f"{np.mean([one.daily == 'worse' for one in each]):.1%}",
                    flush=True,
                )


def design_ratios(tables: Tables, metric: str, *, splits: int = SPLITS) -> np.ndarray:
    """Returns `[splits]` the absolute effect that the design finds over that of the read-out's standard error."""
    ids = users_of(tables)
    end = tables.events["timestamp"].max().floor("D") + pd.Timedelta(days=1)
    table = plan_in_shop(tables, relative_effect=0.05, metric=metric).duration.table.set_index("weeks")
    promised = table.loc[WEEKS, "detectable"] * table.loc[WEEKS, "mean"]
    assigned = pd.DataFrame({"user_id": ids, "arm": ""})
    users = user_metrics(assigned, tables, start=end - pd.Timedelta(weeks=WEEKS), end=end)
    chosen = choose_metrics(users, [metric])[metric]
    ratios = []
    for split in range(splits):
        is_treated = assign(ids, salt=f"split {split}") == "treatment"
        comparison = chosen.compare(users[~is_treated], users[is_treated], level=0.95)
        ratios.append(promised / (QUANTILES * comparison.difference.std_error))
    return np.array(ratios)


def call_split(split: int, *, users: pd.DataFrame, metrics: dict[str, Metric]) -> list[bool]:
    """Returns of each metric whether a random split of users, which has no effect, is called one."""
    arms = assign(users["user_id"].to_numpy(), salt=f"no effect {split}")
    return [
        read_out(users.assign(arm=arms), arm="arm", control="control", primary=[metric]).findings[0].verdict
        != "undecided"
        for metric in metrics.values()
    ]


def print_calls_without_effect(tables: Tables, *, splits: int) -> None:
    """Prints the share of random splits of a shop's users on which the verdict calls an effect."""
    end = tables.events["timestamp"].max().floor("D") + pd.Timedelta(days=1)
    assigned = pd.DataFrame({"user_id": users_of(tables), "arm": ""})
    users = user_metrics(assigned, tables, start=end - pd.Timedelta(weeks=WEEKS), end=end)
    one = functools.partial(call_split, users=users, metrics=choose_metrics(users, METRICS))
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        calls = np.mean(list(pool.map(one, range(splits), chunksize=10)), axis=0)
    for metric, share in zip(METRICS, calls, strict=True):
        error = np.sqrt(0.05 * 0.95 / splits)
        print(
            f"Online Retail, {metric}: {share:.2%} of {splits} splits without an effect are called (5 % ± {error:.2%})"
        )


def print_promises(num_draws: int) -> None:
    """Prints how often the promise of an audience by response is kept."""
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(draw_audience, range(num_draws), chunksize=5))
    for kind in (*KINDS, ""):
        own = [one for one in found if kind in ("", one.kind)]
        excess = [one.promised - one.truth for one in own]
        print(
            f"audience by response, {kind or 'all'}: promised inside the interval of the out-of-fold effect in "
            f"{np.mean([one.is_kept for one in own]):.1%} of {len(own)} draws; promised "
            f"{np.mean([one.promised for one in own]):.4f}, in truth {np.mean([one.truth for one in own]):.4f} "
            f"({np.mean(excess):+.4f} ± {1.96 * np.std(excess) / np.sqrt(len(own)):.4f})",
            flush=True,
        )


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=int, default=600, help="number of simulated tests")
    parser.add_argument("--splits", type=int, default=2_000, help="number of splits without an effect")
    parser.add_argument("--audiences", type=int, default=200, help="number of audiences by response")
    options = parser.parse_args()
    started = time.perf_counter()
    if options.audiences:
        print_promises(options.audiences)
    if options.tests:
        print_agreement(options.tests)
    with tempfile.TemporaryDirectory() as folder:
        shops = {"demo shop": whole_log(read_prepared(prepare_demo_shop(Path(folder))))}
    shops["Online Retail"] = read_whole_shop("online_retail", data_home())
    for name, tables in shops.items():
        for metric in METRICS:
            ratios = design_ratios(tables, metric)
            print(
                f"{name}, {metric}: effect of the design over that of the read-out {ratios.mean():.3f} "
                f"({ratios.min():.3f} to {ratios.max():.3f} over {len(ratios)} splits)"
            )
    print_calls_without_effect(shops["Online Retail"], splits=options.splits)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
