"""Prints how well uplift is found: on the e-mail promotion out of fold, on the demo shop against the truth.

`python -m tests.benchmarks.uplift [--seeds 5] [--all] [--users 20000]`
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.trials import data_home, read_coupon_test, read_email_promotion
from tfrec.demo_shop import DemoShopConfig, generate_demo_shop
from tfrec.experiments.read_out import holm
from tfrec.promotions.allocation import allocate
from tfrec.promotions.curves import (
    PolicyWorth,
    UpliftCurve,
    calibrate_by_bins,
    choose_arms,
    compare_curves,
    score_against_truth,
    uplift_curve,
    worth_of_choice,
)
from tfrec.promotions.learners import DRLearner, Learner, SLearner, TLearner
from tfrec.promotions.response import Bend, Responses, boosted_response, cross_fit_responses, trees_response
from tfrec.promotions.stacking import default_learner
from tfrec.promotions.trial import Trial, check_balance
from tfrec.promotions.uplift import cross_fit_uplift
from tfrec.report.terminal.campaigns import balance_text
from tfrec.report.terminal.experiments import estimate_text
from tfrec.report.words import language

ENGLISH = language("en")

MEMBERS: dict[str, Learner] = {
    "S, straight": SLearner(),
    "S, bent": SLearner(bend=Bend()),
    "S, trees": SLearner(trees_response),
}
LEARNERS: dict[str, Learner] = {
    **MEMBERS,
    "T": TLearner(),
    "T, trees": TLearner(trees_response),
    "DR": DRLearner(),
    "DR, trees": DRLearner(effect=boosted_response(binary=False)),
    "blend (default)": default_learner(),
}


def print_email(trial: Trial, *, seeds: Sequence[int], with_all: bool) -> None:
    """Prints the gain of targeting any e-mail by the default blend, beside a plain T-learner of logistic regressions.

    Weights of the blend are set by inner folds alone. Its members were settled on simulated copies of the trial, but
    after the gain of many learners on these very folds had been seen, so no figure here is that of untouched data.
    Each figure stands twice: by weighted means of the outcomes, and by doubly robust scores.
    """
    print(balance_text(check_balance(trial), ENGLISH))
    any_mail = trial.any_offer("any e-mail")
    robust = cross_fit_responses(any_mail, outcome="visit", seed=100)
    learners = {"T": TLearner(), "blend (default)": default_learner(), **(LEARNERS if with_all else {})}
    bases: dict[str, dict[int, UpliftCurve]] = {}
    for name, learner in learners.items():
        curves: dict[str, dict[int, UpliftCurve]] = {"means": {}, "robust": {}}
        for seed in seeds:
            scores = cross_fit_uplift(any_mail, outcome="visit", learner=learner, seed=seed)
            for kind, responses in (("means", None), ("robust", robust)):
                curves[kind][seed] = uplift_curve(
                    scores.scores[:, 0], any_mail, outcome="visit", folds=scores.folds, responses=responses,
                    resamples=300, seed=seed,
                )  # fmt: skip
        bases = bases or curves
        for kind, found in curves.items():
            _print_targeting(f"{name}, {kind}", list(found.values()), list(bases[kind].values()))


def _print_targeting(name: str, curves: list[UpliftCurve], bases: list[UpliftCurve]) -> None:
    ratios = [curve.gain_over_random(0.3) for curve in curves]
    values = [ratio.value for ratio in ratios]
    gaps = [compare_curves(curve, base) for curve, base in zip(curves, bases, strict=True)]
    low, high = (np.mean([getattr(ratio, end) for ratio in ratios]) for end in ("low", "high"))
    gap_low, gap_high = (1000 * np.mean([getattr(gap, end) for gap in gaps]) for end in ("low", "high"))
    print(
        f"{name:23s} at 30 % {np.mean(values):.3f} times random (95 % interval {low:.2f} to {high:.2f}; over "
        f"{len(values)} foldings {min(values):.2f} to {max(values):.2f}); Qini x 1000 "
        f"{1000 * np.mean([curve.qini.value for curve in curves]):.2f}, less the plain T's "
        f"{1000 * np.mean([gap.value for gap in gaps]):+.2f} ({gap_low:+.2f} to {gap_high:+.2f})",
        flush=True,
    )


def print_email_choice(trial: Trial, *, seeds: Sequence[int]) -> None:
    """Prints the worth of choosing among men's, women's and none, for each outcome.

    Three rules: the e-mail of the larger effect against none, by one folding's scores or by their mean over foldings
    (no score is of a model that saw the user), and the better single e-mail unless the direct comparison of the two,
    which no noise of control enters, says the other. All learn from visits: spend is too rare to learn from. Judged are
    the foldings together, by doubly robust scores that are a mean over foldings as well. `could show` is the difference
    that a test of this size finds in four cases of five, 2.8 standard errors. The intervals are of one figure each; the
    adjusted p holds all of them to one error (Holm).
    """
    scores, between = [], []
    for seed in seeds:
        found = cross_fit_uplift(trial, outcome="visit", learner=default_learner(), seed=seed)
        scores.append(found.scores)
        between.append(_choose_between(trial, found.folds, seed=seed))
    rules = {
        "each e-mail against none": [choose_arms(own) for own in scores],
        "the same by the mean score of all foldings": [choose_arms(np.mean(scores, axis=0))],
        "one e-mail against the other": between,
    }
    judged: dict[str, PolicyWorth] = {}
    for outcome in ("visit", "conversion", "spend"):
        fitted = [cross_fit_responses(trial, outcome=outcome, seed=seed) for seed in seeds]
        means = [np.mean([getattr(own, name) for own in fitted], axis=0) for name in ("expected", "scores")]
        responses = Responses(outcome, *means, fitted[0].folds)
        for name, choices in rules.items():
            judged[f"{outcome}, choice by {name}"] = worth_of_choice(np.stack(choices), trial, responses=responses)
    adjusted = holm(np.array([worth.gain.p_value for worth in judged.values()]))
    for (name, worth), p_value in zip(judged.items(), adjusted, strict=True):
        print(
            f"{name}, {len(seeds)} foldings: each user's choice {estimate_text(worth.value, ENGLISH)}; the best "
            f"single arm ({worth.best_arm}) {worth.best_arm_value.value:.4g}: difference "
            f"{estimate_text(worth.gain, ENGLISH)}, p = {worth.gain.p_value:.3f}, held to one error over "
            f"{len(judged)} figures {p_value:.2f}; it could show {2.8 * worth.gain.std_error:.4f}; shares "
            f"{np.round(worth.shares, 2)}"
        )
    any_mail = trial.any_offer("any e-mail")
    for outcome in ("visit", "conversion", "spend"):
        responses = cross_fit_responses(any_mail, outcome=outcome)
        worth = worth_of_choice(np.ones(len(trial), dtype=np.int64), any_mail, responses=responses)
        print(f"any e-mail, effect on {outcome}: {estimate_text(worth.gain_over_nothing, ENGLISH)}")
        ranked = cross_fit_uplift(any_mail, outcome=outcome)
        curve = uplift_curve(ranked.scores[:, 0], any_mail, outcome=outcome, folds=ranked.folds)
        at_30 = curve.gain_over_random(0.3)
        print(
            f"  {outcome}: treating the 30 % with the highest scores brings {estimate_text(at_30, ENGLISH)} times "
            f"that of as many random users; Qini {estimate_text(curve.qini, ENGLISH)}"
        )
        bins = calibrate_by_bins(ranked.scores[:, 0], any_mail, responses=responses)
        print(
            f"  observed on predicted uplift has slope {estimate_text(bins.slope, ENGLISH)}; the bins are off by "
            f"{bins.error:.4g} on average, of which chance alone explains {bins.noise:.4g}"
        )


def _choose_between(trial: Trial, folds: np.ndarray, *, seed: int) -> np.ndarray:
    """Returns `[n]` the e-mail that did better in the other folds, or the other one where it is shown to do more."""
    choices = np.zeros(len(trial), dtype=np.int64)
    for fold in np.unique(folds):
        inside = folds == fold
        train = trial.rows(~inside)
        means = [train.outcome("visit")[train.arms == arm].mean() for arm in (1, 2)]
        best, other = (1, 2) if means[0] >= means[1] else (2, 1)
        effect = default_learner().fit(train.between(best, other), outcome="visit", seed=seed)
        choices[inside] = np.where(effect.predict(trial.features[inside]) > 0, other, best)
    return choices


def print_demo_shop(*, users: int) -> None:
    """Prints PEHE and rank correlation of each learner, and how near to the truth an allocation comes."""
    with tempfile.TemporaryDirectory() as folder:
        shop = Path(folder) / "shop"
        generate_demo_shop(shop, DemoShopConfig(num_users=users, num_events=max(60_000, 10 * users)))
        trial, truth = read_coupon_test(shop)
    true = {
        outcome: np.stack([part[f"{outcome}_uplift"].to_numpy() for _, part in truth.groupby("arm")], axis=1)
        for outcome in ("visit", "conversion", "spend", "margin")
    }
    groups = truth.loc[truth["arm"] == "coupon_25", "group"].to_numpy()
    for outcome, values in true.items():
        if outcome == "spend":
            continue  # needed for the cost alone
        for name, learner in LEARNERS.items():
            started = time.perf_counter()
            scores = cross_fit_uplift(trial, outcome=outcome, learner=learner).scores
            scored = [score_against_truth(scores[:, k], values[:, k]) for k in range(2)]
            print(
                f"demo shop, {outcome}, {name:16s} "
                + "; ".join(
                    f"{arm}: PEHE {found.pehe:.4g} (the average for everybody: {found.pehe_of_average:.4g}), rank "
                    f"correlation {found.rank_correlation:.3f}"
                    for arm, found in zip(trial.arm_names[1:], scored, strict=True)
                )
                + f" {time.perf_counter() - started:.0f} s"
            )
    scores = cross_fit_uplift(trial, outcome="margin").scores
    costs = np.maximum(cross_fit_responses(trial, outcome="discount").expected[:, 1:], 0.0)
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(trial)) for _ in range(50)]
    dogs = groups == "sleeping dog"
    base = truth.loc[truth["arm"] == "coupon_25", "base_conversion"].to_numpy()
    rates = np.array([0.10 / 0.90, 0.25 / 0.75])
    spend = truth.loc[truth["arm"] == "coupon_10", "base_spend"].to_numpy()[:, None] + true["spend"]
    paid = spend * rates  # what the coupons truly take off

    def gained(order: np.ndarray, budget: float) -> float:
        return float(true["margin"][order[np.cumsum(paid[order, 0]) <= budget], 0].sum())

    for share in (0.05, 0.1, 0.2):
        budget = share * float(costs[:, 1].sum())
        result = allocate(scores, costs, budget=budget)
        perfect = allocate(true["margin"], paid, budget=budget)
        rows = np.flatnonzero(result.offers >= 0)
        earned = float(true["margin"][rows, result.offers[rows]].sum())
        random = np.array([gained(order, budget) for order in orders])
        print(
            f"demo shop, {share:.0%} of the cost of the dear coupon for all: {result.num_treated:,} of {result.n:,} "
            f"users get an offer; cost {result.cost:,.2f}, expected value {result.value:,.2f}"
        )
        print(
            f"  gap to the LP bound {result.gap:.4%}; true margin gained {earned:,.0f} for "
            f"{paid[rows, result.offers[rows]].sum() / budget:.1%} of the budget; with perfect knowledge "
            f"{perfect.value:,.0f}, small coupon to random users {random.mean():,.0f} (95 % of 50 draws within "
            f"{np.quantile(random, 0.025):,.0f} to {np.quantile(random, 0.975):,.0f}), to the likeliest buyers "
            f"{gained(np.argsort(-base), budget):,.0f}; sleeping dogs {dogs[rows].mean():.2%} of the treated, "
            f"{dogs.mean():.2%} of all"
        )


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--all", action="store_true", help="every learner on the e-mail promotion, not just two")
    parser.add_argument("--users", type=int, default=20_000)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    started = time.perf_counter()
    print_demo_shop(users=options.users)
    trial = read_email_promotion(data_home())
    print_email(trial, seeds=range(options.seeds), with_all=options.all)
    print_email_choice(trial, seeds=range(2 * options.seeds))
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
