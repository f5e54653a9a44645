"""Computes always-valid intervals from the checkpoints of a running experiment.

A fixed-horizon interval holds at one look that was planned. Looking daily and stopping at the first "significant" day
errs far more often than 5 %. A confidence sequence covers the truth at all looks at once.
"""

import dataclasses
import math
from typing import ClassVar, Literal

import numpy as np
from scipy import special

from tfrec.errors import ConfigError, SchemaError

Verdict = Literal["better", "worse", "undecided"]
"""What an interval shows of a treatment."""


@dataclasses.dataclass(frozen=True)
class SequentialReadOut:
    """An experiment's path, checkpoint by checkpoint (`T` of them).

    Attributes:
        differences: `[T]` treatment − control.
        low: `[T]` lower ends of the always-valid interval (running intersection where `is_nested`).
        high: `[T]` upper ends.
        p_values: `[T]` always-valid p-values, never rising.
        fixed_low: `[T]` lower ends as if that checkpoint were the only look.
        fixed_high: `[T]` upper ends likewise.
        n: `[T]` users so far.
        level: confidence level.
        decided_at: first checkpoint whose always-valid interval leaves zero; −1 never.
        naive_at: first checkpoint whose fixed-horizon interval leaves zero; −1 never. What peeking would have called.
        is_good_up: whether more of the metric is better.
    """

    JSON_KEYS: ClassVar = (
        "differences", "low", "high", "p_values", "fixed_low", "fixed_high", "n", "level", "decided_at", "naive_at",
        "verdict", "fixed_verdict", "has_faded",
    )  # fmt: skip

    differences: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_values: np.ndarray
    fixed_low: np.ndarray
    fixed_high: np.ndarray
    n: np.ndarray
    level: float
    decided_at: int
    naive_at: int
    is_good_up: bool = True

    @property
    def verdict(self) -> Verdict:
        """`better`, `worse` or `undecided` of the first checkpoint that decides, safe under any number of looks."""
        if self.decided_at < 0:
            return "undecided"
        return "better" if (self.low[self.decided_at] > 0) == self.is_good_up else "worse"

    @property
    def has_faded(self) -> bool:
        """Whether a checkpoint decided, and the last one no longer shows an effect of that direction."""
        if self.decided_at < 0:
            return False
        return not (self.low[-1] > 0 if self.low[self.decided_at] > 0 else self.high[-1] < 0)

    @property
    def fixed_verdict(self) -> Verdict:
        """`better`, `worse` or `undecided` at the last checkpoint, valid if that was the only look."""
        if self.fixed_low[-1] <= 0 <= self.fixed_high[-1]:
            return "undecided"
        return "better" if (self.fixed_low[-1] > 0) == self.is_good_up else "worse"


def read_sequentially(
    n_control: np.ndarray,
    mean_control: np.ndarray,
    variance_control: np.ndarray,
    n_treatment: np.ndarray,
    mean_treatment: np.ndarray,
    variance_treatment: np.ndarray,
    *,
    planned_n: float | None = None,
    level: float = 0.95,
    is_nested: bool = False,
) -> SequentialReadOut:
    """Reads cumulative checkpoints of two arms.

    Args:
        n_control: `[T]` users so far in control.
        mean_control: `[T]` metric so far.
        variance_control: `[T]` its variance per user.
        n_treatment: `[T]` the like for treatment.
        mean_treatment: `[T]`.
        variance_treatment: `[T]`.
        planned_n: users of both arms at which the interval is tightest; fixed before the start. Left out, five times
            the first checkpoint's.
        level: confidence level over all looks together.
        is_nested: intersect with all earlier intervals. Right where the effect does not drift; an effect that grows
            with exposure can empty the intersection.

    Raises:
        SchemaError: lengths differ, a value is missing, or counts go back.
    """
    columns = [
        np.atleast_1d(np.asarray(c, dtype=np.float64))
        for c in (n_control, mean_control, variance_control, n_treatment, mean_treatment, variance_treatment)
    ]
    if len({c.shape for c in columns}) != 1 or columns[0].ndim != 1 or not len(columns[0]):
        raise SchemaError(f"Checkpoints need six columns of one length; got {[c.shape for c in columns]}.")
    if not all(np.isfinite(c).all() for c in columns):
        raise SchemaError("A checkpoint holds missing values. Drop the rows without a variance first.")
    n_c, m_c, v_c, n_t, m_t, v_t = columns
    if (np.diff(n_c) < 0).any() or (np.diff(n_t) < 0).any():
        raise SchemaError("Counts must be cumulative and never fall. Sort the checkpoints by time.")
    if min(n_c.min(), n_t.min()) < 2:
        raise SchemaError("Each checkpoint needs at least two users in each arm. Drop the earliest ones.")
    n = n_c + n_t
    error = np.sqrt(np.maximum(v_c / n_c + v_t / n_t, 1e-300))
    planned = 5 * n[0] if planned_n is None else planned_n
    # The error at the planned size, with the first checkpoint's variance: known before any effect is.
    tightest = float(error[0] * math.sqrt(n[0] / planned))
    return always_valid(m_t - m_c, error, tightest_error=tightest, n=n, level=level, is_nested=is_nested)


def always_valid(
    differences: np.ndarray,
    std_errors: np.ndarray,
    *,
    tightest_error: float,
    n: np.ndarray | None = None,
    level: float = 0.95,
    is_nested: bool = False,
    is_good_up: bool = True,
) -> SequentialReadOut:
    """Turns a path of estimates into an asymptotic confidence sequence, for any metric with standard errors.

    Normal mixture (Robbins 1970; mSPRT of Johari et al. 2017; asymptotic form of Waudby-Smith et al. 2021, eq. 4):
    with `V = se²` and mixture variance `τ²`, the interval is `d ± sqrt(2 V (V + τ²)/τ² · log(sqrt((V + τ²)/V) / α))`
    and the p-value `min over looks of 1/Λ`, `Λ = sqrt(V/(V + τ²)) exp(d² τ² / (2 V (V + τ²)))`.
    `τ² = V* (−2 log α + log(−2 log α) + 1)` makes it tightest where `se = tightest_error = sqrt(V*)`.

    Args:
        differences: `[T]`.
        std_errors: `[T]`, falling as users come in; or rising, where all users count from the start and their totals
            grow (a Brownian motion in `V` is one in `1/V` by time inversion, so the same bound holds).
        tightest_error: fixed before the start; a wrong value costs width, never coverage.
        n: `[T]` units so far.
        level: `1 − α`.
        is_nested: intersect with all earlier intervals.
        is_good_up: whether more of the metric is better.
    """
    half, evidence = _mixture(differences, std_errors, tightest_error, level)
    low, high = differences - half, differences + half
    outside = (low > 0) | (high < 0)
    decided = int(np.argmax(outside)) if outside.any() else -1
    if is_nested:
        low, high = np.maximum.accumulate(low), np.minimum.accumulate(high)
    z = float(special.ndtri(0.5 + level / 2))
    fixed_low, fixed_high = differences - z * std_errors, differences + z * std_errors
    naive = (fixed_low > 0) | (fixed_high < 0)
    return SequentialReadOut(
        differences=differences,
        low=low,
        high=high,
        p_values=np.minimum.accumulate(np.minimum(1.0, np.exp(-evidence))),
        fixed_low=fixed_low,
        fixed_high=fixed_high,
        n=np.zeros(len(low)) if n is None else n,
        level=level,
        decided_at=decided,
        naive_at=int(np.argmax(naive)) if naive.any() else -1,
        is_good_up=is_good_up,
    )


def daily_quantile(level: float) -> float:
    """Returns the half width of the always-valid interval in standard errors, where it is narrowest; 3.04 at 95 %."""
    half, _ = _mixture(np.zeros(1), np.ones(1), 1.0, level)
    return float(half[0])


@dataclasses.dataclass(frozen=True)
class PeekingRates:
    """How often looking at every checkpoint calls a difference where there is none.

    Attributes:
        naive: share of null replays that a fixed-horizon test calls at some look.
        sequential: share that the always-valid interval calls.
        single_look: share that the fixed-horizon test calls at its last look alone.
        replays: number of null replays.
        level: confidence level; the promise is `sequential ≤ 1 − level`.
    """

    naive: float
    sequential: float
    single_look: float
    replays: int
    level: float


def peeking_rates(
    differences: np.ndarray, std_errors: np.ndarray, *, tightest_error: float, level: float = 0.95
) -> PeekingRates:
    """Counts the false calls on replays without an effect (A/A).

    Args:
        differences: `[R, T]` null paths, from `null_paths` or from relabelled data.
        std_errors: `[R, T]` or `[T]`.
        tightest_error: as in `always_valid`.
        level: confidence level.
    """
    if differences.ndim != 2:
        raise SchemaError(f"`differences` must be [replays, checkpoints]; got shape {differences.shape}.")
    errors = np.broadcast_to(std_errors, differences.shape)
    half, _ = _mixture(differences, errors, tightest_error, level)
    z = float(special.ndtri(0.5 + level / 2))
    naive = np.abs(differences) > z * errors
    return PeekingRates(
        naive=float(naive.any(axis=1).mean()),
        sequential=float((np.abs(differences) > half).any(axis=1).mean()),
        single_look=float(naive[:, -1].mean()),
        replays=len(differences),
        level=level,
    )


def null_paths(std_errors: np.ndarray, *, replays: int, n: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """Returns `[R, T]` paths of a difference that is truly zero, with the checkpoints' own errors (A/A replays).

    Users who bring their value when they come: the estimate at `V_t = se_t²` is `W(1/V_t)·V_t`, `W` a Brownian motion
    in information. Users whose value grows while the experiment runs (visits so far, spend so far; pass `n`): not the
    mean but the total has independent increments, `W(n_t² V_t) / n_t`. A clock that would go back stands still.

    Args:
        std_errors: `[T]` of the real checkpoints.
        replays: R.
        n: `[T]` users so far.
        seed: random seed of the draws.
    """
    errors = np.asarray(std_errors, dtype=np.float64)
    clock = 1 / errors**2 if n is None else (np.asarray(n, dtype=np.float64) * errors) ** 2
    clock = np.maximum.accumulate(clock)
    steps = np.sqrt(np.diff(clock, prepend=0.0))
    walk = np.cumsum(np.random.default_rng(seed).standard_normal((replays, len(steps))) * steps, axis=1)
    return walk / np.sqrt(clock) * errors


def _mixture(
    differences: np.ndarray, std_errors: np.ndarray, tightest_error: float, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns half widths and log evidence against zero."""
    if not 0 < level < 1:
        raise ConfigError(f"`level` must lie in (0, 1); got {level}. 0.95 is usual.")
    if not tightest_error > 0:
        raise ConfigError(f"`tightest_error` must be positive; got {tightest_error}. Use the planned standard error.")
    alpha = 1 - level
    pull = -2 * math.log(alpha)
    tau2 = tightest_error**2 * (pull + math.log(pull) + 1)
    v = std_errors**2
    half = np.sqrt(2 * v * (v + tau2) / tau2 * (0.5 * np.log((v + tau2) / v) - math.log(alpha)))
    evidence = 0.5 * np.log(v / (v + tau2)) + differences**2 * tau2 / (2 * v * (v + tau2))
    return half, evidence
