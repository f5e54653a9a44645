"""Learns from a test what each offer would change for each user: the slow part of a plan."""

import contextlib
import dataclasses

import numpy as np
import pandas as pd
import threadpoolctl

from tfrec.errors import SchemaError
from tfrec.promotions.budget_curves import BudgetCurve, budget_curve
from tfrec.promotions.curves import UpliftCurve, uplift_curve
from tfrec.promotions.learners import TLearner
from tfrec.promotions.offer_log import PROFIT, OfferLog
from tfrec.promotions.response import boosted_response, cross_fit_responses, expected, fit_response
from tfrec.promotions.stacking import StackedLearner, default_learner
from tfrec.promotions.trial import Balance, Encoder, Trial, check_balance
from tfrec.promotions.uplift import cross_fit_uplift, fit_uplift
from tfrec.schema.arms import hash_uniform

FEWEST = 200
"""Users an arm below which a model of their differences is not worth fitting."""

_MANY = 50_000  # users of a test from which trees gain by more threads
_FOLDS = 3  # inner and outer: a third of the time that five of each take, for a little less to learn from


@dataclasses.dataclass(frozen=True)
class ScoredUsers:
    """What each offer would change for each user.

    Attributes:
        table: `user_id` and whatever else is known, n rows.
        gains: `[n, K]` expected extra profit of each offer before its discount; not above 0 for a user who is predicted
            to be put off.
        discounts: `[n, K]` money that each offer takes off on average.
        put_off: `[n]` whether the user is predicted to be put off by offers.
    """

    table: pd.DataFrame
    gains: np.ndarray
    discounts: np.ndarray
    put_off: np.ndarray


@dataclasses.dataclass(frozen=True)
class LearnedOffers:
    """What a test teaches of its offers, before any budget.

    Attributes:
        log: the test, with `profit` and with face values where discounts are known.
        trial: the same in numbers.
        encoder: encoder of the users' attributes.
        outcome: what was turned into profit.
        users: the test's own users, scored out of fold.
        effects: `[n, K]` unbiased noisy gains of the test's users before the discount, for a plan's promise.
        balance: whether offers were assigned at random.
        curves: offer → what is gained by treating the best-scored users first.
        by_budget: profit gained by each budget for discounts, with the multi-armed Qini; None where discounts are not
            known.
        seed: random seed of folds.
    """

    log: OfferLog
    trial: Trial
    encoder: Encoder
    outcome: str
    users: ScoredUsers
    effects: np.ndarray
    balance: Balance
    curves: dict[str, UpliftCurve]
    by_budget: BudgetCurve | None
    seed: int

    @property
    def offers(self) -> tuple[str, ...]:
        """Names of the offers."""
        return self.trial.arm_names[1:]

    def score(self, users: pd.DataFrame) -> ScoredUsers:
        """Returns other users scored by models of the whole test.

        Raises:
            SchemaError: an attribute of the test is missing.
        """
        users = users.reset_index(drop=True)
        features = self.encoder.encode(users)
        with few_threads(len(self.trial)):
            uplift = fit_uplift(self.trial, outcome=PROFIT, learner=quick_learner(), seed=self.seed).predict(features)
            put_off = is_put_off(self.trial, features, self.seed)
        discounts = np.zeros_like(uplift)
        if self.log.cost_kind == "discount":
            taken = self.trial.outcome("discount")
            for arm in range(1, len(self.trial.arm_names)):
                is_arm = self.trial.arms == arm
                model = fit_response(None, self.trial.features[is_arm], taken[is_arm])
                discounts[:, arm - 1] = np.maximum(expected(model, features), 0.0)
        return _scored(users, uplift, discounts, put_off)


def check_learnable(trial: Trial, outcome: str) -> None:
    """Raises `SchemaError` where arms are too small, or the outcome is the same for all, so that nothing is learned."""
    counts = {name: int((trial.arms == code).sum()) for code, name in enumerate(trial.arm_names)}
    if min(counts.values()) < FEWEST:
        raise SchemaError(
            f"Whom to send an offer is learned from a test of at least {FEWEST} users per arm; got {counts}. Test more "
            "users."
        )
    values = trial.outcome(outcome)
    if np.ptp(values) == 0:
        raise SchemaError(
            f"The outcome {outcome} is {values[0]:g} for every user of the test: nothing can be learned from it. Test "
            "longer, or name another outcome."
        )


def learn_from_test(log: OfferLog, *, outcome: str, worth: float = 1.0, seed: int = 0) -> LearnedOffers:
    """Learns what each offer changes: the slow part of a plan.

    Args:
        log: the test; offers without a face value get the one that most of the test's users kept below.
        outcome: what pays.
        worth: money that one unit of it brings.
        seed: random seed of folds.

    Raises:
        SchemaError: too few users an arm.
    """
    if not log.face_values and log.cost_kind == "discount":
        log = log.with_face_values()
    log = log.with_profit(outcome=outcome, worth=worth)
    trial, encoder = log.trial()
    check_learnable(trial, PROFIT)
    with few_threads(len(trial)):
        uplift = cross_fit_uplift(trial, outcome=PROFIT, learner=quick_learner(), folds=_FOLDS, seed=seed)
        put_off = is_put_off(trial, None, seed)
        discounts = expected_discounts(log, trial, seed=seed)
        responses = cross_fit_responses(trial, outcome=PROFIT, seed=seed)
        curves = _curves(trial, uplift.scores, uplift.folds, seed)
    users = _scored(log.table, uplift.scores, discounts, put_off)
    effects, by_budget = responses.effects() + discounts, None
    if log.cost_kind == "discount":
        by_budget = budget_curve(uplift.scores, discounts, responses.effects(), seed=seed)
    return LearnedOffers(log, trial, encoder, outcome, users, effects, check_balance(trial), curves, by_budget, seed)


def quick_learner() -> StackedLearner:
    """Returns the default blend with few folds, for plans and reports that someone waits for."""
    return dataclasses.replace(default_learner(), folds=_FOLDS)


def expected_discounts(log: OfferLog, trial: Trial, *, seed: int = 0) -> np.ndarray:
    """Returns `[n, A − 1]` the money that each offer takes off on average, out of fold; 0 where it is not known."""
    if log.cost_kind != "discount":
        return np.zeros((len(trial), len(trial.arm_names) - 1))
    return np.maximum(cross_fit_responses(trial, outcome="discount", seed=seed).expected[:, 1:], 0.0)


def few_threads(n: int) -> contextlib.AbstractContextManager:
    """Limits small tests to one thread: on few rows, threads wait for each other longer than they gain."""
    limit = threadpoolctl.threadpool_limits(limits=1) if n < _MANY else None
    return limit if limit is not None else contextlib.nullcontext()


def is_put_off(trial: Trial, features: np.ndarray | None, seed: int) -> np.ndarray:
    """Returns `[n, 1]` who is predicted to do less for an offer: visit less or, where visits are unknown, buy less.

    Visits are frequent, so they identify sleeping dogs with less data than money does; all offers are pooled for the
    same reason. Trees are used because being put off is rarely additive. Users of the test are scored out of fold.
    """
    watched = next((name for name in ("visit", "conversion") if name in trial.outcomes), None)
    rows = len(trial) if features is None else len(features)
    if watched is None:
        return np.zeros((rows, 1), dtype=bool)
    learner = TLearner(boosted_response(binary=bool(np.isin(trial.outcome(watched), (0.0, 1.0)).all()), seed=seed))
    pooled = trial.any_offer()
    if features is None:
        return cross_fit_uplift(pooled, outcome=watched, learner=learner, folds=_FOLDS, seed=seed).scores <= 0
    return fit_uplift(pooled, outcome=watched, learner=learner, seed=seed).predict(features) <= 0


def withheld(gains: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Returns `[n, K]` gains, at most 0 where the offer is withheld."""
    return np.where(where, np.minimum(gains, 0.0), gains)


def _scored(users: pd.DataFrame, uplift: np.ndarray, discounts: np.ndarray, put_off: np.ndarray) -> ScoredUsers:
    # Where the test distinguishes users only coarsely, scores tie, and no price separates the treated from the others:
    # a millionth of the usual gain, fixed for a user, breaks ties at random and is a negligible amount.
    grain = 1e-6 * float(np.abs(uplift).mean())
    gains = uplift + discounts + grain * hash_uniform(users["user_id"].to_numpy(), salt="tie")[:, None]
    return ScoredUsers(users, withheld(gains, put_off), discounts, put_off[:, 0])


def _curves(trial: Trial, scores: np.ndarray, folds: np.ndarray, seed: int) -> dict[str, UpliftCurve]:
    curves = {}
    for arm, offer in enumerate(trial.arm_names[1:], start=1):
        inside = np.flatnonzero((trial.arms == 0) | (trial.arms == arm))
        pair = trial.against_control(arm)
        curves[offer] = uplift_curve(
            scores[inside, arm - 1], pair, outcome=PROFIT, folds=folds[inside],
            responses=cross_fit_responses(pair, outcome=PROFIT, seed=seed), points=50, seed=seed,
        )  # fmt: skip
    return curves
