"""Computes the difference between two arms that a number of units detects."""

import math

from scipy import special


def power_quantiles(power: float, level: float, *, comparisons: int = 1) -> float:
    """Returns `z_{1−α/2} + z_power`, `α = (1 − level)/comparisons` (Bonferroni): standard errors of a detected effect.

    Examples:
        >>> round(power_quantiles(0.8, 0.95), 2)
        2.8
    """
    return float(special.ndtri(1 - (1 - level) / comparisons / 2) + special.ndtri(power))


def detectable_difference(
    n_control: float,
    variance_control: float,
    n_treatment: float,
    variance_treatment: float,
    *,
    power: float = 0.8,
    level: float = 0.95,
    comparisons: int = 1,
) -> float:
    """Returns the smallest difference of means that is found with `power`.

    `(z_{1−α/2} + z_power) √(v_c/n_c + v_t/n_t)`, `α` as in `power_quantiles`.

    Args:
        n_control: units of control.
        variance_control: variance of a unit of control.
        n_treatment: units of the treatment.
        variance_treatment: variance of a unit of the treatment.
        power: chance to find it.
        level: confidence level of all comparisons together.
        comparisons: number of comparisons that share the error.
    """
    spread = math.sqrt(variance_control / n_control + variance_treatment / n_treatment)
    return power_quantiles(power, level, comparisons=comparisons) * spread
