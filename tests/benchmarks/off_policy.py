"""Prints how often off-policy intervals cover the true value on the demo shop's slate world, and what a bandit earns.

`python -m tests.benchmarks.off_policy [--runs 200] [--slates 4000]`
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import Ridge
from tqdm import tqdm

from tfrec.demo_shop import DemoShopConfig, SlateWorld, draw_slates, generate_demo_shop
from tfrec.experiments.bandit import Bandit, LinearThompson, LinUcb, replay
from tfrec.experiments.off_policy import (
    DecisionLog,
    PolicyValue,
    SlateLog,
    cross_fit_rewards,
    evaluate_policy,
    slate_cascade,
    slate_independent,
    slate_inverse_propensity,
)
from tfrec.report.terminal.experiments import estimate_text
from tfrec.report.words import language


def estimates(world: SlateWorld, policy: str, *, slates: int, seed: int) -> tuple[list[PolicyValue], list[PolicyValue]]:
    """Returns the estimates of one fresh log: of whole slates, and of the first place alone."""
    rng = np.random.default_rng([seed, 17])
    context = rng.choice(len(world.contexts), slates, p=world.context_share)
    log = draw_slates(world, context=context, rng=rng)
    target = world.slate_probabilities(policy, context, log.arms)
    clicks = log.clicks.astype(float)
    total = clicks.sum(axis=1)
    given = SlateLog(log.probability, total, clicks)
    marginal = world.place_probabilities(policy)[context[:, None], log.arms, np.arange(log.arms.shape[1])]
    whole = [
        slate_inverse_propensity(given, target),
        slate_cascade(given, target),
        slate_independent(SlateLog(log.place_probability, total, clicks), marginal),
    ]
    first = DecisionLog(log.arms[:, 0], log.probability[:, 0], clicks[:, 0])
    scores = np.exp(world.policies[policy] - world.policies[policy].max(axis=1, keepdims=True))
    chances = (scores / scores.sum(axis=1, keepdims=True))[context]
    known = np.eye(len(world.contexts))[context]
    predicted = cross_fit_rewards(known, first, Ridge(10.0), num_actions=len(world.items), folds=2, seed=seed)
    return whole, list(evaluate_policy(first, chances, predicted=predicted))


def print_coverage(world: SlateWorld, *, runs: int, slates: int) -> None:
    """Prints coverage, bias and width of each estimator for each policy."""
    for policy in ("personal", "popular", "uniform"):
        scores = np.exp(world.policies[policy] - world.policies[policy].max(axis=1, keepdims=True))
        chances = scores / scores.sum(axis=1, keepdims=True)
        first = float(world.context_share @ (chances * world.relevance).sum(axis=1) * world.attention[0])
        truths = [world.value(policy)] * 3 + [first] * 4
        found = []
        for seed in tqdm(range(runs), desc=policy, leave=False):
            whole, places = estimates(world, policy, slates=slates, seed=seed)
            found.append([*whole, *places])
        for k, truth in enumerate(truths):
            values = [row[k].value for row in found]
            covered = np.mean([value.low <= truth <= value.high for value in values])
            mean = np.mean([value.value for value in values])
            width = np.mean([value.high - value.low for value in values])
            effective = np.mean([row[k].effective_n for row in found])
            print(
                f"{policy:8s} {found[0][k].estimator:22s} true {truth:.4f} mean {mean:.4f} width {width:.4f} "
                f"effective n {effective:6,.0f} coverage {covered:.1%} of {runs} runs"
            )


def print_bandits(world: SlateWorld, *, rows: int) -> None:
    """Prints replays of bandits over the first place of a long log."""
    rng = np.random.default_rng(3)
    context = rng.choice(len(world.contexts), rows, p=world.context_share)
    log = draw_slates(world, context=context, rng=rng)
    actions, rewards = log.arms[:, 0], log.clicks[:, 0].astype(float)
    department, device = world.contexts[context].T
    known = np.concatenate([np.eye(department.max() + 1)[department], np.eye(device.max() + 1)[device]], axis=1)
    num = len(world.items)
    best = float(world.context_share @ world.relevance.max(axis=1))
    bandits: dict[str, tuple[Bandit, np.ndarray]] = {
        "Thompson, no context": (LinearThompson(num, 0), known[:, :0]),
        "Thompson": (LinearThompson(num, known.shape[1]), known),
        "LinUCB": (LinUcb(num, known.shape[1], alpha=0.5), known),
    }
    for name, (bandit, features) in bandits.items():
        result = replay(bandit, features, actions, rewards, log.probability[:, 0], batch=500)
        earned = estimate_text(result.reward, language("en"))
        print(f"{name}: {earned} a decision, the log {result.logged.value:.4g} (the best possible is {best:.4f})")


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--slates", type=int, default=4_000)
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        world = generate_demo_shop(Path(folder) / "shop", DemoShopConfig(num_events=60_000)).slate_world
    print_coverage(world, runs=options.runs, slates=options.slates)
    print_bandits(world, rows=200_000)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
