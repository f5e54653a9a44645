"""Prints how often a budget is exceeded (never), how far allocations lie below the LP bound, and what a million costs.

`python -m tests.benchmarks.allocation [--problems 10000] [--users 1000000]`
"""

import argparse
import time

import numpy as np

from tfrec.promotions.allocation import Allocation, allocate


def random_problem(seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Returns values, costs and a budget; sizes, scales, decimals and tightness vary, some budgets hit sums exactly."""
    rng = np.random.default_rng(seed)
    n, num = int(rng.integers(1, 80)), int(rng.integers(1, 6))
    decimals = int(rng.integers(0, 5))
    costs = np.round(rng.gamma(rng.uniform(0.3, 3), rng.uniform(0.1, 50), (n, num)), decimals)
    values = np.round(rng.normal(rng.uniform(-1, 2), 3, (n, num)) * np.sqrt(costs + 0.01), decimals)
    if rng.random() < 0.3:  # a budget that some set of offers uses up to the last digit
        budget = float(costs[rng.random(n) < 0.3, 0].sum())
    else:
        budget = float(rng.uniform(0, 1.1) * costs.max(axis=1).sum())
    return values, costs, budget


def spent(result: Allocation, costs: np.ndarray) -> float:
    """Returns the cost by plain floats, apart from the allocation's own count."""
    rows = np.flatnonzero(result.offers >= 0)
    return float(costs[rows, result.offers[rows]].sum())


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--users", type=int, default=1_000_000)
    options = parser.parse_args()
    exceeded = woken = 0
    gaps: list[float] = []
    started = time.perf_counter()
    for seed in range(options.problems):
        values, costs, budget = random_problem(seed)
        result = allocate(values, costs, budget=budget)
        # Floats add up with dust in the last place; the allocation's own sum is exact in micro-units.
        exceeded += spent(result, costs) > budget * (1 + 1e-12) + 1e-9 or result.cost > budget
        rows = np.flatnonzero(result.offers >= 0)
        woken += bool((values[rows, result.offers[rows]] <= 0).any())
        if result.bound > 0:
            gaps.append(result.gap)
    print(
        f"{options.problems:,} random problems in {time.perf_counter() - started:.0f} s: budget exceeded {exceeded} "
        f"times, an offer without value given {woken} times; gap to the LP bound: median {np.median(gaps):.2%}, "
        f"mean {np.mean(gaps):.2%} (1 to 80 users)"
    )
    rng = np.random.default_rng(0)
    for users in (1_000, 5_000, options.users):
        costs = np.array([1.0, 2.0, 3.0, 5.0, 8.0]) * rng.uniform(0.5, 1, (users, 1))
        values = (rng.gamma(1, 2, (users, 5)) - 1) * np.sqrt(costs)
        groups = rng.choice(["north", "south"], users)
        values[groups == "south"] *= 0.5
        for name, settings in (
            ("budget", {}),
            ("budget, return >= 3, 25 % of the south", {
                "return_floor": 3.0, "groups": groups, "group_floors": {"south": 0.25},
            }),
        ):  # fmt: skip
            started = time.perf_counter()
            result = allocate(values, costs, budget=0.3 * users, **settings)
            took = time.perf_counter() - started
            print(
                f"{users:,} users x 5 offers, {name}: {took:.2f} s, gap {result.gap:.4%}; {result.num_treated:,} users "
                f"get an offer at a cost of {result.cost:,.2f}, expected value {result.value:,.2f}"
            )


if __name__ == "__main__":
    main()
