"""Reads 78 real experiments with and without peeking: alarms, verdicts, false calls on replays without an effect.

`python -m tests.benchmarks.sequential [--replays 2000] [--splits 120]`

Without an effect, twice: paths drawn with the checkpoints' own errors, and Online Retail's users, split blindly and
looked at every day of eight weeks.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.results import Cost, add_save, save_results
from tests.benchmarks.trials import data_home
from tfrec.experiments.assignment import check_sample_ratio
from tfrec.experiments.sequential import PeekingRates, SequentialReadOut, null_paths, peeking_rates, read_sequentially
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import read_prepared
from tfrec.report.findings import whole_log

ARMS = ["count_c", "mean_c", "variance_c", "count_t", "mean_t", "variance_t"]
VERDICTS = ["better", "worse", "undecided"]


def read_asos(home: Path) -> pd.DataFrame:
    """Returns the checkpoints with a variance, in the order of time within experiment, variant and metric."""
    raw = pd.read_csv(home / "asos_experiments" / "asos_digital_experiments_dataset.csv.gz")
    kept = raw.dropna(subset=ARMS)
    kept = kept[(kept["count_c"] >= 2) & (kept["count_t"] >= 2) & (kept["variance_c"] + kept["variance_t"] > 0)]
    kept = kept.sort_values(["experiment_id", "variant_id", "metric_id", "time_since_start"], kind="stable")
    # Two comparisons lose users at one checkpoint each: those checkpoints are set aside.
    reached = kept.groupby(["experiment_id", "variant_id", "metric_id"])[["count_c", "count_t"]].cummax()
    return kept[(kept[["count_c", "count_t"]] >= reached).all(axis=1)]


def print_split_users(home: Path, *, splits: int, days: int = 56) -> list[Cost]:
    """Prints false calls on Online Retail: all users of the log, split blindly, read every day of the last weeks."""
    path, costs = home / "online_retail", []
    if not path.exists():
        return []
    prepared = _prepared_orders(path)
    last = prepared["timestamp"].max().normalize()
    users = pd.Index(prepared["user_id"].unique())
    day = (prepared["timestamp"].dt.normalize() - (last - pd.Timedelta(days=days))).dt.days
    inside = prepared[day >= 0].assign(day=day[day >= 0].clip(upper=days - 1))
    spent = np.zeros((len(users), days))
    np.add.at(spent, (users.get_indexer(inside["user_id"]), inside["day"].to_numpy()), inside["value"].to_numpy())
    spent = spent.cumsum(axis=1)
    orders = np.zeros_like(spent)
    first = inside.drop_duplicates(["user_id", "order_id"])
    np.add.at(orders, (users.get_indexer(first["user_id"]), first["day"].to_numpy()), 1.0)
    capped = np.minimum(spent, np.quantile(spent[spent > 0], 0.99))
    metrics = {
        "conversion": (spent > 0) * 1.0,
        "orders": orders.cumsum(axis=1),
        "spend": spent,
        "spend, capped": capped,
    }
    for name, values in metrics.items():
        is_treated = np.random.default_rng(0).random((splits, len(users))) < 0.5
        arms = [(is_treated == side).astype(float) for side in (False, True)]
        n = [arm.sum(axis=1, keepdims=True) for arm in arms]
        means = [arm @ values / count for arm, count in zip(arms, n, strict=True)]
        variances = [arm @ values**2 / count - m**2 for arm, count, m in zip(arms, n, means, strict=True)]
        errors = np.sqrt(sum(v / count for v, count in zip(variances, n, strict=True)))
        known = np.flatnonzero((errors > 0).all(axis=0))
        tightest = float(errors[:, known[0]].mean() * np.sqrt(1 / 5))
        rates = peeking_rates((means[1] - means[0])[:, known], errors[:, known], tightest_error=tightest)
        _print_rates(f"A/A Online Retail, {name}, {len(users):,} users split by lot, {len(known)} looks", [rates])
        costs.append(
            Cost(
                f"Online Retail's users split blindly, read daily for {days} days, {name}: false calls by peeking / "
                f"always valid, of {splits} splits",
                f"{rates.naive:.1%} / {rates.sequential:.1%}",
            )
        )
    return costs


def _prepared_orders(folder: Path) -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as work:
        prepare_shop("online_retail", Path(work) / "shop", data_home=folder.parent)
        bought = whole_log(read_prepared(Path(work) / "shop")).purchases
    bought = bought[bought["user_id"] != ""]
    return bought.assign(value=bought["price"] * bought["quantity"])


def _print_rates(what: str, rates: list[PeekingRates]) -> None:
    sequential, naive = (np.array([getattr(rate, name) for rate in rates]) for name in ("sequential", "naive"))
    worst = f" (worst comparison {sequential.max():.1%})" if len(rates) > 1 else ""
    print(
        f"{what}: naive peeking {naive.mean():.1%}, always valid {sequential.mean():.2%}{worst}, single look "
        f"{np.mean([rate.single_look for rate in rates]):.1%}; {len(rates)} comparisons x {rates[0].replays:,} splits",
        flush=True,
    )


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replays", type=int, default=2000)
    parser.add_argument("--splits", type=int, default=120)
    add_save(parser)
    options = parser.parse_args()
    replays = options.replays
    started = time.perf_counter()
    log = read_asos(data_home())
    pairs = log.groupby(["experiment_id", "variant_id"])
    last = pairs[["count_c", "count_t"]].max()
    checks = {
        pair: check_sample_ratio({"control": int(row.count_c), "treatment": int(row.count_t)})
        for pair, row in zip(last.index, last.itertuples(), strict=True)
    }
    alarmed = {pair for pair, check in checks.items() if check.is_alarm}
    experiments = log["experiment_id"].nunique()
    print(f"{experiments} experiments, {len(last)} comparisons, {len(log):,} checkpoints with a variance")
    print(
        f"sample-ratio alarms (p < .001, even split): {len(alarmed)} comparisons in "
        f"{len({experiment for experiment, _ in alarmed})} experiments: "
        + ", ".join(f"{experiment}/{variant}" for experiment, variant in sorted(alarmed))
    )
    read: dict[tuple, SequentialReadOut] = {}
    simulated: list[PeekingRates] = []
    growing: list[PeekingRates] = []
    for seed, (key, part) in enumerate(log.groupby(["experiment_id", "variant_id", "metric_id"])):
        read[key] = read_sequentially(*(part[column].to_numpy() for column in ARMS))
        n = (part["count_c"] + part["count_t"]).to_numpy()
        errors = np.sqrt(part["variance_c"] / part["count_c"] + part["variance_t"] / part["count_t"]).to_numpy()
        tightest = float(errors[0] * np.sqrt(1 / 5))  # the default plan: five times the first checkpoint's users
        if len(n) < 5:
            continue
        simulated.append(peeking_rates(null_paths(errors, replays=replays, seed=seed), errors, tightest_error=tightest))
        growing.append(
            peeking_rates(null_paths(errors, n=n, replays=replays, seed=seed), errors, tightest_error=tightest)
        )
    for metric in sorted(log["metric_id"].unique()):
        own = [result for key, result in read.items() if key[2] == metric]
        for name, words in (
            ("fixed horizon", [r.fixed_verdict for r in own]), ("sequential", [r.verdict for r in own]),
        ):  # fmt: skip
            counts = ", ".join(f"{words.count(word)} {word}" for word in VERDICTS)
            print(f"metric {metric}, {name:13s}: {counts} (n = {len(own)})")
        peeked = sum(r.naive_at >= 0 and r.verdict == "undecided" for r in own)
        print(
            f"metric {metric}, peeking would have called {sum(r.naive_at >= 0 for r in own)}, "
            f"{peeked} of them undecided"
        )
    for experiment in sorted(log["experiment_id"].unique()):
        for (name, variant, metric), result in read.items():
            if name == experiment:
                alarm = " SAMPLE-RATIO ALARM" if (name, variant) in alarmed else ""
                print(
                    f"  {name} v{variant} m{metric}: fixed {result.fixed_verdict:9s} sequential {result.verdict:9s} "
                    f"d = {result.differences[-1]:+.4g} [{result.low[-1]:+.4g}, {result.high[-1]:+.4g}] "
                    f"n = {int(result.n[-1]):,}{alarm}"
                )
    for name, rates in (("replays, users come with their value", simulated), ("replays, users' values grow", growing)):
        _print_rates(f"A/A {name}", rates)
    costs = print_split_users(data_home(), splits=options.splits)
    if options.save:
        save_results("sequential", "make bench-sequential", costs=costs)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
