"""Evaluates scores of several offers with costs: what each budget gains, and the multi-armed Qini of it."""

import dataclasses
from typing import ClassVar

import numpy as np

from tfrec.errors import SchemaError
from tfrec.statistics.bands import uniform_band
from tfrec.statistics.estimates import Estimate


@dataclasses.dataclass(frozen=True)
class BudgetCurve:
    """What is gained by spending a budget where the scores promise most for it.

    Attributes:
        budgets: `[G]` money per user of the whole, ascending from 0.
        gains: `[G]` outcome gained per user of the whole.
        low: `[G]` lower end of a band that holds the whole curve.
        high: `[G]` upper end.
        untargeted: `[G]` the gain of spending the same on users drawn at random, on the offers best on average.
        qini: mean of `gains − untargeted` over the budgets.
        n: users.
    """

    JSON_KEYS: ClassVar = ("budgets", "gains", "low", "high", "untargeted", "qini", "n")

    budgets: np.ndarray
    gains: np.ndarray
    low: np.ndarray
    high: np.ndarray
    untargeted: np.ndarray
    qini: Estimate
    n: int


def budget_curve(
    scores: np.ndarray,
    costs: np.ndarray,
    effects: np.ndarray,
    *,
    points: int = 50,
    resamples: int = 300,
    level: float = 0.95,
    seed: int = 0,
) -> BudgetCurve:
    """Draws the multi-armed Qini curve (Sverdrup, Wu, Athey & Wager 2023).

    Each user's offers form a concave path of cost and score, from none to the best one: the upper convex hull of the
    points `(cost_k, score_k)` and `(0, 0)`. A budget takes the steps of all users in the order of
    `Δscore / Δcost`, which solves the multiple-choice knapsack up to one user. `Q(B)` is the mean of the unbiased
    effects of the offers that are given at the budget `B` per user. The Qini is `∫ (Q(B) − Q̄(B)) dB / B_max`, with
    `Q̄` the same for one average user, whose steps go to users drawn at random, and `B_max` the cost of all steps. With
    one offer of equal cost it is the Qini of `uplift_curve`, up to the users whose score is not above 0.

    Intervals come from a Poisson bootstrap over users, with scores and their order held fixed.

    Args:
        scores: `[n, K]` out-of-fold effect of each offer, in units of the outcome.
        costs: `[n, K]` expected cost of each offer, at least 0.
        effects: `[n, K]` unbiased noisy effects (`Responses.effects()`).
        points: G.
        resamples: number of resamples.
        level: confidence level.
        seed: random seed of the bootstrap.

    Raises:
        SchemaError: shapes differ, or a cost is negative.
    """
    if not scores.shape == costs.shape == effects.shape or scores.ndim != 2:
        raise SchemaError(
            f"Scores, costs and effects must be [n, K], a row a user, a column an offer; got {scores.shape}, "
            f"{costs.shape} and {effects.shape}."
        )
    if costs.min() < 0:
        raise SchemaError(f"Costs must be at least 0; got {costs.min():g}.")
    n = len(scores)
    users, spent, gained = _steps(scores, costs, effects)
    budgets = np.linspace(0.0, float(spent.sum()) / n, points)
    gains = _path(spent, gained, n, budgets)
    untargeted = _untargeted(scores.mean(axis=0), costs.mean(axis=0), effects.mean(axis=0), budgets)
    draws, differences = np.empty((resamples, points)), np.empty(resamples)
    rng = np.random.default_rng([seed, 17])
    for draw in range(resamples):
        weights = rng.poisson(1.0, size=n).astype(np.float64)
        total = weights.sum()
        draws[draw] = _path(weights[users] * spent, weights[users] * gained, total, budgets)
        score, cost, effect = (np.average(values, axis=0, weights=weights) for values in (scores, costs, effects))
        differences[draw] = _mean_over(budgets, draws[draw] - _untargeted(score, cost, effect, budgets))
    low, high = uniform_band(gains, draws, level=level)
    ends = np.quantile(differences, [0.5 - level / 2, 0.5 + level / 2])
    value, error = _mean_over(budgets, gains - untargeted), float(differences.std(ddof=1))
    qini = Estimate(value, float(ends[0]), float(ends[1]), error, n, level)
    return BudgetCurve(budgets, gains, low, high, untargeted, qini, n)


def _steps(scores: np.ndarray, costs: np.ndarray, effects: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns `[S]` user, cost and effect of each step of the users' hulls, best value for money first."""
    n, num_offers = scores.shape
    rows = np.arange(n)
    at_score, at_cost, at_effect = np.zeros((3, n))
    tiny = 1e-12 * max(float(costs.max()), 1e-300)
    parts = []
    for _ in range(num_offers):
        rise, run = scores - at_score[:, None], costs - at_cost[:, None]
        ratio = np.where((rise > 0) & (run >= 0), rise / np.maximum(run, tiny), -np.inf)
        best = ratio.argmax(axis=1)
        moved = np.flatnonzero(np.isfinite(ratio[rows, best]))
        if not len(moved):
            break
        offer = best[moved]
        step = costs[moved, offer] - at_cost[moved], effects[moved, offer] - at_effect[moved]
        parts.append((moved, *step, ratio[moved, offer]))
        at_score[moved], at_cost[moved] = scores[moved, offer], costs[moved, offer]
        at_effect[moved] = effects[moved, offer]
    if not parts:
        return np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0)
    users, spent, gained, ratio = (np.concatenate(values) for values in zip(*parts, strict=True))
    order = np.argsort(-ratio, kind="stable")  # a user's steps come in turn, for their ratios fall
    return users[order], spent[order], gained[order]


def _path(spent: np.ndarray, gained: np.ndarray, n: float, budgets: np.ndarray) -> np.ndarray:
    """Returns `[G]` what the steps gain per user when as many are taken as a budget per user pays."""
    return np.interp(budgets, np.append(0.0, np.cumsum(spent)) / n, np.append(0.0, np.cumsum(gained)) / n)


def _untargeted(score: np.ndarray, cost: np.ndarray, effect: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    _, spent, gained = _steps(score[None], cost[None], effect[None])
    return _path(spent, gained, 1.0, budgets)


def _mean_over(budgets: np.ndarray, values: np.ndarray) -> float:
    return float(np.trapezoid(values, budgets) / budgets[-1]) if budgets[-1] > 0 else 0.0
