"""Holds an estimate with its interval; makes one from a standard error."""

import dataclasses
import math

from scipy import special

from tfrec.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Estimate:
    """An estimate: its value, its interval and the number of observations.

    Examples:
        >>> found = normal_estimate(0.325, 0.008, 3000)
        >>> print(found)
        .325 [.309, .341]
        >>> found.is_positive
        True

    Attributes:
        value: the point estimate.
        low: lower end of the interval.
        high: upper end of the interval.
        std_error: standard error; NaN where the interval does not come from one.
        n: number of units (users, sessions, impressions, queries) behind the figure.
        level: confidence level of the interval, e.g. `0.95`.
    """

    value: float
    low: float
    high: float
    std_error: float
    n: int
    level: float = 0.95

    def __str__(self) -> str:
        """Returns `.325 [.310, .341]`; `–` where there is nothing to average."""
        if not self.n:
            return "–"
        if math.isnan(self.low):
            return _short(self.value)
        return f"{_short(self.value)} [{_short(self.low)}, {_short(self.high)}]"

    @property
    def p_value(self) -> float:
        """Two-sided p-value against zero by the normal approximation; NaN without a standard error."""
        if not self.std_error > 0:
            return math.nan if math.isnan(self.std_error) else float(self.value == 0)
        return float(2 * special.ndtr(-abs(self.value) / self.std_error))

    @property
    def is_positive(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0

    @property
    def is_negative(self) -> bool:
        """Whether the whole interval lies below zero."""
        return self.high < 0

    def scaled(self, factor: float) -> "Estimate":
        """Returns the estimate in another unit (`factor` > 0 keeps the ends' order, < 0 swaps them)."""
        low, high = sorted((self.low * factor, self.high * factor))
        return dataclasses.replace(
            self, value=self.value * factor, low=low, high=high, std_error=self.std_error * abs(factor)
        )


def normal_estimate(value: float, std_error: float, n: int, *, level: float = 0.95) -> Estimate:
    """Returns `value ± z·std_error`, `z` the normal quantile of `level`."""
    check_level(level)
    half = float(special.ndtri(0.5 + level / 2)) * std_error
    return Estimate(float(value), float(value - half), float(value + half), float(std_error), int(n), level)


def check_level(level: float) -> None:
    """Raises `ConfigError` if the confidence level lies outside (0, 1)."""
    if not 0 < level < 1:
        raise ConfigError(f"`level` must lie in (0, 1); got {level}. 0.95 is usual.")


def _short(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"
