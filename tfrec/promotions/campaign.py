"""Plans a campaign from gains and costs of offers, with a random hold-out.

Without a hold-out the effect of the campaign cannot be estimated.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from tfrec.errors import ConfigError, SchemaError
from tfrec.experiments.read_out import FEWEST
from tfrec.promotions.allocation import allocate, offers_at_price
from tfrec.schema.arms import hash_uniform
from tfrec.statistics.estimates import Estimate, normal_estimate

TREATED, HELD_OUT, LEFT_ALONE = "treated", "held out", "left alone"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What a plan's promise rests on: a trial of the same offers, scored out of fold.

    Attributes:
        gains: `[m, K]` out-of-fold predicted gain of each offer (`cross_fit_uplift`).
        effects: `[m, K]` unbiased noisy effects (`Responses.effects()`), in the same money.
        costs: `[m, K]` or `[K]` what each offer counts against the budget.
        expected_costs: `[m, K]` or `[K]` what it costs on average; `costs` when left out.
    """

    gains: np.ndarray
    effects: np.ndarray
    costs: np.ndarray
    expected_costs: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class CampaignPlan:
    """Who gets what, who is held out, and what is expected.

    Attributes:
        name: the campaign; also the salt of its hold-out.
        offers: names of the offers.
        table: one row a user: `user_id`, `status` (treated, held out, left alone), `offer` (of a held-out user the one
            that was withheld), `expected_gain`, `cost`, `expected_profit`, `is_compared` (chosen by the same rule as
            held-out users, so fit for the comparison afterwards).
        budget: most that may be spent.
        cost: what all offers given count against the budget; never above it.
        holdout_share: share of eligible users held out.
        price: worth of one more unit of budget; the rule is `gain − cost − price·cost > 0`.
        bound: highest profit that any plan could promise under the same budget.
        expected_profit: of all treated users together; its interval comes from the evidence, without it the ends are
            NaN.
        face_values: offer → most that one may take off, which must be printed on it; empty where it is not known.
        send_costs: offer → cost of sending one, which the read-out takes from its profit.
        currency: of all money; empty where it is not known.
        offer_profits: offer → expected profit of its treated users together, from the evidence; without offers that
            fewer than 30 users of the evidence would get.
    """

    JSON_KEYS: ClassVar = (
        "name", "offers", "budget", "cost", "holdout_share", "price", "bound", "expected_profit", "face_values",
        "send_costs", "currency", "offer_profits", "users",
    )  # fmt: skip

    name: str
    offers: tuple[str, ...]
    table: pd.DataFrame
    budget: float
    cost: float
    holdout_share: float
    price: float
    bound: float
    expected_profit: Estimate
    face_values: Mapping[str, float] = dataclasses.field(default_factory=dict)
    send_costs: Mapping[str, float] = dataclasses.field(default_factory=dict)
    currency: str = ""
    offer_profits: Mapping[str, Estimate] = dataclasses.field(default_factory=dict)

    @property
    def users(self) -> dict[str, int]:
        """Status → number of users."""
        seen = self.table["status"].value_counts()
        return {status: int(seen.get(status, 0)) for status in (TREATED, HELD_OUT, LEFT_ALONE)}


def plan_campaign(
    user_ids: Sequence[str] | np.ndarray,
    gains: np.ndarray,
    costs: np.ndarray,
    *,
    name: str,
    offers: Sequence[str],
    budget: float,
    expected_costs: np.ndarray | None = None,
    holdout_share: float = 0.1,
    is_eligible: np.ndarray | None = None,
    max_cost_per_user: float = np.inf,
    return_floor: float = 0.0,
    groups: np.ndarray | None = None,
    group_floors: Mapping[str, float] | None = None,
    evidence: Evidence | None = None,
    level: float = 0.95,
) -> CampaignPlan:
    """Plans a campaign: holds users out at random, allocates the offers to the others, states what to expect.

    Maximises `Σ (gain − expected cost)` under the budget on `costs`. A user is treated only where the offer's gain
    exceeds its expected cost; users whom every offer would lose are left alone.

    Args:
        user_ids: `[n]` pseudonyms, each once.
        gains: `[n, K]` expected extra margin by each offer (uplift of margin), before the offer's cost.
        costs: `[n, K]` or `[K]` what counts against the budget: with the most that an offer can cost, the budget is
            a guarantee.
        name: name of the campaign; decides the hold-out, so a second plan under the same name holds out the same users.
        offers: K names.
        budget: most that may be spent.
        expected_costs: what an offer costs on average (redemption × face value); `costs` when left out.
        holdout_share: share of all users held out, at least 0.01.
        is_eligible: `[n, K]` or `[n]`; False for opted-out users and reached frequency caps.
        max_cost_per_user: cap.
        return_floor: least profit per unit of cost over the whole campaign.
        groups: `[n]` groups for floors.
        group_floors: group → least share of its helpable users that get an offer.
        evidence: trial for the interval of the promise.
        level: confidence level.

    Raises:
        SchemaError: shapes differ or an id comes twice.
        ConfigError: a setting outside its range, or constraints that cannot be met.
    """
    ids = np.asarray(user_ids, dtype=object).astype(str)
    gains = np.asarray(gains, dtype=np.float64)
    if gains.shape != (len(ids), len(offers)):
        raise SchemaError(
            f"`gains` must be [{len(ids)}, {len(offers)}]: a row a user, a column an offer; got {gains.shape}."
        )
    if len(np.unique(ids)) != len(ids):
        raise SchemaError("`user_ids` must name each user once. Drop the duplicates first.")
    if not 0.01 <= holdout_share <= 0.9:
        raise ConfigError(
            f"`holdout_share` must lie in [0.01, 0.9]; got {holdout_share}. Without a hold-out the effect "
            "of the campaign cannot be estimated later."
        )
    costs = np.broadcast_to(np.asarray(costs, dtype=np.float64), gains.shape)
    paid = (
        costs if expected_costs is None else np.broadcast_to(np.asarray(expected_costs, dtype=np.float64), gains.shape)
    )
    profit = gains - paid
    usable = np.ones(gains.shape, dtype=bool) if is_eligible is None else np.asarray(is_eligible, dtype=bool)
    usable = np.broadcast_to(usable if usable.ndim == 2 else usable[:, None], gains.shape)
    held = hash_uniform(ids, salt=f"{name}:hold-out") < holdout_share
    settings: dict[str, Any] = {"max_cost_per_user": max_cost_per_user, "groups": groups}
    allocation = allocate(
        profit, costs, budget=budget, is_eligible=usable & ~held[:, None], return_floor=return_floor,
        group_floors=group_floors, **settings,
    )  # fmt: skip
    ruled = offers_at_price(
        profit, costs, price=allocation.price, is_eligible=usable, group_credits=allocation.group_credits, **settings
    )
    chosen = np.where(held, ruled, allocation.offers)
    has_offer = chosen >= 0
    rows, picked = np.arange(len(ids)), np.where(has_offer, chosen, 0)
    status = np.where(has_offer, np.where(held, HELD_OUT, TREATED), LEFT_ALONE)
    table = pd.DataFrame(
        {
            "user_id": ids,
            "status": status,
            "offer": np.where(has_offer, np.asarray(offers, dtype=object)[picked], ""),
            "expected_gain": np.where(has_offer, gains[rows, picked], 0.0),
            "cost": np.where(has_offer & ~held, costs[rows, picked], 0.0),
            "expected_profit": np.where(has_offer, profit[rows, picked], 0.0),
            "is_compared": has_offer & (ruled == chosen),
        }
    ).astype({"user_id": "str", "status": "str", "offer": "str"})
    promise, offer_profits = _promise(table[table["status"] == TREATED], offers, evidence, allocation.price, level)
    return CampaignPlan(
        name=name,
        offers=tuple(offers),
        table=table,
        budget=float(budget),
        cost=allocation.cost,
        holdout_share=holdout_share,
        price=allocation.price,
        bound=allocation.bound,
        expected_profit=promise,
        offer_profits=offer_profits,
    )


def _promise(
    treated: pd.DataFrame, offers: Sequence[str], evidence: Evidence | None, price: float, level: float
) -> tuple[Estimate, dict[str, Estimate]]:
    """Returns the expected profit of all treated users, and of those of each offer.

    Each offer earns its number of users times the mean of the evidence's users to whom the same rule gives it; offers
    of fewer than 30 of these are taken together, or with all others where even that is too few.
    """
    total = float(treated["expected_profit"].sum())
    unknown = Estimate(total, np.nan, np.nan, np.nan, len(treated), level)
    if evidence is None or not len(treated):
        return unknown, {}
    costs = np.broadcast_to(evidence.costs, evidence.gains.shape)
    paid = costs if evidence.expected_costs is None else np.broadcast_to(evidence.expected_costs, costs.shape)
    ruled = offers_at_price(evidence.gains - paid, costs, price=price)
    rows = np.flatnonzero(ruled >= 0)
    if len(rows) < 2:
        return dataclasses.replace(unknown, n=len(rows)), {}
    earned, given = evidence.effects[rows, ruled[rows]] - paid[rows, ruled[rows]], ruled[rows]
    counts = treated["offer"].value_counts().reindex(list(offers), fill_value=0).to_numpy()
    has_enough = np.bincount(given, minlength=len(offers)) >= FEWEST
    by_offer = {
        offer: _mean(earned[given == code], level).scaled(int(counts[code]))
        for code, offer in enumerate(offers)
        if counts[code] and has_enough[code]
    }
    parts = list(by_offer.values())
    if counts[~has_enough].sum():
        rare = earned[~has_enough[given]]
        parts.append(_mean(rare if len(rare) >= FEWEST else earned, level).scaled(int(counts[~has_enough].sum())))
    value, error = sum(part.value for part in parts), float(np.sqrt(sum(part.std_error**2 for part in parts)))
    return normal_estimate(value, error, len(rows), level=level), by_offer


def _mean(values: np.ndarray, level: float) -> Estimate:
    return normal_estimate(values.mean(), float(values.std(ddof=1) / np.sqrt(len(values))), len(values), level=level)
