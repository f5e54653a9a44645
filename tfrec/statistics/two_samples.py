"""Estimates the difference between two arms: of means, of ratios, of arms of which only moments are known.

Every function takes control first, treatment second, and reports treatment minus control.
"""

import dataclasses
import math

import numpy as np
from scipy import special

from tfrec.errors import SchemaError
from tfrec.statistics.covariates import adjust_by_covariate
from tfrec.statistics.estimates import Estimate, normal_estimate


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Treatment against control on one metric.

    Attributes:
        control: the metric in control, as it was.
        treatment: the metric in treatment, as it was.
        difference: treatment − control, less what covariates explain.
        relative: treatment / control − 1, by the delta method, likewise; NaN ends where control's mean is not clear of
            zero.
    """

    control: Estimate
    treatment: Estimate
    difference: Estimate
    relative: Estimate

    def with_levels(self, control: np.ndarray, treatment: np.ndarray) -> "Comparison":
        """Returns the comparison with the arms' own means, from outcomes `[n]` that no covariate adjusted.

        An adjusted mean is no level: of an amount that no user had it can be below 0.
        """
        level = self.difference.level
        sides = [
            normal_estimate(arm.mean(), float(arm.std(ddof=1)) / math.sqrt(len(arm)), len(arm), level=level)
            for arm in (control, treatment)
        ]
        return dataclasses.replace(self, control=sides[0], treatment=sides[1])


def compare_means(
    control: np.ndarray,
    treatment: np.ndarray,
    *,
    control_covariate: np.ndarray | None = None,
    treatment_covariate: np.ndarray | None = None,
    level: float = 0.95,
) -> Comparison:
    """Compares the means of a metric per user; with covariates from before the experiment, by CUPED.

    CUPED (Deng et al., WSDM 2013): `y' = y − θ (x − x̄)`, `θ = cov(x, y) / var(x)` over both arms, which keeps the
    mean difference and removes the share `corr(x, y)²` of its variance.

    Args:
        control: `[n_c]` outcomes.
        treatment: `[n_t]` outcomes.
        control_covariate: `[n_c]` the same users' value from before; or `[n_c, q]` several.
        treatment_covariate: the like for treatment.
        level: confidence level.

    Raises:
        SchemaError: an arm has fewer than two users, holds NaN, or only one covariate is given.
    """
    control, treatment = check_outcomes("control", control), check_outcomes("treatment", treatment)
    if (control_covariate is None) != (treatment_covariate is None):
        raise SchemaError("CUPED needs the covariate of both arms; got that of one. Pass both or none.")
    if _are_opposite(control, treatment):
        return _compare_opposite(control, treatment, level=level)
    levels = control, treatment
    if control_covariate is not None and treatment_covariate is not None:
        control, treatment = adjust_by_covariate(control, treatment, control_covariate, treatment_covariate)
    compared = compare_moments(
        len(control), control.mean(), control.var(ddof=1), len(treatment), treatment.mean(), treatment.var(ddof=1),
        level=level,
    )  # fmt: skip
    return compared.with_levels(*levels)


def _are_opposite(control: np.ndarray, treatment: np.ndarray) -> bool:
    """Returns whether no user of one arm and every user of the other converted."""
    return bool(np.ptp(control) == 0 and np.ptp(treatment) == 0 and {control[0], treatment[0]} == {0.0, 1.0})


def _compare_opposite(control: np.ndarray, treatment: np.ndarray, *, level: float) -> Comparison:
    """Compares rates of 0 and 1, which have no variance within an arm.

    The standard error is that of the score test, `sqrt(p (1 − p) (1/n_c + 1/n_t))` at the pooled `p`; the interval is
    Newcombe's (1998, method 10), from Wilson's of each arm.
    """
    n = len(control) + len(treatment)
    pooled = (control.sum() + treatment.sum()) / n
    error = math.sqrt(pooled * (1 - pooled) * (1 / len(control) + 1 / len(treatment)))
    plain = compare_moments(len(control), control[0], 0.0, len(treatment), treatment[0], 0.0, level=level)
    z2 = float(special.ndtri(0.5 + level / 2)) ** 2
    # Wilson's interval of 0 of n is [0, z²/(n + z²)], of n of n [n/(n + z²), 1].
    short = math.hypot(z2 / (len(control) + z2), z2 / (len(treatment) + z2))
    value = float(treatment[0] - control[0])
    low, high = (1 - short, 1.0) if value > 0 else (-1.0, short - 1)
    return dataclasses.replace(plain, difference=Estimate(value, low, high, error, n, level))


def compare_moments(
    n_control: float,
    mean_control: float,
    variance_control: float,
    n_treatment: float,
    mean_treatment: float,
    variance_treatment: float,
    *,
    level: float = 0.95,
) -> Comparison:
    """Compares two arms of which only count, mean and variance are known (Welch, normal quantiles)."""
    if min(n_control, n_treatment) < 2:
        raise SchemaError(
            f"Both arms need at least two units; got {n_control:g} and {n_treatment:g}. Wait for more data."
        )
    v_c, v_t = variance_control / n_control, variance_treatment / n_treatment
    n = int(n_control + n_treatment)
    return Comparison(
        control=normal_estimate(mean_control, math.sqrt(v_c), int(n_control), level=level),
        treatment=normal_estimate(mean_treatment, math.sqrt(v_t), int(n_treatment), level=level),
        difference=normal_estimate(mean_treatment - mean_control, math.sqrt(v_c + v_t), n, level=level),
        relative=_relative(mean_control, v_c, mean_treatment, v_t, n, level),
    )


def compare_ratios(
    control_numerator: np.ndarray,
    control_denominator: np.ndarray,
    treatment_numerator: np.ndarray,
    treatment_denominator: np.ndarray,
    *,
    level: float = 0.95,
) -> Comparison:
    """Compares ratio metrics such as clicks per impression, where users, not impressions, were randomised.

    Delta method (Deng et al., KDD 2018): with `[n]` per-user numerators `y` and denominators `d`, `R = ȳ / d̄` and
    `var(R) ≈ var(y − R d) / (n d̄²)`. Treating impressions as independent would make the interval too narrow.

    Raises:
        SchemaError: a denominator sums to zero, or the arrays of an arm differ in length.
    """
    sides = []
    for name, top, bottom in (
        ("control", control_numerator, control_denominator),
        ("treatment", treatment_numerator, treatment_denominator),
    ):
        y, d = check_outcomes(name, top), check_outcomes(name, bottom)
        if len(y) != len(d):
            raise SchemaError(f"{name}: numerator and denominator must be per user; got {len(y)} and {len(d)} rows.")
        if d.sum() <= 0:
            raise SchemaError(f"{name}: the denominator sums to {d.sum():g}; a ratio needs a positive one.")
        ratio = y.sum() / d.sum()
        sides.append((len(y), ratio, float((y - ratio * d).var(ddof=1) / d.mean() ** 2)))
    (n_c, r_c, v_c), (n_t, r_t, v_t) = sides
    return compare_moments(n_c, r_c, v_c, n_t, r_t, v_t, level=level)


def _relative(mean_c: float, v_c: float, mean_t: float, v_t: float, n: int, level: float) -> Estimate:
    if mean_c == 0 or abs(mean_c) < 3 * math.sqrt(v_c):
        value = mean_t / mean_c - 1 if mean_c else math.nan
        return Estimate(float(value), math.nan, math.nan, math.nan, n, level)
    ratio = mean_t / mean_c
    return normal_estimate(ratio - 1, math.sqrt(v_t + ratio**2 * v_c) / abs(mean_c), n, level=level)


def check_outcomes(name: str, values: np.ndarray) -> np.ndarray:
    """Returns the values `[n]` as floats, checked: one finite number a user, at least two users.

    Raises:
        SchemaError: another shape, fewer than two values, or values that are not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise SchemaError(f"{name} must be one number a user, at least two users; got shape {values.shape}.")
    if not np.isfinite(values).all():
        raise SchemaError(
            f"{name} holds {int((~np.isfinite(values)).sum())} missing or infinite values. "
            "A user without the event has 0, not NaN: fill them before the comparison."
        )
    return values
