"""Reads the arms of users from tables, and tests whether their counts are as planned."""

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import special, stats

from tfrec.errors import SchemaError
from tfrec.schema.arms import assign as assign
from tfrec.schema.tables import as_id

SHARE = "arm_share"
"""Column of an assignment with the share that the user's arm has by design."""


@dataclasses.dataclass(frozen=True)
class SampleRatio:
    """Whether the arms have the sizes that the design gave them.

    Attributes:
        counts: users seen in each arm.
        expected: users expected in each arm.
        p_value: p-value of the chi-squared test at a single look.
        sequential_p_value: p-value of the test that stays valid when looked at every day (Lindon & Malek 2022).
        threshold: alarm below this.
        is_alarm: the single look's p-value lies below the threshold.
    """

    JSON_KEYS: ClassVar = ("counts", "expected", "p_value", "sequential_p_value", "threshold", "is_alarm")

    counts: dict[str, int]
    expected: dict[str, float]
    p_value: float
    sequential_p_value: float
    threshold: float

    @property
    def is_alarm(self) -> bool:
        """Whether the split is off beyond chance: then no read-out of this experiment can be trusted."""
        return self.p_value < self.threshold


def entered(table: pd.DataFrame, *, arm: str = "arm", is_blank_an_arm: bool = False) -> tuple[pd.DataFrame, int]:
    """Returns the users that have an arm, its name as text, and how many have none: they never entered.

    Args:
        table: one row a user.
        arm: column of the arm.
        is_blank_an_arm: whether a blank is the name of an arm (of control, where an offer's log leaves it blank).

    Raises:
        SchemaError: no user has an arm.
    """
    arms = as_id(table[arm])
    is_in = (arms != "") | is_blank_an_arm
    if not is_in.any():
        raise SchemaError(f"No user has an arm: `{arm}` is blank in all {len(table):,} rows. Name another column.")
    return table.assign(**{arm: arms})[is_in], int((~is_in).sum())


def stated_shares(table: pd.DataFrame, *, arm: str = "arm") -> dict[str, float] | None:
    """Returns arm → share of the column `SHARE`; None where the table has none.

    Raises:
        SchemaError: an arm has no share above 0, or several.
    """
    if SHARE not in table.columns:
        return None
    shares = {}
    for name, own in table.groupby(arm)[SHARE]:
        stated = pd.to_numeric(own, errors="coerce").unique()
        if len(stated) != 1 or not stated[0] > 0:
            raise SchemaError(
                f"`{SHARE}` must state one share above 0 for the arm {name!r}; got "
                f"{', '.join(map(str, own.unique()[:5]))}. Correct it, or give the shares."
            )
        shares[str(name)] = float(stated[0])
    return shares


def check_sample_ratio(
    counts: Mapping[str, int], *, shares: Mapping[str, float] | None = None, threshold: float = 0.001
) -> SampleRatio:
    """Tests the sizes of the arms against the shares they were given.

    Single look: Pearson's χ² with `arms − 1` degrees of freedom. Any number of looks: the Bayes factor of a
    Dirichlet mixture against the multinomial, `p = min(1, 1/BF)` (Lindon & Malek, NeurIPS 2022), with the weight of
    10,000 users on the shares.

    Args:
        counts: arm → users (not sessions: a user counts once).
        shares: arm → share; equal when left out.
        threshold: alarm below; 0.001 is usual because the check runs on every experiment.

    Raises:
        SchemaError: fewer than two arms, or names that differ.
    """
    shares = dict(shares) if shares is not None else dict.fromkeys(counts, 1 / max(len(counts), 1))
    if len(counts) < 2 or set(shares) != set(counts):
        raise SchemaError(
            f"Sample ratio needs at least two arms with the names of `shares`; got counts of {sorted(counts)} "
            f"and shares of {sorted(shares)}."
        )
    observed = np.array([counts[name] for name in counts], dtype=np.float64)
    probability = np.array([shares[name] for name in counts], dtype=np.float64)
    probability /= probability.sum()
    expected = probability * observed.sum()
    statistic = float(((observed - expected) ** 2 / np.maximum(expected, 1e-12)).sum())
    prior = 10_000 * probability
    log_factor = (
        special.gammaln(prior.sum())
        - special.gammaln(prior.sum() + observed.sum())
        + (special.gammaln(prior + observed) - special.gammaln(prior)).sum()
        - (observed * np.log(probability)).sum()
    )
    return SampleRatio(
        counts={name: int(count) for name, count in counts.items()},
        expected=dict(zip(counts, expected.tolist(), strict=True)),
        p_value=float(stats.chi2.sf(statistic, len(counts) - 1)),
        sequential_p_value=math.exp(min(0.0, -float(log_factor))),
        threshold=threshold,
    )
