"""Estimates the expected outcome under each arm: response models, cross-fitted, with doubly robust scores."""

import dataclasses
from collections.abc import Callable
from typing import Any, Self, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tfrec.errors import ConfigError, SchemaError
from tfrec.promotions.trial import Trial

Model: TypeAlias = BaseEstimator | Callable[[np.ndarray], BaseEstimator]
"""An estimator, or what chooses one by the outcome."""


class HurdleRegressor(RegressorMixin, BaseEstimator):
    """Expected spend as `P(spend > 0 | x) · E[spend | spend > 0, x]`, for outcomes that mostly are zero.

    The size is a regression of `log spend`, scaled to the mean spend (as in Duan's smearing, 1983), so that a few large
    baskets do not rule the fit. With fewer than `min_positive` spenders the mean size stands for all.

    Args:
        chance: classifier of `spend > 0`; logistic regression when left out.
        size: regression of `log spend`; small boosted trees when left out: "mean past basket, 0 for none" is no line.
        min_positive: spenders needed for a model of the size.
    """

    def __init__(
        self, chance: BaseEstimator | None = None, size: BaseEstimator | None = None, min_positive: int = 100
    ) -> None:
        self.chance = chance
        self.size = size
        self.min_positive = min_positive

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fits both parts; `X [n, p]`, `y [n] ≥ 0`."""
        positive = y > 0
        self.mean_ = float(y[positive].mean()) if positive.any() else 0.0
        self.chance_ = None
        if positive.any() and not positive.all():
            self.chance_ = clone(self.chance if self.chance is not None else logistic_response()).fit(X, positive)
        self.share_ = float(positive.mean())
        self.size_ = None
        if positive.sum() >= self.min_positive:
            log = np.log(y[positive])
            self.size_ = clone(self.size if self.size is not None else _size_model()).fit(X[positive], log)
            fitted = np.exp(self.size_.predict(X[positive]))
            # Scaled to the mean spend rather than by the mean residual: exact in total.
            self.smear_ = float(y[positive].mean() / max(fitted.mean(), 1e-12))
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Returns `[n]` expected spend."""
        chance = self.chance_.predict_proba(X)[:, 1] if self.chance_ is not None else np.full(len(X), self.share_)
        size = np.exp(self.size_.predict(X)) * self.smear_ if self.size_ is not None else self.mean_
        return chance * size


def logistic_response(strength: float = 1.0) -> BaseEstimator:
    """Returns the default model of a 0/1 outcome: logistic regression on standardised features, `C = strength`."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))


def boosted_response(*, binary: bool = True, seed: int = 0) -> BaseEstimator:
    """Returns small boosted trees, for large logs whose effects are not additive."""
    settings: dict[str, Any] = {
        "max_depth": 3, "learning_rate": 0.05, "max_iter": 100, "min_samples_leaf": 100, "l2_regularization": 10.0,
        "random_state": seed,
    }  # fmt: skip
    return HistGradientBoostingClassifier(**settings) if binary else HistGradientBoostingRegressor(**settings)


def default_response(outcome: np.ndarray) -> BaseEstimator:
    """Returns the model for `[n]` outcomes: logistic for 0/1, hurdle for mostly zero amounts, ridge for others."""
    if _is_binary(outcome):
        return logistic_response()
    if _is_mostly_zero(outcome):
        return HurdleRegressor()
    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11)))


def trees_response(outcome: np.ndarray) -> BaseEstimator:
    """Returns `boosted_response` for the kind of `[n]` outcomes: 0/1, within the hurdle model, or the amount itself."""
    if not _is_binary(outcome) and _is_mostly_zero(outcome):
        return HurdleRegressor(boosted_response())
    return boosted_response(binary=_is_binary(outcome))


def expected(model: BaseEstimator, features: np.ndarray) -> np.ndarray:
    """Returns `[n]` probability of 1 for a classifier, the prediction for a regressor."""
    if is_classifier(model):
        classes = list(model.classes_)
        return model.predict_proba(features)[:, classes.index(1)] if 1 in classes else np.zeros(len(features))
    return model.predict(features)


def fit_response(model: Model | None, features: np.ndarray, outcome: np.ndarray) -> BaseEstimator:
    """Returns a fitted copy; an outcome without variation gives a constant, which no classifier can fit.

    Args:
        model: an estimator, or what chooses one by the outcome; `default_response` when left out.
        features: `[n, p]`.
        outcome: `[n]`.

    Raises:
        SchemaError: no rows.
    """
    if not len(outcome):
        raise SchemaError(
            "A response model needs rows; this arm has none in the fold. Use fewer folds or drop the arm."
        )
    if outcome.min() == outcome.max():
        return _Constant(float(outcome[0])).fit(features, outcome)
    chosen = clone(model) if isinstance(model, BaseEstimator) else (model or default_response)(outcome)
    return chosen.fit(features, outcome)


@dataclasses.dataclass(frozen=True)
class Responses:
    """Expected outcomes of each user under each arm, by models that never saw the user.

    Attributes:
        outcome: its name.
        expected: `[n, A]`.
        scores: `[n, A]` doubly robust scores, whose mean over any group is an unbiased estimate of the group's mean
            outcome had all of it got that arm.
        folds: `[n]` the fold of each user.
    """

    outcome: str
    expected: np.ndarray
    scores: np.ndarray
    folds: np.ndarray

    def effects(self) -> np.ndarray:
        """Returns `[n, A − 1]` noisy but unbiased effects of each offer against control (DR pseudo-outcomes)."""
        return self.scores[:, 1:] - self.scores[:, :1]


def cross_fit_responses(
    trial: Trial, *, outcome: str, model: Model | None = None, folds: int = 5, seed: int = 0
) -> Responses:
    """Fits a response model for each arm on all folds but one, and scores that one.

    `Γ_a = μ_a(x) + 1{arm = a} (y − μ_a(x)) / p_a(x)` (Robins, Rotnitzky & Zhao 1994): unbiased through the known
    propensities, narrower through the models.

    Args:
        trial: n users.
        outcome: which outcome.
        model: scikit-learn estimator; by the outcome when left out.
        folds: number of folds.
        seed: random seed of the folds.
    """
    y = trial.outcome(outcome)
    fold_of = split_folds(trial, y, folds=folds, seed=seed)
    num_arms = len(trial.arm_names)
    result = np.zeros((len(trial), num_arms))
    for fold in range(folds):
        inside, outside = fold_of == fold, fold_of != fold
        for arm in range(num_arms):
            rows = outside & (trial.arms == arm)
            result[inside, arm] = expected(fit_response(model, trial.features[rows], y[rows]), trial.features[inside])
    given = trial.arms[:, None] == np.arange(num_arms)
    scores = result + given * (y[:, None] - result) / np.maximum(trial.propensities, 1e-9)
    return Responses(outcome, result, scores, fold_of)


def split_folds(trial: Trial, outcome: np.ndarray, *, folds: int, seed: int) -> np.ndarray:
    """Returns `[n]` fold codes, stratified by arm and by whether the outcome happened.

    Raises:
        ConfigError: fewer than two folds.
    """
    if folds < 2:
        raise ConfigError(f"Cross-fitting needs at least two folds; got {folds}.")
    strata = trial.arms * 2 + (outcome > 0)
    if np.bincount(strata)[np.unique(strata)].min() < folds:
        strata = trial.arms
    result = np.zeros(len(trial), dtype=np.int64)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for fold, (_, inside) in enumerate(splitter.split(trial.features, strata)):
        result[inside] = fold
    return result


def _size_model() -> BaseEstimator:
    return HistGradientBoostingRegressor(
        max_depth=3, learning_rate=0.1, max_iter=60, min_samples_leaf=30, l2_regularization=5.0, random_state=0
    )


def _is_binary(outcome: np.ndarray) -> bool:
    return bool(np.isin(outcome, (0.0, 1.0)).all())


def _is_mostly_zero(outcome: np.ndarray) -> bool:
    return bool((outcome >= 0).all() and (outcome == 0).mean() > 0.5)


class Bend(TransformerMixin, BaseEstimator):
    """Adds the square of each column that takes more than two values, so that a line can bend.

    Squares are of the standardised column, cut at ±`reach` standard deviations: beyond, few users would rule the fit.
    """

    def __init__(self, reach: float = 3.0) -> None:
        self.reach = reach

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> Self:
        """Notes means and spreads; `X [n, p]`."""
        has_between = (X.min(axis=0) < X) & (X.max(axis=0) > X)
        self.columns_ = np.flatnonzero(has_between.any(axis=0))
        self.mean_, self.spread_ = X[:, self.columns_].mean(axis=0), X[:, self.columns_].std(axis=0)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Returns `[n, p + squares]`."""
        z = (X[:, self.columns_] - self.mean_) / self.spread_
        return np.concatenate([X, np.clip(z, -self.reach, self.reach) ** 2], axis=1)


class _Constant(RegressorMixin, BaseEstimator):
    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        self.is_fitted_ = True
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.full(len(X), self.value)
