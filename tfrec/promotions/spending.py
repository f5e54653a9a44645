"""Estimates the cost of a campaign plan from its test: at worst, expected, and with probability 1 − risk.

At worst every offer is used to its face value. The average cost of offers is estimated from users of the test who got
the very offer that the plan's rule gives them, not from the model, whose choice favours users who only look cheap.
"""

import dataclasses

import numpy as np
from scipy import special, stats

from tfrec.errors import ConfigError
from tfrec.promotions.trial import Trial
from tfrec.statistics.estimates import Estimate

MAX_RISK = 0.5
"""Chance above which a ceiling would lie below what is expected."""

_FEWEST = 10  # fewest uses whose sizes give a variance


@dataclasses.dataclass(frozen=True)
class Spending:
    """What a campaign may cost, sending included.

    Attributes:
        worst: every offer is used to its face value.
        expected: on average, with the interval in which the spending of a single campaign lies; NaN where the test does
            not hold what offers took off.
        ceiling: exceeded with a chance of at most `risk`; `worst` where nothing better is known.
        risk: chance.
    """

    worst: float
    expected: Estimate
    ceiling: float
    risk: float

    @property
    def is_known(self) -> bool:
        """Whether the average cost of offers is known from the test."""
        return bool(np.isfinite(self.expected.value))


@dataclasses.dataclass(frozen=True)
class OfferUse:
    """How an offer was used in a test.

    Attributes:
        n: users who got it.
        share: share of these users who used the offer.
        mean: money that it took off where it was used.
        median: the same; half of the uses took off no more.
    """

    n: int
    share: float
    mean: float
    median: float


def used_in_test(trial: Trial) -> dict[str, OfferUse]:
    """Returns each offer's use, from the outcome `discount` of a trial: money taken off, 0 for who did not use it."""
    taken, uses = trial.outcome("discount"), {}
    for arm, offer in enumerate(trial.arm_names[1:], start=1):
        discounts = taken[trial.arms == arm]
        used = discounts[discounts > 0]
        mean, median = (float(used.mean()), float(np.median(used))) if len(used) else (0.0, 0.0)
        uses[offer] = OfferUse(len(discounts), len(used) / max(len(discounts), 1), mean, median)
    return uses


def predict_spending(
    planned: np.ndarray,
    tested: np.ndarray,
    arms: np.ndarray,
    discounts: np.ndarray | None,
    *,
    face_values: np.ndarray,
    send_costs: np.ndarray,
    risk: float = 0.05,
    level: float = 0.95,
) -> Spending:
    """Returns what a plan costs if users behave as in the test.

    Of `N_j` users who get offer j, `n_j` of the test were drawn to it among those for whom the rule chooses it; they
    took off `m_j` on average with variance `s_j²`, each between 0 and the face value. `[l_j, u_j]` bounds the mean
    (`bound_mean`); the total lies within `Σ N_j m_j ± √(Σ (N_j (u_j − m_j))² + z² Σ N_j s_j²)`, downwards with `l_j`
    (the square-and-add of Zou & Donner 2008): the uncertainty of the test, and the chance of the campaign itself. The
    ceiling adds the two roots, each with half of the risk: the plan is searched for so that it just meets the ceiling,
    and such a search favours tests that are low by chance.

    Args:
        planned: `[n]` offer code of each user of the plan, −1 for none.
        tested: `[m]` offer code that the same rule gives to each user of the test by scores that never saw the user.
        arms: `[m]` arm of each user of the test, 0 for control.
        discounts: `[m]` what was taken off, at most the face value; None where it is not known.
        face_values: `[K]` most that each offer takes off.
        send_costs: `[K]` cost of sending, used or not.
        risk: chance with which the ceiling may be exceeded.
        level: level of the interval.

    Raises:
        ConfigError: the risk does not lie in (0, 0.5].
    """
    if not 0 < risk <= MAX_RISK:
        raise ConfigError(f"The risk of exceeding the budget must lie in (0, {MAX_RISK}]; got {risk}.")
    counts = np.bincount(planned[planned >= 0], minlength=len(face_values)).astype(np.float64)
    sending = float(counts @ send_costs)
    worst = float(counts @ face_values) + sending
    if discounts is None:
        certain = worst if not face_values.any() else np.nan
        return Spending(worst, Estimate(certain, certain, certain, 0.0, 0, level), worst, risk)
    used = [discounts[(tested == code) & (arms == code + 1)] for code in range(len(counts))]
    # Without such users in the test: the mean of all who got the offer, with the widest bounds.
    means = np.array([own.mean() if len(own) else discounts[arms == code + 1].mean() for code, own in enumerate(used)])
    value = float(counts @ means)
    tail = (1 - level) / 2

    def end(side: int, chance: float, *, is_sum: bool = False) -> float:
        bounds = [bound_mean(own, cap, tail=chance, side=side) for own, cap in zip(used, face_values, strict=True)]
        edges, variances = np.array([edge for edge, _ in bounds]), np.array([variance for _, variance in bounds])
        unknown = ((counts * (edges - means)) ** 2).sum()
        random = special.ndtri(chance) ** 2 * (counts * variances).sum()
        half = np.sqrt(unknown) + np.sqrt(random) if is_sum else np.sqrt(unknown + random)
        return float(np.clip(value + side * half, 0.0, worst - sending)) + sending

    num_uses = sum(map(len, used))
    expected = Estimate(value + sending, end(-1, tail), end(1, tail), float("nan"), num_uses, level)
    return Spending(worst, expected, end(1, risk / 2, is_sum=True), risk)


def bound_mean(values: np.ndarray, most: float, *, tail: float, side: int) -> tuple[float, float]:
    """Returns a bound of the mean of values in [0, `most`], exceeded with chance `tail`, and the variance beside it.

    Clopper & Pearson's beta bound of a share, with the sample size that explains the variance (Korn & Graubard 1998):
    `n' = n p (1 − p) / s²` for values scaled to [0, 1] with mean p and variance s². Of all values in [0, 1] with mean p
    those that are 0 or 1 vary most, so `n' ≥ n`, and n is taken where fewer than ten values are above 0.

    Args:
        values: `[n]`.
        most: highest value.
        tail: chance.
        side: 1 for an upper bound, −1 for a lower one.
    """
    n = len(values)
    if not most > 0:
        return 0.0, 0.0
    if not n:
        return (most if side > 0 else 0.0), most**2 / 4
    share = float(np.clip(values / most, 0, 1).mean())
    variance = float((values / most).var(ddof=1)) if n > 1 else 0.0
    has_enough_uses = (values > 0).sum() >= _FEWEST
    if has_enough_uses and share < 1 and variance == 0:  # everybody uses the same: nothing to doubt but the next user
        variance = share * (1 - share) / n
    size = n * max(1.0, share * (1 - share) / variance) if has_enough_uses and variance > 0 else float(n)
    hits = size * share
    if side > 0:
        edge = float(stats.beta.ppf(1 - tail, hits + 1, size - hits)) if hits < size else 1.0
    else:
        edge = float(stats.beta.ppf(tail, hits, size - hits + 1)) if hits > 0 else 0.0
    spread = variance * edge / share if has_enough_uses else edge * (1 - edge)
    return edge * most, spread * most**2
