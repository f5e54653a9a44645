"""Prints what the blend of learners finds beyond simple ones in the same time: `python -m tests.benchmarks.learners`.

Generated tests have a known effect of each user: the error of predicted effects (PEHE) over that of the average effect
for everybody, and the true gain of treating the best-scored 30 % over that of a perfect choice. Real ones have a Qini
(mean outcome per user above random targeting, by doubly robust scores). All scores are out of fold; a learner is
compared with the blend on the same folds, and its difference stands with a 95 % interval over the generated tests.
`S, bent, bagged` is the mean of as many bootstrap fits as take the time of the blend.
"""

import argparse
import dataclasses
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats

from tests.benchmarks.trials import data_home, read_coupon_test, read_email_promotion
from tests.promotions.worlds import coupon_world
from tfrec.demo_shop import DemoShopConfig, generate_demo_shop
from tfrec.promotions.curves import score_against_truth, uplift_curve
from tfrec.promotions.learned_offers import few_threads, quick_learner
from tfrec.promotions.learners import Effect, Learner, SLearner
from tfrec.promotions.response import Bend, cross_fit_responses, trees_response
from tfrec.promotions.stacking import StackedLearner
from tfrec.promotions.trial import Trial
from tfrec.promotions.uplift import cross_fit_uplift

FOLDS = 3
BLEND = "blend of three"


@dataclasses.dataclass(frozen=True)
class MeanEffect:
    """The mean of several effects."""

    effects: tuple[Effect, ...]

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Returns `[n]` the mean uplift."""
        return np.mean([effect.predict(features) for effect in self.effects], axis=0)


@dataclasses.dataclass(frozen=True)
class Bagged:
    """The mean of a learner's fits to bootstrap samples, as many as take `seconds`."""

    learner: Learner
    seconds: float

    def fit(self, trial: Trial, *, outcome: str, seed: int = 0) -> MeanEffect:
        """Fits until the time is over, at least once."""
        rng, effects, started = np.random.default_rng(seed), [], time.perf_counter()
        while not effects or time.perf_counter() - started < self.seconds:
            rows = rng.integers(len(trial), size=len(trial)) if effects else np.arange(len(trial))
            effects.append(self.learner.fit(trial.rows(rows), outcome=outcome, seed=seed))
        return MeanEffect(tuple(effects))


class GeneratedTest(NamedTuple):
    """A test whose effects are known: name, trial, outcome, `[n]` true effect."""

    name: str
    trial: Trial
    outcome: str
    truth: np.ndarray


def logit_world(seed: int, *, spread: float, n: int = 4_000) -> tuple[Trial, np.ndarray]:
    """Returns a test of conversion whose effect on the logit is `.4 + spread · x₀`, and the true effects."""
    rng = np.random.default_rng([seed, 3])
    features = rng.normal(size=(n, 6))
    logit = -1.5 + 0.6 * features[:, 1]
    lift = 0.4 + spread * features[:, 0]
    truth = special.expit(logit + lift) - special.expit(logit)
    arms = (rng.random(n) < 0.5).astype(np.int64)
    bought = (rng.random(n) < special.expit(logit + lift * arms)).astype(float)
    return Trial(features, arms, ("none", "mail"), np.full((n, 2), 0.5), {"conversion": bought}), truth


def generated_tests(seed: int) -> Iterator[GeneratedTest]:
    """Yields tests of several kinds."""
    trial, truth = coupon_world(4_000, seed)
    yield GeneratedTest("step, visit", trial, "visit", truth)
    yield GeneratedTest("step, spend", trial, "spend", truth * np.exp(3.0 + 0.5**2 / 2))
    for name, spread in (("additive, strong", 0.6), ("additive, weak", 0.2), ("the same for all", 0.0)):
        trial, truth = logit_world(seed, spread=spread)
        yield GeneratedTest(name, trial, "conversion", truth)
    with tempfile.TemporaryDirectory() as folder:
        shop = Path(folder) / "shop"
        generate_demo_shop(shop, DemoShopConfig(seed=seed, num_users=6_000, num_events=60_000))
        trial, true = read_coupon_test(shop)
    for arm, offer in enumerate(trial.arm_names[1:], start=1):
        inside = np.flatnonzero((trial.arms == 0) | (trial.arms == arm))
        for outcome in ("conversion", "margin"):
            effects = true.loc[true["arm"] == offer, f"{outcome}_uplift"].to_numpy()[inside]
            yield GeneratedTest(f"demo shop, {offer}, {outcome}", trial.against_control(arm), outcome, effects)


def learners(blend_seconds: float) -> dict[str, Learner]:
    """Returns name → learner; the bagged one takes as long as the blend."""
    return {
        "S, straight": SLearner(),
        "S, bent": SLearner(bend=Bend()),
        "S, trees": SLearner(trees_response),
        "S, bent, calibrated": StackedLearner((SLearner(bend=Bend()),), folds=FOLDS),
        "S, bent, bagged": Bagged(SLearner(bend=Bend()), blend_seconds),
    }


def print_generated(seeds: int) -> None:
    """Prints PEHE, gain and time of each learner, and the difference to the blend."""
    rows = []
    for seed in range(seeds):
        for test in generated_tests(seed):
            for name, score in _scored(test.trial, test.outcome, seed):
                found = score_against_truth(score.scores, test.truth)
                best = np.sort(test.truth)[::-1][: int(0.3 * len(test.truth))].sum()
                chosen = test.truth[np.argsort(-score.scores, kind="stable")[: int(0.3 * len(test.truth))]].sum()
                # Where everybody gains the same there is no spread to divide by: the level of the effect.
                scale = found.pehe_of_average if found.pehe_of_average > 1e-9 else abs(test.truth.mean())
                rows.append((seed, test.name, name, found.pehe / scale, chosen / best, score.seconds))
    table = pd.DataFrame(rows, columns=["seed", "test", "learner", "pehe", "gain", "seconds"])
    for name, part in table.groupby("test", sort=False):
        means = part.groupby("learner", sort=False)[["pehe", "gain", "seconds"]].mean()
        for learner, row in means.iterrows():
            print(f"{name}, {learner}: PEHE {row['pehe']:.3f}, gain {row['gain']:.3f}, {row['seconds']:.1f} s")
    wide = table.pivot(index=["seed", "test"], columns="learner", values=["pehe", "gain"])
    for learner in table["learner"].unique():
        if learner != BLEND:
            print(
                f"{learner} less the blend, {len(wide)} tests: PEHE "
                f"{_difference(wide['pehe'][learner] - wide['pehe'][BLEND])}, gain "
                f"{_difference(wide['gain'][learner] - wide['gain'][BLEND])}"
            )


def print_real(seeds: int) -> None:
    """Prints the Qini of each learner on three comparisons of the e-mail promotion."""
    trial = read_email_promotion(data_home())
    pairs = {"any e-mail": trial.any_offer("any e-mail"), "men's": trial.against_control(1)}
    pairs["women's"] = trial.against_control(2)
    for what, pair in pairs.items():
        responses = cross_fit_responses(pair, outcome="visit", folds=FOLDS)
        found: dict[str, list[tuple[float, float]]] = {}
        for seed in range(seeds):
            for name, score in _scored(pair, "visit", seed):
                curve = uplift_curve(
                    score.scores, pair, outcome="visit", folds=score.folds, responses=responses, points=50,
                    resamples=100, seed=seed,
                )  # fmt: skip
                found.setdefault(name, []).append((1_000 * curve.qini.value, score.seconds))
        for name, values in found.items():
            qini, seconds = np.mean(values, axis=0)
            ends = [min(value for value, _ in values), max(value for value, _ in values)]
            print(
                f"e-mail promotion, {what}, {name}: Qini x 1000 {qini:.2f} ({ends[0]:.2f} to {ends[1]:.2f} over "
                f"{seeds} foldings), {seconds:.1f} s",
                flush=True,
            )


class _Score(NamedTuple):
    scores: np.ndarray
    folds: np.ndarray
    seconds: float


def _scored(trial: Trial, outcome: str, seed: int) -> Iterator[tuple[str, _Score]]:
    """Yields the blend first, whose time the bagged learner gets, then the others on the same folds."""
    seconds = 0.0
    for name in (BLEND, *learners(0.0)):
        learner = quick_learner() if name == BLEND else learners(seconds / FOLDS)[name]
        started = time.perf_counter()
        with few_threads(len(trial)):
            found = cross_fit_uplift(trial, outcome=outcome, learner=learner, folds=FOLDS, seed=seed)
        taken = time.perf_counter() - started
        seconds = taken if name == BLEND else seconds
        yield name, _Score(found.scores[:, 0], found.folds, taken)


def _difference(values: pd.Series) -> str:
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.3f} ± {half:.3f}"


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="tests of each generated kind")
    parser.add_argument("--foldings", type=int, default=2, help="random folds of each real test")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    started = time.perf_counter()
    print_generated(options.seeds)
    print_real(options.foldings)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
