"""Chooses, combines, reconciles and bounds the forecast of one origin by the trials before it."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tfrec.analysis.demand import LEVELS, Demand
from tfrec.analysis.smoothing import CLOSED, METHODS, YEARLY, Trial, misses

_NEAR = 0.05  # methods whose error is within this share of the best one's are averaged
_LEAST_YEARLY_TRIALS = 3
_WITHOUT_YEAR = METHODS.index(("mean of last weeks", 8))  # what the yearly pattern multiplies
_ADAPTATION = 0.3  # γ of adaptive conformal inference for a whole period of days
_RECONCILIATIONS = ("bottom-up", "top-down", "minimum trace")


@dataclasses.dataclass(frozen=True)
class Decision:
    """The forecast of one origin, chosen and bounded by the trials before it."""

    trial: Trial
    forecast: np.ndarray  # [n, H]
    width: np.ndarray  # [n, H] half width of the daily interval; NaN unknown
    total_width: np.ndarray  # [n]
    is_open: np.ndarray  # [n, H] days on which the series sells at all
    target: Mapping[str, float]  # level → share aimed at, after what earlier intervals held
    num_earlier: int  # trials it rests on
    choice: Mapping[str, str]


def decide(demand: Demand, earlier: list[Trial], decisions: list[Decision], now: Trial, coverage: float) -> Decision:
    """Returns the forecast of the trial `now`, by the methods and the reconciliation that did best before."""
    present = [level for level in LEVELS if (demand.levels == level).any()]
    chosen = {level: _good_methods(demand.levels == level, earlier, now) for level in present}
    raw = [_combine(demand, trial, chosen) for trial in earlier]
    spread = _error_variance(demand, raw, earlier)
    errors = []
    for how in _RECONCILIATIONS:
        fixed = [_reconcile(demand, forecast, spread, how) for forecast in raw]
        missed = [misses(trial.outcome, forecast) for forecast, trial in zip(fixed, earlier, strict=True)]
        errors.append(np.mean([_relative_error(demand.levels == level, missed, earlier) for level in present]))
    how = _RECONCILIATIONS[int(np.argmin(errors))] if earlier else "bottom-up"
    fixed = [_reconcile(demand, forecast, spread, how) for forecast in raw]
    forecast = _reconcile(demand, _combine(demand, now, chosen), spread, how)
    is_open = now.weight > CLOSED
    width, total_width = np.full(forecast.shape, np.nan), np.full(len(forecast), np.nan)
    target = {level: _target(demand.levels == level, decisions, coverage) for level in present}
    for level in present:
        is_level = demand.levels == level
        day_scores, total_scores = _scores(is_level, fixed, earlier)
        width[is_level] = _conformal(day_scores, target[level]) * now.deviation[is_level, None] * now.weight[is_level]
        total_width[is_level] = (
            _conformal(total_scores, target[level]) * now.deviation[is_level] * now.root_days[is_level]
        )
    names = {level: " + ".join(f"{METHODS[m][0]} {METHODS[m][1]}" for m in chosen[level]) for level in present}
    return Decision(now, forecast, width, total_width, is_open, target, len(earlier), {**names, "reconciliation": how})


def _target(is_level: np.ndarray, decisions: list[Decision], coverage: float) -> float:
    """Returns the share to aim at: more than `coverage` after intervals that held less, so that drift is made up for.

    Adaptive conformal inference (Gibbs & Candès 2021, equation 2), a step an origin.
    """
    target = coverage
    for decision in decisions:
        miss = np.abs(decision.trial.outcome[is_level] - decision.forecast[is_level])
        use = decision.is_open[is_level] & np.isfinite(decision.width[is_level])
        if use.any():
            target += _ADAPTATION * (coverage - float((miss <= decision.width[is_level])[use].mean()))
    return float(np.clip(target, 0.5, 0.99))


def _good_methods(is_level: np.ndarray, earlier: list[Trial], now: Trial) -> list[int]:
    """Returns the methods whose error over earlier origins is near the least; all before there are any.

    Their mean is forecast: it beats the single best one, which is partly best by chance (Makridakis et al. 2020). The
    yearly pattern is judged on the origins that have a year before them; it is one of several until there are three.
    """
    ordinary = [method for method in range(len(METHODS)) if method != YEARLY]
    if not earlier:
        return ordinary
    chosen = _near_best(is_level, earlier, ordinary)
    with_year = [trial for trial in earlier if trial.has_year]
    if not now.has_year:
        return chosen
    if len(with_year) < _LEAST_YEARLY_TRIALS:
        return [*chosen, YEARLY]
    among_all = _near_best(is_level, with_year, [*ordinary, YEARLY])
    return among_all if YEARLY in among_all else chosen


def _near_best(is_level: np.ndarray, trials: list[Trial], methods: list[int]) -> list[int]:
    errors = np.array(
        [_relative_error(is_level, [trial.misses[method] for trial in trials], trials) for method in methods]
    )
    return [methods[place] for place in np.flatnonzero(errors <= errors.min() * (1 + _NEAR))]


def _combine(demand: Demand, trial: Trial, chosen: Mapping[str, list[int]]) -> np.ndarray:
    """Returns `[n, H]` the mean of the methods chosen for each level; eight weeks' mean where none of them is known."""
    result = np.empty(trial.naive.shape)
    for level, methods in chosen.items():
        is_level = demand.levels == level
        usable = methods if trial.has_year else [method for method in methods if method != YEARLY]
        result[is_level] = trial.methods[usable or [_WITHOUT_YEAR]][:, is_level].mean(axis=0)
    return result


def _relative_error(is_level: np.ndarray, missed: list[np.ndarray], trials: list[Trial]) -> float:
    """Returns the mean of two absolute errors over those of the naive forecast: of single days, and of whole sums.

    Args:
        is_level: `[n]` series that count.
        missed: for each trial `[2, n]`, see `misses`.
        trials: the trials.
    """
    if not trials:
        return 0.0
    own = np.sum(missed, axis=0)[:, is_level].sum(axis=1)
    naive = np.sum([trial.misses[-1] for trial in trials], axis=0)[:, is_level].sum(axis=1)
    return float((own / np.maximum(naive, 1e-9)).mean())


def _error_variance(demand: Demand, forecasts: list[np.ndarray], trials: list[Trial]) -> np.ndarray:
    """Returns `[n]` mean squared error of each series, half of it that of its level, so that none is 0."""
    if not trials:
        return np.ones(len(demand.names))
    squares = [(trial.outcome - forecast) ** 2 for forecast, trial in zip(forecasts, trials, strict=True)]
    mean_squares = np.mean([square.mean(axis=1) for square in squares], axis=0)
    of_level = pd.Series(mean_squares).groupby(demand.levels).transform("mean").to_numpy()
    return 0.5 * mean_squares + 0.5 * of_level + 1e-12


def _reconcile(demand: Demand, forecast: np.ndarray, variance: np.ndarray, how: str) -> np.ndarray:
    """Returns forecasts that add up.

    Minimum trace with diagonal W, written for a tree, with A the aggregation, u and b upper and bottom forecasts:
    `b̃ = b + W_b Aᵀ (W_u + A W_b Aᵀ)⁻¹ (u − A b)`.
    """
    upper, bottom = forecast[: demand.num_upper], forecast[demand.num_upper :]
    added = demand.aggregation
    if how == "top-down":
        shares = bottom / np.maximum(bottom.sum(axis=0), 1e-12)
        bottom = shares * upper[0]
    elif how == "minimum trace":
        w_upper, w_bottom = variance[: demand.num_upper], variance[demand.num_upper :]
        gain = (added * w_bottom).T @ np.linalg.inv(np.diag(w_upper) + (added * w_bottom) @ added.T)
        bottom = np.maximum(bottom + gain @ (upper - added @ bottom), 0)
    return np.concatenate([added @ bottom, bottom])


def _scores(is_level: np.ndarray, forecasts: list[np.ndarray], trials: list[Trial]) -> tuple[np.ndarray, np.ndarray]:
    """Returns how many deviations earlier forecasts missed by: of open days, and of sums."""
    days, totals = [np.zeros(0)], [np.zeros(0)]
    for forecast, trial in zip(forecasts, trials, strict=True):
        miss = trial.outcome[is_level] - forecast[is_level]
        weight = trial.weight[is_level]
        is_open = weight > CLOSED
        days.append((np.abs(miss) / (trial.deviation[is_level, None] * np.maximum(weight, CLOSED)))[is_open])
        totals.append(np.abs(miss.sum(axis=1)) / (trial.deviation * trial.root_days)[is_level])
    return np.concatenate(days), np.concatenate(totals)


def _conformal(scores: np.ndarray, coverage: float) -> float:
    """Returns the ⌈(n + 1)·coverage⌉-th smallest score; NaN where there are too few."""
    rank = int(np.ceil((len(scores) + 1) * coverage))
    return float(np.partition(scores, rank - 1)[rank - 1]) if 0 < rank <= len(scores) else float("nan")
