"""A trial becomes each user's uplift by each offer: S-, T-, X-, R- and DR-learners, cross-fitted and stacked.

A learner is a frozen recipe with `fit(trial, outcome=, seed=) -> Effect` on a two-armed trial; scikit-learn models do
the regressions. `fit_uplift` and `cross_fit_uplift` run it for every offer against control.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from scipy import optimize
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from tfrec.errors import ConfigError, SchemaError
from tfrec.experiments.effects import to_plain
from tfrec.promotions.response import (
    Bend,
    Model,
    cross_fit_responses,
    expected,
    fit_response,
    split_folds,
    trees_response,
)
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
        _check_two_arms(trial)
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
class XLearner:
    """Imputed effects, regressed (Künzel et al. 2019).

    `D₁ = y − μ₀(x)` on the treated, `D₀ = μ₁(x) − y` on control, `τ = e τ₀ + (1 − e) τ₁` with `e` the treated share.
    """

    response: Model | None = None
    effect: BaseEstimator | None = None

    def fit(self, trial: Trial, *, outcome: str, seed: int = 0) -> Effect:
        """Fits the two response and the two effect models."""
        control, treated = _by_arm(trial, outcome, self.response)
        y, is_treated = trial.outcome(outcome), trial.arms == 1
        gains = y[is_treated] - expected(control, trial.features[is_treated])
        losses = expected(treated, trial.features[~is_treated]) - y[~is_treated]
        return _Mixed(
            (
                _fit_weighted(self.effect, trial.features[~is_treated], losses),
                _fit_weighted(self.effect, trial.features[is_treated], gains),
            ),
            np.array([is_treated.mean(), 1 - is_treated.mean()]),
        )


@dataclasses.dataclass(frozen=True)
class RLearner:
    """Residual on residual (Nie & Wager 2021): minimises `Σ ((y − m(x)) − (t − e(x)) τ(x))²`, `m` cross-fitted."""

    response: Model | None = None
    effect: BaseEstimator | None = None
    folds: int = 5

    def fit(self, trial: Trial, *, outcome: str, seed: int = 0) -> Effect:
        """Fits the outcome model out of fold, then the effect."""
        _check_two_arms(trial)
        y = trial.outcome(outcome)
        fold_of = split_folds(trial, y, folds=self.folds, seed=seed)
        mean = np.zeros(len(trial))
        for fold in range(self.folds):
            rows, inside = fold_of != fold, fold_of == fold
            mean[inside] = expected(fit_response(self.response, trial.features[rows], y[rows]), trial.features[inside])
        residual = trial.arms - trial.propensities[:, 1]
        return _Single(_fit_weighted(self.effect, trial.features, (y - mean) / residual, residual**2))


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
        _check_two_arms(trial)
        scores, weights = _pseudo_outcomes(trial, outcome, self.response, self.folds, seed)
        return _Single(_fit_weighted(self.effect, trial.features, scores, weights if self.is_weighted else None))


@dataclasses.dataclass(frozen=True)
class StackedLearner:
    """A calibrated blend of learners, weighted by what predicts held-out effects.

    Inner folds give each member's out-of-fold uplift `τ_k` and doubly robust scores `ψ`; the weights `b ≥ 0` minimise
    `Σ w (ψ − ψ̄ − Σ_k b_k (τ_k − τ̄_k))² + λ Σ_k (b_k − s_k Σ_j b_j)² + μ (Σ_k b_k − 1)²` (the R-stacking of Nie & Wager
    2021 on DR scores). The sum of the weights is the slope of calibration: heterogeneity that does not hold up out of
    fold shrinks to the mean effect. `λ` draws noisy weights to the shares `s` and `μ` a noisy slope to 1, both in
    measure of the noise of this very slope (heteroscedasticity-robust): of margin, whose noise sits where its effects
    are large, a trial of 20,000 users tells the slope to ± .5; believing that throws the members' knowledge away.

    The shares are those with which the members' expected outcomes under the arm that was given predict the outcome best
    out of fold (the super learner of van der Laan et al. 2007, squared error, rows weighted by inverse propensities):
    outcomes tell good models from bad long before effects do. They are equal where a member, such as an X-learner,
    expects no outcome. One member gives the calibrated member.

    Attributes:
        members: learners to blend; at least one.
        folds: inner folds.
        weight_spread: prior standard deviation of the weights about their shares.
        slope_spread: prior standard deviation of their sum about 1.
        response: model for the scores.
    """

    members: tuple[Learner, ...]
    folds: int = 5
    weight_spread: float = 0.1
    slope_spread: float = 0.3
    response: Model | None = None

    def fit(self, trial: Trial, *, outcome: str, seed: int = 0) -> "StackedEffect":
        """Fits the members in inner folds for the weights, then on all rows."""
        if not self.members:
            raise ConfigError("A stack needs at least one member. Pass e.g. `(TLearner(), DRLearner())`.")
        _check_two_arms(trial)
        fold_of = split_folds(trial, trial.outcome(outcome), folds=self.folds, seed=seed)
        scores, weights = _pseudo_outcomes(trial, outcome, self.response, self.folds, seed)
        held_out, awaited = np.zeros((2, len(trial), len(self.members)))
        for fold in range(self.folds):
            train, inside = trial.rows(fold_of != fold), fold_of == fold
            for k, member in enumerate(self.members):
                effect = member.fit(train, outcome=outcome, seed=seed)
                predicted = effect.predict(trial.features[inside])
                if isinstance(effect, _Responding):
                    awaited[inside, k] = effect.respond(trial.features[inside], trial.arms[inside])
                else:
                    awaited[inside, k] = np.nan
                # Centred by fold: members' levels differ between folds, and only the spread is at stake here.
                held_out[inside, k] = predicted - predicted.mean()
        mean = float(np.average(scores, weights=weights))
        shares = _shares(awaited, trial.outcome(outcome), trial.propensities[np.arange(len(trial)), trial.arms])
        blend = _blend_weights(held_out, scores - mean, weights, shares, (self.weight_spread, self.slope_spread))
        fitted = tuple(member.fit(trial, outcome=outcome, seed=seed) for member in self.members)
        centres = np.array([effect.predict(trial.features).mean() for effect in fitted])
        # The unweighted mean of the scores is the unbiased average effect.
        return StackedEffect(fitted, blend, centres, float(scores.mean()))


@dataclasses.dataclass(frozen=True)
class StackedEffect:
    """The fitted blend.

    Attributes:
        members: fitted effects.
        weights: `[K]` their weights; the sum is the calibration slope.
        centres: `[K]` each member's mean on the fitting users.
        average: average effect.
    """

    members: tuple[Effect, ...]
    weights: np.ndarray
    centres: np.ndarray
    average: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Returns `[n]` calibrated uplift."""
        result = np.full(len(features), self.average)
        for effect, weight, centre in zip(self.members, self.weights, self.centres, strict=True):
            if weight:
                result += weight * (effect.predict(features) - centre)
        return result


@dataclasses.dataclass(frozen=True)
class UpliftModel:
    """The uplift of each offer, ready for new users.

    Attributes:
        outcome: what it is the uplift of.
        arm_names: offers, without control.
        effects: one fitted effect an offer.
        n: users it was fitted on.
    """

    outcome: str
    arm_names: tuple[str, ...]
    effects: tuple[Effect, ...]
    n: int

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Returns `[n, A − 1]` uplift by each offer, in units of the outcome."""
        return np.stack([effect.predict(features) for effect in self.effects], axis=1)


@dataclasses.dataclass(frozen=True)
class UpliftScores:
    """Each user's uplift by a model that never saw the user.

    Attributes:
        outcome: what it is the uplift of.
        arm_names: offers, without control.
        scores: `[n, A − 1]`.
        folds: `[n]` fold codes; compare users of one fold with each other.
    """

    outcome: str
    arm_names: tuple[str, ...]
    scores: np.ndarray
    folds: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """Returns plain Python values for JSON (quantiles, not users)."""
        quantiles = np.quantile(self.scores, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0).T
        return to_plain(
            {
                "outcome": self.outcome,
                "n": len(self.scores),
                "quantiles": dict(zip(self.arm_names, quantiles, strict=True)),
            }
        )

    def summary(self) -> str:
        """Returns one sentence for the report."""
        parts = [
            f"{name} {self.scores[:, k].mean():+.4g} on average, {(self.scores[:, k] <= 0).mean():.0%} not helped"
            for k, name in enumerate(self.arm_names)
        ]
        return f"Predicted uplift of {self.outcome} (n = {len(self.scores):,}): {'; '.join(parts)}."


def default_learner() -> StackedLearner:
    """Returns the blend to start with, weighted by what holds up out of fold.

    Two additive members, one of them bent, and one of boosted trees: in a world with steps and interactions the trees
    lead, in a faint one the additive members do. All three model the outcome of both arms together on its own scale
    (logit, hurdle), which in simulated copies of real trials found more than regressions of noisy pseudo-effects.
    """
    return StackedLearner((SLearner(), SLearner(bend=Bend()), SLearner(trees_response)))


def fit_uplift(trial: Trial, *, outcome: str, learner: Learner | None = None, seed: int = 0) -> UpliftModel:
    """Fits each offer against control on all users.

    Args:
        trial: two or more arms.
        outcome: visit, conversion, spend, margin ... by name.
        learner: any recipe; `default_learner()` when left out.
        seed: of inner folds.

    Raises:
        SchemaError: unknown outcome.
    """
    learner = default_learner() if learner is None else learner
    effects = tuple(
        learner.fit(trial.against_control(arm), outcome=outcome, seed=seed) for arm in range(1, len(trial.arm_names))
    )
    return UpliftModel(outcome, trial.arm_names[1:], effects, len(trial))


def cross_fit_uplift(
    trial: Trial, *, outcome: str, learner: Learner | None = None, folds: int = 5, repeats: int = 1, seed: int = 0
) -> UpliftScores:
    """Scores every user by models fitted on the other folds: the honest input of curves and policies.

    Args:
        trial: two or more arms.
        outcome: by name.
        learner: any recipe; `default_learner()` when left out.
        folds: number of folds.
        repeats: fits per fold with other inner seeds, averaged; steadies learners that draw inner folds.
        seed: of the folds.
    """
    learner = default_learner() if learner is None else learner
    fold_of = split_folds(trial, trial.outcome(outcome), folds=folds, seed=seed)
    scores = np.zeros((len(trial), len(trial.arm_names) - 1))
    for fold in tqdm(range(folds), desc=f"uplift of {outcome}", leave=False, disable=len(trial) < 20_000):
        inside = fold_of == fold
        train = trial.rows(~inside)
        for repeat in range(repeats):
            model = fit_uplift(train, outcome=outcome, learner=learner, seed=seed + 1000 * repeat)
            scores[inside] += model.predict(trial.features[inside]) / repeats
    return UpliftScores(outcome, trial.arm_names[1:], scores, fold_of)


def ridge_effect(penalties: Sequence[float] = tuple(np.logspace(1, 5, 9))) -> BaseEstimator:
    """Returns the default second-stage model: ridge regression, penalty by leave-one-out."""
    return make_pipeline(StandardScaler(), RidgeCV(penalties))


@runtime_checkable
class _Responding(Protocol):
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


@dataclasses.dataclass(frozen=True)
class _Mixed:
    models: tuple[BaseEstimator, ...]
    weights: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        return sum(w * model.predict(features) for w, model in zip(self.weights, self.models, strict=True))


def _crossed(features: np.ndarray, treated: np.ndarray) -> np.ndarray:
    return np.concatenate([features, treated[:, None], features * treated[:, None]], axis=1)


def _by_arm(trial: Trial, outcome: str, response: Model | None) -> list[BaseEstimator]:
    _check_two_arms(trial)
    y = trial.outcome(outcome)
    return [fit_response(response, trial.features[trial.arms == arm], y[trial.arms == arm]) for arm in (0, 1)]


def _pseudo_outcomes(
    trial: Trial, outcome: str, response: Model | None, folds: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns DR effects and weights of mean 1, inverse to their variance as far as the expected outcomes tell it."""
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


def _shares(awaited: np.ndarray, outcome: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Returns `[K]` shares of sum 1 that predict the outcome best; equal where a member awaits none."""
    num = awaited.shape[1]
    if np.isnan(awaited).any():
        return np.full(num, 1 / num)
    root = 1 / np.sqrt(chances)
    firm = 1e3 * np.linalg.norm(awaited * root[:, None])  # holds the sum at 1
    design = np.concatenate([awaited * root[:, None], np.full((1, num), firm)])
    solution, _ = optimize.nnls(design, np.append(outcome * root, firm))
    return solution / solution.sum() if solution.sum() > 0 else np.full(num, 1 / num)


def _blend_weights(
    held_out: np.ndarray, target: np.ndarray, weights: np.ndarray, shares: np.ndarray, spreads: tuple[float, float]
) -> np.ndarray:
    num = held_out.shape[1]
    root = np.sqrt(weights)
    together = held_out @ shares
    square = np.average(together**2, weights=weights)
    noise = np.sqrt(np.average(target**2 * together**2 * weights, weights=weights) / square) if square > 0 else 1.0
    alike = noise / spreads[0] * (np.eye(num) - shares[:, None])
    slope = np.full((1, num), noise / spreads[1])
    design = np.concatenate([held_out * root[:, None], alike, slope])
    solution, _ = optimize.nnls(design, np.concatenate([target * root, np.zeros(num), slope[0, :1]]))
    return solution


def _check_two_arms(trial: Trial) -> None:
    if len(trial.arm_names) != 2:
        raise SchemaError(
            f"A learner compares one offer with control; the trial has the arms {', '.join(trial.arm_names)}. "
            "Use `fit_uplift`, or `trial.against_control(arm)`, or `trial.any_offer()`."
        )
    counts = np.bincount(trial.arms, minlength=2)
    if counts.min() < 2:
        raise SchemaError(f"Both arms need users; got {counts[0]} in control and {counts[1]} with the offer.")
