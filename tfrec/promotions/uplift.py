"""Estimates each user's uplift by each offer: a cross-fitted learner for every offer against control."""

import dataclasses
from typing import ClassVar

import numpy as np
from tqdm import tqdm

from tfrec.promotions.learners import Effect, Learner
from tfrec.promotions.response import split_folds
from tfrec.promotions.stacking import default_learner
from tfrec.promotions.trial import Trial


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

    JSON_KEYS: ClassVar = ("outcome", "n", "quantiles")

    outcome: str
    arm_names: tuple[str, ...]
    scores: np.ndarray
    folds: np.ndarray

    @property
    def n(self) -> int:
        """Number of users."""
        return len(self.scores)

    @property
    def quantiles(self) -> dict[str, np.ndarray]:
        """Offer → `[5]` the 5th, 25th, 50th, 75th and 95th percentile of the users' uplift."""
        ends = np.quantile(self.scores, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0).T
        return dict(zip(self.arm_names, ends, strict=True))


def fit_uplift(trial: Trial, *, outcome: str, learner: Learner | None = None, seed: int = 0) -> UpliftModel:
    """Fits each offer against control on all users.

    Args:
        trial: two or more arms.
        outcome: visit, conversion, spend, margin ... by name.
        learner: any recipe; `default_learner()` when left out.
        seed: random seed of inner folds.

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
        seed: random seed of the folds.
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
