"""Analyses the randomised coupon test of a prepared shop."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from tfrec.ingest.prepared import Prepared
from tfrec.promotions.allocation import Allocation, allocate
from tfrec.promotions.budget_curves import BudgetCurve, budget_curve
from tfrec.promotions.curves import (
    Calibration,
    PolicyWorth,
    UpliftCurve,
    calibrate_by_bins,
    choose_arms,
    uplift_curve,
    worth_of_choice,
)
from tfrec.promotions.learned_offers import (
    check_learnable,
    expected_discounts,
    few_threads,
    is_put_off,
    quick_learner,
    withheld,
)
from tfrec.promotions.offer_log import OfferLog, read_shop_test
from tfrec.promotions.response import cross_fit_responses
from tfrec.promotions.trial import Balance, Trial, check_balance
from tfrec.promotions.uplift import UpliftScores, cross_fit_uplift
from tfrec.statistics.estimates import Estimate, normal_estimate

_OUTCOMES = ("visit", "conversion", "spend", "margin")
_SHARES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)  # budgets of the curve, as shares of treating everybody
_FOLDS = 3  # a third of the time that five take with five inner ones, for a little less to learn from


@dataclasses.dataclass(frozen=True)
class CouponFindings:
    """Results of a coupon test.

    Attributes:
        arm_names: arms, control first.
        counts: users of each arm.
        aim: the outcome that targeting maximises (margin is meant after the discount).
        balance: whether the offers were assigned at random.
        effects: one row an outcome and offer: `outcome`, `offer`, `control` (mean without), `effect`, `low`, `high`,
            `n`: the average effect, doubly robust.
        curves: offer → what is gained by treating the best-scored users first.
        calibrations: offer → predicted against observed effect.
        worth: choosing an offer for each user against the best single offer.
        scores: each user's uplift of the aim, out of fold; not above 0 for users who are predicted to be put off.
        cost_kind: `discount` (expected money that the coupons take off) or `offers` (each counts one).
        budgets: `budget`, `share` (of the cost of the dearest offer to all), `treated`, `expected` (by the model),
            `gain` with `low`, `high` (observed on the trial, doubly robust) over treating no user.
        by_budget: gain by each budget over the same money spent at random, with the multi-armed Qini.
        chosen: row of `budgets` that the report describes.
        allocation: allocation of the chosen budget.
        profile: `attribute`, `treated`, `others`, `difference` (in standard deviations): who gets an offer.
    """

    JSON_KEYS: ClassVar = (
        "arm_names", "counts", "aim", "effects", "cost_kind", "budgets", "profile", "not_helped", "balance", "worth",
        "scores", "allocation", "curves", "calibrations", "by_budget",
    )  # fmt: skip

    arm_names: tuple[str, ...]
    counts: dict[str, int]
    aim: str
    balance: Balance
    effects: pd.DataFrame
    curves: dict[str, UpliftCurve]
    calibrations: dict[str, Calibration]
    worth: PolicyWorth
    scores: UpliftScores
    cost_kind: str
    budgets: pd.DataFrame
    by_budget: BudgetCurve
    chosen: int
    allocation: Allocation
    profile: pd.DataFrame

    @property
    def not_helped(self) -> dict[str, float]:
        """Offer → share of users whose predicted effect is not above 0."""
        return {name: float((self.scores.scores[:, k] <= 0).mean()) for k, name in enumerate(self.arm_names[1:])}


def judge_coupon_test(prepared: Prepared, *, budget_share: float = 0.1, seed: int = 0) -> CouponFindings:
    """Analyses the shop's coupon test: effects, whom to treat, and an allocation under a budget.

    Args:
        prepared: the shop.
        budget_share: share of the cost of the dearest offer to everybody: the budget that the report describes.
        seed: random seed of folds and bootstrap.

    Raises:
        SchemaError: the log cannot be read, or an arm has too few users.
        SourceError: there is no such table.
    """
    log = read_shop_test(prepared)
    trial, _ = log.trial()
    with few_threads(len(trial)):
        return _judge(log, trial, budget_share=budget_share, seed=seed)


def _judge(log: OfferLog, trial: Trial, *, budget_share: float, seed: int) -> CouponFindings:
    counts = {name: int((trial.arms == code).sum()) for code, name in enumerate(trial.arm_names)}
    aim = log.outcomes[0]
    check_learnable(trial, aim)
    rows: list[dict[str, Any]] = []
    for outcome in (name for name in _OUTCOMES if name in trial.outcomes):
        responses = cross_fit_responses(trial, outcome=outcome, seed=seed)
        base = float(responses.scores[:, 0].mean())
        for k, offer in enumerate(trial.arm_names[1:]):
            effect = _mean(responses.effects()[:, k])
            rows.append(
                {
                    "outcome": outcome,
                    "offer": offer,
                    "control": base,
                    "effect": effect.value,
                    "low": effect.low,
                    "high": effect.high,
                    "n": effect.n,
                }
            )
        if outcome == aim:
            of_aim = responses
    scores = cross_fit_uplift(trial, outcome=aim, learner=quick_learner(), folds=_FOLDS, seed=seed)
    costs = expected_discounts(log, trial, seed=seed) if log.cost_kind == "discount" else np.ones_like(scores.scores)
    put_off = is_put_off(trial, None, seed)
    curves, calibrations = {}, {}
    for arm, offer in enumerate(trial.arm_names[1:], start=1):
        inside = np.flatnonzero((trial.arms == 0) | (trial.arms == arm))
        pair = trial.against_control(arm)
        pair_responses = cross_fit_responses(pair, outcome=aim, seed=seed)
        uplift, folds = scores.scores[inside, arm - 1], scores.folds[inside]
        curves[offer] = uplift_curve(
            uplift, pair, outcome=aim, folds=folds, responses=pair_responses, points=50, seed=seed
        )
        calibrations[offer] = calibrate_by_bins(uplift, pair, responses=pair_responses)
    scores = dataclasses.replace(scores, scores=withheld(scores.scores, put_off))
    whole = float(costs.max(axis=1).sum())
    shares = sorted({*_SHARES, budget_share})
    allocations = [allocate(scores.scores, costs, budget=share * whole) for share in shares]
    budgets = pd.DataFrame(
        [
            {
                "budget": one.budget,
                "share": share,
                "treated": one.num_treated,
                "expected": one.value,
                **_observed(one, trial, of_aim),
            }
            for share, one in zip(shares, allocations, strict=True)
        ]
    )
    chosen = shares.index(budget_share)
    return CouponFindings(
        arm_names=trial.arm_names,
        counts=counts,
        aim=aim,
        balance=check_balance(trial),
        effects=pd.DataFrame(rows),
        curves=curves,
        calibrations=calibrations,
        worth=worth_of_choice(choose_arms(scores.scores), trial, responses=of_aim),
        scores=scores,
        cost_kind=log.cost_kind,
        budgets=budgets,
        by_budget=budget_curve(scores.scores, costs, of_aim.effects(), seed=seed),
        chosen=chosen,
        allocation=allocations[chosen],
        profile=_profile(log.table, log.attributes, allocations[chosen].offers >= 0),
    )


def _observed(allocation: Allocation, trial: Trial, responses: Any) -> dict[str, float]:
    """Returns the gain of the allocation by the trial's own outcomes; scores are out of fold."""
    gain = worth_of_choice(allocation.offers + 1, trial, responses=responses).gain_over_nothing.scaled(len(trial))
    return {"gain": gain.value, "low": gain.low, "high": gain.high}


def _profile(log: pd.DataFrame, attributes: Sequence[str], is_treated: np.ndarray) -> pd.DataFrame:
    """Attributes in which the treated differ most from the others; of texts the level that differs most."""
    rows = []
    for name in attributes:
        column = log[name]
        if pd.api.types.is_numeric_dtype(column):
            rows.append(_difference(name, column.to_numpy(np.float64), is_treated))
        else:
            levels = [_difference(f"{name} = {v}", (column == v).to_numpy(float), is_treated) for v in column.unique()]
            rows.append(max(levels, key=lambda row: abs(row["difference"])))
    frame = pd.DataFrame(rows, columns=["attribute", "treated", "others", "difference"])
    order = frame["difference"].abs().sort_values(ascending=False).index
    return frame.loc[order].head(6).reset_index(drop=True)


def _difference(name: str, values: np.ndarray, is_treated: np.ndarray) -> dict[str, Any]:
    inside, outside = (np.nanmean(values[own]) if own.any() else np.nan for own in (is_treated, ~is_treated))
    spread = float(np.nanstd(values))
    difference = float((inside - outside) / spread) if spread > 0 and np.isfinite(inside - outside) else 0.0
    return {"attribute": name, "treated": float(inside), "others": float(outside), "difference": difference}


def _mean(values: np.ndarray) -> Estimate:
    return normal_estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), len(values))
