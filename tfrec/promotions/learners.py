"""Estimates each user's uplift from a two-armed trial: S-, T- and DR-learners.

A learner is a frozen recipe with `fit(trial, outcome=, seed=) -> Effect`; scikit-learn models do the regressions.
"""

import dataclasses
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from tfrec.errors import SchemaError
from tfrec.promotions.response import Model, cross_fit_responses, expected, fit_response
from tfrec.promotions.trial import Trial


class Effect(Protocol):
    """A fitted uplift."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Returns `[n]` uplift of `[n, p]` users, in units of the outcome."""


class Learner(Protocol):
    """A recipe that turns a two-armed trial into an effect."""

    def fit(self, trial: Trial, *, outcome: str, seed: int = 0) -> Effect:
        """Fits on all rows."""


@dataclasses.dataclass(frozen=True)
class SLearner:
    """One response model with the treatment among its features, crossed with all of them.

    `τ(x) = μ(x, 1) − μ(x, 0)`. What the arms share, such as the size of baskets, is learned from both.

    Attributes:
        response: model of the outcome; by the outcome when left out.
        bend: transformer of the features before they are crossed, such as `Bend()`.
    """

    response: Model | None = None
    bend: BaseEstimator | None = None

    def fit(self, trial: Trial, *, outcome: str, seed: int = 0) -> Effect:
        """Fits the joint model."""
        check_two_arms(trial)
        bend = None if self.bend is None else clone(self.bend).fit(trial.features)
        features = trial.features if bend is None else bend.transform(trial.features)
        design = _crossed(features, trial.arms.astype(np.float64))
        return _SEffect(fit_response(self.response, design, trial.outcome(outcome)), bend)


@dataclasses.dataclass(frozen=True)
class TLearner:
    """Two response models, one an arm: `τ(x) = μ₁(x) − μ₀(x)`."""

    response: Model | None = None

    def fit(self, trial: Trial, *, outcome: str, seed: int = 0) -> Effect:
        """Fits both models."""
        return _TEffect(*_by_arm(trial, outcome, self.response))


@dataclasses.dataclass(frozen=True)
class DRLearner:
    """Doubly robust scores, regressed (Kennedy 2023).

    `ψ = Γ₁ − Γ₀` from cross-fitted responses is each user's effect plus noise; rows are weighted by the inverse of the
    noise's variance where `is_weighted` (for 0/1 outcomes it differs many times between users).
    """

    response: Model | None = None
    effect: BaseEstimator | None = None
    folds: int = 5
    is_weighted: bool = True

    def fit(self, trial: Trial, *, outcome: str, seed: int = 0) -> Effect:
        """Fits the responses out of fold, then the effect."""
        check_two_arms(trial)
        scores, weights = pseudo_outcomes(trial, outcome, self.response, self.folds, seed)
        return _Single(_fit_weighted(self.effect, trial.features, scores, weights if self.is_weighted else None))


def ridge_effect(penalties: Sequence[float] = tuple(np.logspace(1, 5, 9))) -> BaseEstimator:
    """Returns the default second-stage model: ridge regression, penalty by leave-one-out."""
    return make_pipeline(StandardScaler(), RidgeCV(penalties))


@runtime_checkable
class Responding(Protocol):
    """An effect of response models, which also expects the outcome under an arm."""

    def respond(self, features: np.ndarray, arms: np.ndarray) -> np.ndarray:
        """Returns `[n]` expected outcome of each user under the arm given for it."""


@dataclasses.dataclass(frozen=True)
class _SEffect:
    model: BaseEstimator
    bend: BaseEstimator | None = None

    def predict(self, features: np.ndarray) -> np.ndarray:
        ones = np.ones(len(features))
        return self.respond(features, ones) - self.respond(features, 0 * ones)

    def respond(self, features: np.ndarray, arms: np.ndarray) -> np.ndarray:
        features = features if self.bend is None else self.bend.transform(features)
        return expected(self.model, _crossed(features, arms.astype(np.float64)))


@dataclasses.dataclass(frozen=True)
class _TEffect:
    control: BaseEstimator
    treated: BaseEstimator

    def predict(self, features: np.ndarray) -> np.ndarray:
        return expected(self.treated, features) - expected(self.control, features)

    def respond(self, features: np.ndarray, arms: np.ndarray) -> np.ndarray:
        return np.where(arms == 1, expected(self.treated, features), expected(self.control, features))


@dataclasses.dataclass(frozen=True)
class _Single:
    model: BaseEstimator

    def predict(self, features: np.ndarray) -> np.ndarray:
        return self.model.predict(features)


def _crossed(features: np.ndarray, treated: np.ndarray) -> np.ndarray:
    return np.concatenate([features, treated[:, None], features * treated[:, None]], axis=1)


def _by_arm(trial: Trial, outcome: str, response: Model | None) -> list[BaseEstimator]:
    check_two_arms(trial)
    y = trial.outcome(outcome)
    return [fit_response(response, trial.features[trial.arms == arm], y[trial.arms == arm]) for arm in (0, 1)]


def pseudo_outcomes(
    trial: Trial, outcome: str, response: Model | None, folds: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns `[n]` DR effects and `[n]` weights of mean 1, inverse to the variance implied by expected outcomes."""
    responses = cross_fit_responses(trial, outcome=outcome, model=response, folds=folds, seed=seed)
    y = trial.outcome(outcome)
    if np.isin(y, (0.0, 1.0)).all():
        chance = np.clip(responses.expected, 0.01, 0.99)
        variance = (chance * (1 - chance) / trial.propensities).sum(axis=1)
        weights = 1 / variance
    else:
        weights = np.ones(len(trial))
    return responses.effects()[:, 0], weights / weights.mean()


def _fit_weighted(
    model: BaseEstimator | None, features: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None
) -> BaseEstimator:
    model = ridge_effect() if model is None else clone(model)
    if weights is None:
        return model.fit(features, target)
    name = f"{model.steps[-1][0]}__sample_weight" if isinstance(model, Pipeline) else "sample_weight"
    return model.fit(features, target, **{name: weights})


def check_two_arms(trial: Trial) -> None:
    """Raises SchemaError unless the trial has two arms with two users each."""
    if len(trial.arm_names) != 2:
        raise SchemaError(
            f"A learner compares one offer with control; the trial has the arms {', '.join(trial.arm_names)}. "
            "Use `fit_uplift`, or `trial.against_control(arm)`, or `trial.any_offer()`."
        )
    counts = np.bincount(trial.arms, minlength=2)
    if counts.min() < 2:
        raise SchemaError(f"Both arms need users; got {counts[0]} in control and {counts[1]} with the offer.")
