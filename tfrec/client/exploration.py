"""Draws slates at random with known chances, so that other rankings can be judged on what was shown."""

import dataclasses
import os
from collections.abc import Mapping

import numpy as np

from tfrec.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Exploration:
    """How a slate is drawn (Plackett–Luce).

    Places are filled one after the other: of the items left, the one of rank r comes with a chance proportional to
    `exp(-ln(r) / temperature) = r ^ (-1 / temperature)`. Ranks, not scores, so that a temperature means the same of
    every servable and the chances are known whatever the scale of its scores.

    Attributes:
        temperature: near 0 = the servable's order; 1 = chances as 1, 1/2, 1/3, ...; large = any order is as likely.
        pool: number of the best items of which the slate is drawn; None = as many as are asked for, so that only their
            order changes.

    Raises:
        ConfigError: a value is not above 0, or `pool` is no whole number of 32 bits.
    """

    temperature: float = 1.0
    pool: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ConfigError(f"`temperature` must be a number above 0; got {self.temperature!r}.")
        if self.pool is not None and (not isinstance(self.pool, int | np.integer) or not 1 <= self.pool < 2**31):
            raise ConfigError(f"`pool` must be a whole number of at least 1; got {self.pool!r}.")

    def asked(self, k: np.ndarray) -> np.ndarray:
        """Returns how many items each query must ask for, `[B]`, so that slates of `k [B]` can be drawn of the pool."""
        return k if self.pool is None else np.where(k > 0, np.maximum(k, self.pool), k).astype(k.dtype)


def draw_slates(
    outputs: Mapping[str, np.ndarray], *, k: np.ndarray, exploration: Exploration, uniform: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns the outputs of drawn slates, and the propensity of each place's item given those above it.

    Args:
        outputs: `[B, n]` of the servable, best first, `""` behind the end of a row.
        k: `[B]` items of each slate.
        exploration: how they are drawn.
        uniform: `[B, n]` independent numbers in [0, 1).

    Returns:
        Outputs `[B, max k]`, padded as before, and propensities of the same shape, NaN behind the end.
    """
    item_ids = outputs["item_ids"]
    is_offered = item_ids != ""
    # In logarithms: near temperature 0 the chances of all but the first are below the smallest number.
    log_weights = np.where(is_offered, -np.log(np.arange(1, item_ids.shape[1] + 1)) / exploration.temperature, -np.inf)
    # The order of exponential times with these rates is a Plackett–Luce draw; of their logarithms, that of Gumbel's.
    with np.errstate(divide="ignore"):
        times = np.where(is_offered, np.log(-np.log1p(-uniform)) - log_weights, np.inf)
    order = np.argsort(times, axis=1, kind="stable")
    drawn = np.take_along_axis(log_weights, order, axis=1)
    # Sums from the end, so that a small rest is not the difference of two large numbers.
    left = np.logaddexp.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]
    width = min(int(k.max(initial=0)), item_ids.shape[1])
    is_kept = np.take_along_axis(is_offered, order, axis=1)[:, :width] & (np.arange(width) < k[:, None])
    with np.errstate(invalid="ignore"):
        propensities = np.where(is_kept, np.exp(drawn[:, :width] - left[:, :width]), np.nan)
    kept = {}
    for name, column in outputs.items():
        padding = "" if column.dtype == object else -np.inf if name == "scores" else 0
        kept[name] = np.where(is_kept, np.take_along_axis(column, order, axis=1)[:, :width], padding).astype(
            column.dtype
        )
    if "threshold_sets" in kept:
        kept["threshold_sets"] = _whole_sets(kept["threshold_sets"], outputs["threshold_sets"])
    return kept, propensities


def _whole_sets(kept: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Returns the numbers of sets `[B, k]`, 0 where a set lost one of the items that it had in `before [B, n]`."""
    left, had = (np.sum(kept[:, :, None] == numbers[:, None, :], axis=2) for numbers in (kept, before))
    return np.where(left == had, kept, 0)


def random_uniform(shape: tuple[int, int]) -> np.ndarray:
    """Returns numbers in [0, 1) from the system's generator, which processes after a fork do not share."""
    content = os.urandom(8 * shape[0] * shape[1])
    return (np.frombuffer(content, np.uint64) >> np.uint64(11)).reshape(shape) / 2.0**53
