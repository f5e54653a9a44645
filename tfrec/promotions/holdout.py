"""Computes the effect on profit that a plan's hold-out can show, and the hold-out that shows a wanted one."""

import dataclasses
import math
from typing import ClassVar

import numpy as np

from tfrec.experiments.read_out import FEWEST
from tfrec.promotions.trial import Trial
from tfrec.statistics.power import detectable_difference

LEAST_SHARE, MOST_SHARE = 0.1, 0.5
"""Shares of users between which a hold-out is sized."""

_SPARE = 1.3  # beyond 30 held-out users, for their number is random


@dataclasses.dataclass(frozen=True)
class HoldoutPower:
    """What a read-out of a plan can show.

    Attributes:
        treated: treated users who are compared.
        held_out: held-out users who are compared.
        sent: all users who get an offer.
        treated_deviation: standard deviation of profit between treated users, in the test.
        held_out_deviation: the same of users without an offer.
        wanted: profit per treated user that is to be shown.
        is_bound: whether the budget limits the number of treated users.
        power: chance to show it.
        level: confidence level of the read-out.
    """

    JSON_KEYS: ClassVar = (
        "treated", "held_out", "per_user", "total", "wanted", "shows_wanted", "share_needed", "users_needed",
        "campaigns_needed", "power", "level",
    )  # fmt: skip

    treated: int
    held_out: int
    sent: int
    treated_deviation: float
    held_out_deviation: float
    wanted: float
    is_bound: bool
    power: float = 0.8
    level: float = 0.95

    @property
    def is_large_enough(self) -> bool:
        """Whether both groups have the 30 users without which a read-out gives no verdict."""
        return min(self.treated, self.held_out) >= FEWEST

    @property
    def per_user(self) -> float:
        """Smallest profit per treated user that is shown with `power`; NaN with fewer than 30 users in a group."""
        return self._shown(self.treated, self.held_out) if self.is_large_enough else math.nan

    @property
    def total(self) -> float:
        """The same over all users who get an offer."""
        return self.per_user * self.sent

    @property
    def shows_wanted(self) -> bool:
        """Whether the wanted profit is large enough to be shown."""
        return self.wanted > 0 and self.per_user <= self.wanted

    @property
    def share_needed(self) -> float:
        """Smallest share from 10 % to 50 % held out that shows the wanted profit with the same users; NaN for none."""
        users = self.treated + self.held_out
        for share in np.arange(LEAST_SHARE, MOST_SHARE + 1e-9, 0.01):
            # A budget that is spent treats as many users, and withholds the offer from further ones.
            treated = self.treated if self.is_bound else users * (1 - share)
            held_out = treated * share / (1 - share)
            if self.wanted > 0 and min(treated, held_out) >= FEWEST and self._shown(treated, held_out) <= self.wanted:
                return round(float(share), 2)
        return math.nan

    @property
    def least_share(self) -> float:
        """Share that holds out the 30 users of a verdict; NaN if even half of the users are fewer."""
        needed = FEWEST * _SPARE
        others = self.treated if self.is_bound else self.treated + self.held_out - needed
        share = needed / (needed + others) if others > 0 else 1.0
        return math.ceil(100 * share) / 100 if share <= MOST_SHARE else math.nan

    @property
    def users_needed(self) -> int:
        """Users, treated and held out, that show the wanted profit at the share which needs fewest; 0 for none."""
        if not self.wanted > 0:
            return 0
        spread = self.held_out_deviation + self.treated_deviation
        share = min(self.held_out_deviation / spread, MOST_SHARE) if spread > 0 else MOST_SHARE
        one = self._shown(1 - share, share) / self.wanted if share > 0 else math.inf
        return max(math.ceil(one**2), 2 * FEWEST) if math.isfinite(one) else 0

    @property
    def campaigns_needed(self) -> int:
        """Number of such campaigns to the same users that show the wanted profit when read together; 0 for none.

        Profit adds up over campaigns, its standard deviation by their square root.
        """
        if not (self.wanted > 0 and self.is_large_enough):
            return 0
        return math.ceil((self.per_user / self.wanted) ** 2)

    def _shown(self, treated: float, held_out: float) -> float:
        return detectable_difference(
            held_out, self.held_out_deviation**2, treated, self.treated_deviation**2, power=self.power, level=self.level
        )


def measure_deviations(trial: Trial, profit: np.ndarray, ruled: np.ndarray) -> tuple[float, float]:
    """Returns the standard deviation of profit of users with the offer that a rule gives, and of those without one.

    Of the test's users whom the rule chooses; where fewer than 30 of them had the very offer, of all who had any.

    Args:
        trial: the test, control first.
        profit: `[n]` profit of each user, with whatever caps the offers have.
        ruled: `[n]` offer code that the rule gives, -1 for none.
    """
    chosen = ruled >= 0
    treated = profit[chosen & (trial.arms == ruled + 1)]
    held_out = profit[chosen & (trial.arms == 0)]
    if len(treated) < FEWEST:
        treated = profit[trial.arms > 0]
    if len(held_out) < FEWEST:
        held_out = profit[trial.arms == 0]
    return float(treated.std(ddof=1)), float(held_out.std(ddof=1))
