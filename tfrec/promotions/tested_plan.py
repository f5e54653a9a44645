"""Describes a plan with the test that it rests on: expected profit, spending, and what limits it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from tfrec.promotions.budget_curves import BudgetCurve
from tfrec.promotions.campaign import HELD_OUT, LEFT_ALONE, TREATED, CampaignPlan
from tfrec.promotions.curves import UpliftCurve
from tfrec.promotions.holdout import HoldoutPower
from tfrec.promotions.spending import OfferUse, Spending
from tfrec.promotions.trial import Balance
from tfrec.schema.json_values import to_json

FACE_VALUE, EXPECTED_COST, OFFERS = "face value", "expected cost", "offers"
"""What a budget counts."""

Limit = Literal["", "users", "risk", "caps"]
"""What keeps the budget from being spent: no more users whom an offer pays for, the chance of exceeding it, or that the
most that an offer can cost is set aside for each user; "" where most of it is spent."""

Promise = Literal["pays", "not shown", "loses"]
"""What the test shows of a plan's profit: that it is above zero, neither, or that none is expected."""

_WELL_SPENT = 0.8  # share of the budget below which a reader will ask why


@dataclasses.dataclass(frozen=True)
class TestedPlan:
    """A plan beside the test that it rests on.

    Attributes:
        plan: who gets what.
        outcome: what was turned into money.
        cost_kind: what the budget counts: `face value`, `expected cost`, or `offers` where no cost is known.
        spending: what the campaign may cost.
        is_held_by_risk: whether more would be given out if the budget might be exceeded more often.
        uses: offer → how it was used in the test; empty where discounts are not known.
        attributes: user attributes that the models used.
        balance: whether the test's offers were assigned at random.
        curves: offer → what is gained by treating the best-scored users of the test first, in profit.
        by_budget: profit gained by each budget for discounts, in the test; None where these are not known.
        dropped: offers that fewer than `min_users` users would have got.
        unproven: dearer offers that the test does not show to earn more than the cheaper ones.
        put_off: users who are predicted to be put off by offers; none of them is ever sent one.
        too_dear: other users under whom each offer is predicted to cost more than it brings; none of them either.
        power: what a read-out of the plan can show.
    """

    plan: CampaignPlan
    outcome: str
    cost_kind: str
    spending: Spending
    is_held_by_risk: bool
    uses: Mapping[str, OfferUse]
    attributes: tuple[str, ...]
    balance: Balance
    curves: dict[str, UpliftCurve]
    by_budget: BudgetCurve | None
    dropped: tuple[str, ...]
    unproven: tuple[str, ...]
    put_off: int
    too_dear: int
    power: HoldoutPower

    @property
    def promise(self) -> Promise:
        """What the test shows of the expected profit."""
        profit = self.plan.expected_profit
        if profit.is_positive:
            return "pays"
        return "not shown" if profit.value > 0 else "loses"

    @property
    def come_after(self) -> int:
        """Users without an offer though one would pay: the budget goes to others, or they were excluded."""
        return max(self.plan.users[LEFT_ALONE] - self.put_off - self.too_dear, 0)

    def by_offer(self) -> pd.DataFrame:
        """Returns one row an offer.

        `offer`, `users`, `held_out`, `cost`; `gain` and `profit` by the model; `expected`, `low` and `high`: the profit
        by the test's own outcomes, NaN where fewer than 30 of its users would get the offer.
        """
        table = self.plan.table
        treated, held = table[table["status"] == TREATED], table[table["status"] == HELD_OUT]
        grouped = treated.groupby("offer").agg(
            users=("user_id", "size"), cost=("cost", "sum"), gain=("expected_gain", "sum"),
            profit=("expected_profit", "sum"),
        )  # fmt: skip
        grouped["held_out"] = held.groupby("offer").size()
        columns = ["users", "held_out", "cost", "gain", "profit"]
        result = grouped.reindex(self.plan.offers)[columns].fillna(0.0).rename_axis("offer").reset_index()
        known = self.plan.offer_profits
        for column, end in (("expected", "value"), ("low", "low"), ("high", "high")):
            result[column] = [getattr(known[offer], end) if offer in known else np.nan for offer in result["offer"]]
        return result

    @property
    def made(self) -> list[str]:
        """Offers that some user gets."""
        table = self.by_offer()
        return list(table.loc[table["users"] > 0, "offer"])

    @property
    def shows_differences(self) -> bool:
        """Whether the test shows that some users gain more than others."""
        return any(curve.qini.is_positive for curve in self.curves.values())

    @property
    def limit(self) -> Limit:
        """What keeps a good part of the budget from being spent."""
        if self.plan.price <= 0:
            return "" if max(self.spending.worst, self.plan.cost) > _WELL_SPENT * self.plan.budget else "users"
        if self.is_held_by_risk:
            return "risk"
        is_counted = self.cost_kind == FACE_VALUE and self.spending.is_known and self.uses
        return "" if not is_counted or self.spending.ceiling > _WELL_SPENT * self.plan.budget else "caps"

    @property
    def lower_caps(self) -> dict[str, float]:
        """Offer → face value that half of its uses in the test stayed below; empty where none is lower than now."""
        faces = self.plan.face_values
        medians = {offer: self.uses[offer].median for offer in self.made if offer in self.uses}
        halves = {offer: median for offer, median in medians.items() if 0 < median < faces.get(offer, 0.0)}
        return {offer: halves.get(offer, most) for offer, most in faces.items()} if halves else {}

    def to_json(self) -> dict[str, Any]:
        """Returns the plan and what it rests on for `plan.json`, without the users."""
        return {
            **to_json(self.plan),
            "outcome": self.outcome,
            "cost_kind": self.cost_kind,
            "spending": to_json(self.spending),
            "is_held_by_risk": self.is_held_by_risk,
            "uses": to_json(self.uses),
            "limit": self.limit,
            "lower_caps": self.lower_caps,
            "attributes": list(self.attributes),
            "dropped": list(self.dropped),
            "unproven": list(self.unproven),
            "promise": self.promise,
            "put_off": self.put_off,
            "too_dear": self.too_dear,
            "come_after": self.come_after,
            "power": to_json(self.power),
            "by_offer": to_json(self.by_offer()),
            "balance": to_json(self.balance),
            "multi_armed_qini": None if self.by_budget is None else to_json(self.by_budget.qini),
            "qini": {offer: to_json(curve.qini) for offer, curve in self.curves.items()},
        }
