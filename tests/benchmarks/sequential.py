"""Reads 78 real experiments with and without peeking: alarms, verdicts, false calls on replays without an effect.

`python -m tests.benchmarks.sequential [--replays 2000]`
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.trials import data_home
from tfrec.experiments.assignment import check_sample_ratio
from tfrec.experiments.sequential import PeekingRates, SequentialReadOut, null_paths, peeking_rates, read_sequentially

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


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replays", type=int, default=2000)
    replays = parser.parse_args().replays
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
        sequential = np.array([rate.sequential for rate in rates])
        naive = np.array([rate.naive for rate in rates])
        print(
            f"A/A {name}: naive peeking {naive.mean():.1%}, sequential {sequential.mean():.2%} (worst comparison "
            f"{sequential.max():.1%}), single look {np.mean([r.single_look for r in rates]):.1%}; "
            f"{len(rates)} comparisons x {rates[0].replays:,} replays"
        )
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
