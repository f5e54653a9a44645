"""Blends learners by how well they predict, and shrinks their effects to the average as far as they are noise."""

import dataclasses
import itertools

import numpy as np
from scipy import optimize

from tfrec.errors import ConfigError
from tfrec.promotions.learners import Effect, Learner, Responding, SLearner, check_two_arms, pseudo_outcomes
from tfrec.promotions.response import Bend, Model, split_folds, trees_response
from tfrec.promotions.trial import Trial


@dataclasses.dataclass(frozen=True)
class StackedLearner:
    """A calibrated blend of learners, weighted by how well they predict held-out effects.

    The idea: each member predicts every user's effect out of fold; a regression of unbiased but noisy effects on these
    predictions says how much of each member to trust. Noisy weights are shrunk, so that the blend never varies more
    between users than the trial supports.

    Inner folds give each member's out-of-fold uplift `τ_k` and doubly robust scores `ψ`; the weights `b ≥ 0` minimise
    `Σ w (ψ − ψ̄ − Σ_k b_k (τ_k − τ̄_k))² + λ Σ_k (b_k − s_k Σ_j b_j)² + μ (Σ_k b_k − r)²` (the R-stacking of Nie & Wager
    2021 on doubly robust scores). The sum of the weights is the slope of calibration: heterogeneity that is not
    confirmed out of fold shrinks to the average effect. `λ` shrinks noisy weights to the shares `s`, and `μ` a noisy
    slope to the reliability `r`, both in units of the noise of this very slope (heteroscedasticity-robust).

    Why the slope needs a prior: the noise of margin is largest where its effects are, and a trial of 20,000 users
    determines the slope to ± .5 only. The reliability is estimated far better, because the noise of outcomes enters it
    only through the models: two blends fitted to disjoint halves `a`, `b` agree as far as they have learned the
    effects, so `S = cov(τ_a, τ_b)` is the variance of the signal, `N = var(τ_a) − S` the noise of half the users, and
    `r = S / (S + N / 2)` (Spearman & Brown 1910).

    The shares are those with which the members' expected outcomes under the given arm predict the outcome best out of
    fold (the super learner of van der Laan et al. 2007, squared error, rows weighted by inverse propensities): outcomes
    separate good models from bad with far less data than effects do. The shares are equal where a member, such as an
    DR-learner, expects no outcome. One member gives the calibrated member.

    Example with one member and three users: centred predictions `τ = (−1, 0, 1)`, centred scores `ψ = (−2, 1, 1)` and
    `w = 1` give the slope `Σ ψτ / Σ τ² = 3 / 2` without the priors, and a value between 3 / 2 and `r` with them.

    Attributes:
        members: learners to blend; at least one.
        folds: inner folds.
        weight_spread: prior standard deviation of the weights about their shares.
        slope_spread: prior standard deviation of their sum about the reliability.
        halvings: times that the users are halved for the reliability.
        response: model for the scores.
    """

    members: tuple[Learner, ...]
    folds: int = 5
    weight_spread: float = 0.1
    slope_spread: float = 0.3
    halvings: int = 2
    response: Model | None = None

    def fit(self, trial: Trial, *, outcome: str, seed: int = 0) -> "StackedEffect":
        """Fits the members in inner folds for the weights, then on all rows."""
        if not self.members:
            raise ConfigError("A stack needs at least one member. Pass e.g. `(TLearner(), DRLearner())`.")
        check_two_arms(trial)
        fold_of = split_folds(trial, trial.outcome(outcome), folds=self.folds, seed=seed)
        scores, weights = pseudo_outcomes(trial, outcome, self.response, self.folds, seed)
        held_out, awaited = np.zeros((2, len(trial), len(self.members)))
        for fold in range(self.folds):
            train, inside = trial.rows(fold_of != fold), fold_of == fold
            for k, member in enumerate(self.members):
                effect = member.fit(train, outcome=outcome, seed=seed)
                predicted = effect.predict(trial.features[inside])
                if isinstance(effect, Responding):
                    awaited[inside, k] = effect.respond(trial.features[inside], trial.arms[inside])
                else:
                    awaited[inside, k] = np.nan
                # Centred by fold: members' levels differ between folds, and only the spread is at stake here.
                held_out[inside, k] = predicted - predicted.mean()
        mean = float(np.average(scores, weights=weights))
        shares = _shares(awaited, trial.outcome(outcome), trial.propensities[np.arange(len(trial)), trial.arms])
        reliability = self._reliability(trial, outcome, shares, seed)
        spreads = (self.weight_spread, self.slope_spread)
        blend = _blend_weights(held_out, scores - mean, weights, shares, reliability, spreads)
        fitted = tuple(member.fit(trial, outcome=outcome, seed=seed) for member in self.members)
        centres = np.array([effect.predict(trial.features).mean() for effect in fitted])
        # The unweighted mean of the scores is the unbiased average effect.
        return StackedEffect(fitted, blend, centres, float(scores.mean()))

    def _reliability(self, trial: Trial, outcome: str, shares: np.ndarray, seed: int) -> float:
        """Returns the share of the blend's spread that is no noise, in [0, 1]."""
        signal = spread = 0.0
        for halving in range(self.halvings):
            half_of = split_folds(trial, trial.outcome(outcome), folds=2, seed=seed + 1 + halving)
            blends = np.zeros((2, len(trial)))
            for half, share in itertools.product(range(2), range(len(shares))):
                if shares[share]:
                    effect = self.members[share].fit(trial.rows(half_of == half), outcome=outcome, seed=seed)
                    blends[half] += shares[share] * effect.predict(trial.features)
            matrix = np.cov(blends)
            signal += max(float(matrix[0, 1]), 0.0)
            spread += float(matrix.trace()) / 2
        return 2 * signal / (signal + spread) if spread > 0 else 1.0


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


def default_learner() -> StackedLearner:
    """Returns the blend to start with, weighted by what holds up out of fold.

    Two additive members, one of them bent, and one of boosted trees: in a world with steps and interactions the trees
    lead, in one with weak effects the additive members do. All three model the outcome of both arms together on its own
    scale (logit, hurdle), which in simulated copies of real trials found more than regressions of noisy pseudo-effects.
    One additive member alone takes a hundredth of the time and ranks users nearly as well, but its effects are further
    from the truth, by more than the spread of the effects where these are small (`make bench-learners`): budgets and
    promises need effects in the right size.
    """
    return StackedLearner((SLearner(), SLearner(bend=Bend()), SLearner(trees_response)))


def _shares(awaited: np.ndarray, outcome: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Returns `[K]` shares of sum 1 that predict the outcome best; equal where a member expects no outcome.

    Non-negative least squares of the outcome on the expected outcomes, rows weighted by `1 / propensity`; a last row
    of large weight holds the sum at 1. Example: expected outcomes (1, 0) of the first member and (0, 1) of the second
    for two users whose outcomes are (1, 0) give the shares (1, 0).

    Args:
        awaited: `[n, K]` expected outcomes under the given arms, out of fold.
        outcome: `[n]` outcomes.
        chances: `[n]` propensities of the given arms.
    """
    num = awaited.shape[1]
    if np.isnan(awaited).any():
        return np.full(num, 1 / num)
    root = 1 / np.sqrt(chances)
    firm = 1e3 * np.linalg.norm(awaited * root[:, None])  # holds the sum at 1
    design = np.concatenate([awaited * root[:, None], np.full((1, num), firm)])
    solution, _ = optimize.nnls(design, np.append(outcome * root, firm))
    return solution / solution.sum() if solution.sum() > 0 else np.full(num, 1 / num)


def _blend_weights(
    held_out: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray,
    shares: np.ndarray,
    reliability: float,
    spreads: tuple[float, float],
) -> np.ndarray:
    """Returns `[K]` weights of the members, ≥ 0, by the penalised regression of `StackedLearner`.

    Each penalty is written as rows of one non-negative least squares: `K` rows hold the weights near their shares of
    the sum, one row holds the sum near the reliability. A row's factor is the noise of the slope over the prior's
    standard deviation, so that the data decide where they are precise and the prior where they are not.

    Args:
        held_out: `[n, K]` centred uplift, out of fold.
        target: `[n]` centred doubly robust scores.
        weights: `[n]` of the rows, mean 1.
        shares: `[K]` prior shares of the weights.
        reliability: prior of their sum.
        spreads: prior standard deviations, of the shares and of the sum.
    """
    num = held_out.shape[1]
    root = np.sqrt(weights)
    together = held_out @ shares
    square = np.average(together**2, weights=weights)
    noise = np.sqrt(np.average(target**2 * together**2 * weights, weights=weights) / square) if square > 0 else 1.0
    alike = noise / spreads[0] * (np.eye(num) - shares[:, None])
    slope = np.full((1, num), noise / spreads[1])
    design = np.concatenate([held_out * root[:, None], alike, slope])
    solution, _ = optimize.nnls(design, np.concatenate([target * root, np.zeros(num), reliability * slope[0, :1]]))
    return solution
