"""Prints what campaign plans earn and spend on demo shops whose truth is known, beside drawing lots.

`python -m tests.benchmarks.campaigns [--users 3000 8000 20000] [--seeds 5] [--campaigns 200]`

Per size, seed and budget (a share of the true cost of the dear coupon to everybody): the plan with the default budget
(face values), the plan in expected cost, and lots: the cheap coupon to users drawn blindly, once for the whole budget
(whose cost is not known beforehand), once for as much as the plan spends on average.
Then how far the predicted margin uplift is from the truth (PEHE), beside the average effect for everybody.
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from tests.benchmarks.results import Cost, add_save, save_results
from tests.benchmarks.trials import read_coupon_log, read_coupon_test
from tfrec.demo_shop import CampaignLog, DemoShopConfig, DemoShopTruth, generate_demo_shop, run_campaign
from tfrec.errors import ConfigError
from tfrec.promotions.campaign import TREATED
from tfrec.promotions.learned_offers import LearnedOffers, few_threads, learn_from_test, quick_learner
from tfrec.promotions.planning import PlanConfig, plan_from_scores
from tfrec.promotions.tested_plan import EXPECTED_COST, FACE_VALUE
from tfrec.promotions.uplift import cross_fit_uplift

SHARES = (0.05, 0.1, 0.2)


def print_size(users: int, *, seeds: int, campaigns: int) -> list[Cost]:
    """Prints one size of shop, and returns what its plans earn beyond lots."""
    rows, errors, costs = [], [], []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            config = DemoShopConfig(seed=seed, num_users=users, num_events=max(60_000, 10 * users))
            truth = generate_demo_shop(Path(folder) / "shop", config)
            learned = learn_from_test(read_coupon_log(Path(folder) / "shop"), outcome="margin", seed=seed)
            errors.append(_error_of_effects(Path(folder) / "shop"))
        whole = _everybody(truth, learned, "coupon_25").spent
        for share in SHARES:
            rows += [
                {"share": share, "kind": kind, **_judge(learned, truth, kind, share * whole, campaigns)}
                for kind in (FACE_VALUE, EXPECTED_COST)
            ]
    results = pd.DataFrame(rows)
    for (share, kind), own in results.groupby(["share", "kind"], sort=False):
        made = own[own["treated"] > 0]
        worst, gain = f"{own['worst'].max():.0%}", _mean(own["earned"] - own["lots_spent"])
        costs.append(
            Cost(
                f"{seeds} demo shops of {users:,} users, coupons planned for {share:.0%} of the dear coupon's cost to "
                f"everybody, `--budget-in {kind}`: true margin beyond drawing lots for the same money; campaigns that "
                "overspend",
                f"{gain}; {own['over'].mean():.1%}",
            )
        )
        print(
            f"{users:,} users, budget {share:.0%}, {kind:13s} plans made {len(made)} of {len(own)}, offers "
            f"{made['treated'].mean():,.0f}, true margin a plan {_mean(own['earned'])}, lots for the budget "
            f"{_mean(own['lots'])}, more than lots for the money spent {gain}; "
            f"spent of the budget: on average {own['spent'].mean():.0%}, over it in {own['over'].mean():.1%} of "
            f"{campaigns} campaigns a plan, the most {worst}",
            flush=True,
        )
    for arm, part in enumerate(("coupon_10", "coupon_25")):
        blend, average = (np.array([error[arm] for error in one]) for one in zip(*errors, strict=True))
        print(
            f"{users:,} users, PEHE of margin, {part}: blend {_mean(blend)}, average effect {_mean(average)}, ratio "
            f"{_mean(blend / average)}",
            flush=True,
        )
    return costs


def _judge(learned: LearnedOffers, truth: DemoShopTruth, kind: str, budget: float, campaigns: int) -> dict[str, float]:
    """True margin and realised spending of a plan; true margin of lots for the budget, and for what the plan spends."""
    cheap = _everybody(truth, learned, "coupon_10")
    rate = cheap.profit / cheap.spent
    nothing = {"treated": 0.0, "earned": 0.0, "spent": 0.0, "over": 0.0, "worst": 0.0, "lots_spent": 0.0}
    try:
        found = plan_from_scores(
            learned, PlanConfig(name="bench", budget=budget, budget_in=kind, min_users=1, holdout_share=0.1)
        )
    except ConfigError:  # nothing pays, or one face value exceeds the budget
        return {**nothing, "lots": rate * budget}
    table = found.plan.table[found.plan.table["status"] == TREATED]
    logs = [run_campaign(truth, table, face_values=found.plan.face_values, seed=seed) for seed in range(campaigns)]
    spent = np.array([log.orders["discount"].sum() for log in logs]) / budget
    return {
        "treated": len(table),
        "earned": logs[0].profit,
        "spent": logs[0].spent / budget,
        "over": float((spent > 1).mean()),
        "worst": float(spent.max()),
        "lots": rate * budget,
        "lots_spent": rate * logs[0].spent,
    }


def _everybody(truth: DemoShopTruth, learned: LearnedOffers, offer: str) -> CampaignLog:
    users = learned.users.table[["user_id"]].assign(offer=offer)
    return run_campaign(truth, users, face_values=learned.log.face_values)


def _error_of_effects(shop: Path) -> list[np.ndarray]:
    """PEHE `[K]` of the out-of-fold margin uplift, and of its mean for everybody."""
    trial, truth = read_coupon_test(shop)
    true = np.stack([part["margin_uplift"].to_numpy() for _, part in truth.groupby("arm")], axis=1)
    with few_threads(len(trial)):
        found = cross_fit_uplift(trial, outcome="margin", learner=quick_learner(), folds=3).scores
    return [np.sqrt(((one - true) ** 2).mean(axis=0)) for one in (found, found.mean(axis=0))]


def _mean(values: np.ndarray | pd.Series) -> str:
    values = np.asarray(values, dtype=np.float64)
    half = (
        stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    )
    digits = 0 if abs(values.mean()) >= 100 else 2
    return f"{values.mean():,.{digits}f} ± {half:,.{digits}f}"


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[3_000, 8_000, 20_000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--campaigns", type=int, default=200, help="draws of each plan's campaign")
    add_save(parser)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    started = time.perf_counter()
    costs = []
    for users in options.users:
        costs += print_size(users, seeds=options.seeds, campaigns=options.campaigns)
    if options.save:
        sizes = " ".join(map(str, options.users))
        command = f'make bench-campaigns ARGS="--users {sizes} --seeds {options.seeds}"'
        save_results("campaigns", command, costs=costs)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
