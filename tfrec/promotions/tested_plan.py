"""Describes a plan with the test that it rests on: expected profit, spending, and what limits it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pandas as pd

from tfrec.analysis.wording import ENGLISH, Wording
from tfrec.promotions.campaign import HELD_OUT, TREATED, CampaignPlan
from tfrec.promotions.curves import UpliftCurve
from tfrec.promotions.spending import OfferUse, Spending
from tfrec.promotions.trial import Balance
from tfrec.schema.plain_values import to_plain

FACE_VALUE, EXPECTED_COST, OFFERS = "face value", "expected cost", "offers"
"""What a budget counts."""

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
        dropped: offers that fewer than `min_users` users would have got.
        unproven: dearer offers that the test does not show to earn more than the cheaper ones.
        sleeping: users who are predicted to be put off by offers, or to cost more than they bring under each; none of
            them is ever sent one.
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
    dropped: tuple[str, ...]
    unproven: tuple[str, ...]
    sleeping: int

    def by_offer(self) -> pd.DataFrame:
        """Returns one row an offer: `offer`, `users`, `held_out`, `cost`, `gain`, `profit` by the model."""
        table = self.plan.table
        treated, held = table[table["status"] == TREATED], table[table["status"] == HELD_OUT]
        grouped = treated.groupby("offer").agg(
            users=("user_id", "size"), cost=("cost", "sum"), gain=("expected_gain", "sum"),
            profit=("expected_profit", "sum"),
        )  # fmt: skip
        grouped["held_out"] = held.groupby("offer").size()
        columns = ["users", "held_out", "cost", "gain", "profit"]
        return grouped.reindex(self.plan.offers)[columns].fillna(0.0).rename_axis("offer").reset_index()

    def to_dict(self) -> dict[str, Any]:
        """Returns plain Python values for JSON, without the users."""
        return {
            **self.plan.to_dict(),
            "outcome": self.outcome,
            "cost_kind": self.cost_kind,
            "spending": self.spending.to_dict(),
            "is_held_by_risk": self.is_held_by_risk,
            "uses": to_plain(self.uses),
            "advice": self.advice(),
            "attributes": list(self.attributes),
            "dropped": list(self.dropped),
            "unproven": list(self.unproven),
            "sleeping": self.sleeping,
            "by_offer": to_plain(self.by_offer()),
            "balance": self.balance.to_dict(),
            "qini": {offer: curve.qini.to_dict() for offer, curve in self.curves.items()},
        }

    def summary(self, say: Wording = ENGLISH) -> str:
        """Returns the plan in plain words."""
        lines = [self.plan.summary(say), *self._terms(say)]
        lines.append(
            say(
                "{n:,} users would be put off by offers, or cost more than they bring: none is sent one.",
                n=self.sleeping,
            )
        )
        lines += [
            say(
                "{offer} is not made: the test does not show that it earns more than cheaper offers to the same users.",
                offer=offer,
            )
            for offer in self.unproven
        ]
        lines += [
            say("{offer} is not made: too few users would get it to leave the house.", offer=offer)
            for offer in self.dropped
        ]
        if not self.balance.is_credible:
            lines.append(say("Beware: {reason}", reason=self.balance.summary(say)))
        if not any(curve.qini.is_positive for curve in self.curves.values()):
            lines.append(
                say(
                    "The test does not show that some users gain more than others beyond chance: whom to choose is "
                    "uncertain so far; treat the expected profit with care, or test more users."
                )
            )
        return "\n".join(lines)

    def advice(self, say: Wording = ENGLISH) -> str:
        """Returns why so little of the budget is spent, where it is little, and what reaches more users; else ""."""
        if self.plan.price <= 0:
            if max(self.spending.worst, self.plan.cost) > _WELL_SPENT * self.plan.budget:
                return ""
            return say("Everybody for whom an offer pays has one: a larger budget would buy nothing more.")
        if self.is_held_by_risk:
            return say(
                "{share:.0%} of the budget is expected to be spent, so that at most {risk:.0%} of such campaigns "
                "exceed it: to reach more users, accept more of them with a higher --risk, or print lower caps on the "
                "offers with --face-value.",
                share=self.spending.expected.value / self.plan.budget, risk=self.spending.risk,
            )  # fmt: skip
        is_counted = self.cost_kind == FACE_VALUE and self.spending.is_known and self.uses
        if not is_counted or self.spending.ceiling > _WELL_SPENT * self.plan.budget:
            return ""
        made = self._made()
        faces = self.plan.face_values
        lines = [
            say(
                "Only {share:.0%} of the budget is expected to be spent, and hardly more than {most:.0%}, because it "
                "sets the most that an offer can cost aside for each user who gets one:",
                share=self.spending.expected.value / self.plan.budget,
                most=self.spending.ceiling / self.plan.budget,
            )
        ]
        lines += [
            say(
                "  {offer}: {most:,.2f} set aside; in the test {share:.0%} of {n:,} users used it, and it then took "
                "off {mean:,.2f} on average.",
                offer=offer, most=faces.get(offer, 0.0), share=self.uses[offer].share, n=self.uses[offer].n,
                mean=self.uses[offer].mean,
            )
            for offer in made
        ]  # fmt: skip
        halves = {
            offer: self.uses[offer].median for offer in made if 0 < self.uses[offer].median < faces.get(offer, 0.0)
        }
        if halves:
            lines.append(
                say(
                    "What they take off differs from order to order, and the budget counts the largest: an offer "
                    "without a low cap costs most where it is needed least."
                )
            )
        lines.append(say("To reach more users:"))
        if halves:
            lines.append(
                say(
                    "  lower the caps and print them on the offers: --face-value {caps} (half of the uses took off no "
                    "more; a cap may cost you some of the largest orders);",
                    caps=",".join(f"{offer}={halves.get(offer, most):.2f}" for offer, most in faces.items()),
                )
            )
        lines.append(
            say(
                "  let the budget count the average: --budget-in expected-cost --risk {risk:g} (exceeded in at most "
                "{risk:.0%} of such campaigns, if users behave as in the test).",
                risk=self.spending.risk,
            )
        )
        return "\n".join(lines)

    def _made(self) -> list[str]:
        """Returns the offers that some user gets."""
        table = self.by_offer()
        return list(table.loc[table["users"] > 0, "offer"])

    def _terms(self, say: Wording) -> list[str]:
        """Describes what must hold for the budget to be kept, and what may be spent."""
        if self.cost_kind == OFFERS:
            return [say("The budget counts offers.")]
        lines, faces = [], self.plan.face_values
        capped = [offer for offer in self._made() if offer in faces]
        if capped:
            caps = say.listed(f"{offer} {faces[offer]:,.2f}" for offer in capped)
            lines.append(
                say("Print on each offer that it counts once, and the most that it takes off: {caps}.", caps=caps)
            )
        if self.cost_kind == FACE_VALUE:
            lines.append(say("The budget counts the most that each offer can cost, so it cannot be exceeded."))
        else:
            lines.append(
                say(
                    "The budget counts what offers cost on average; the chance of exceeding {budget:,.2f} is at most "
                    "{risk:.0%}, if users behave as in the test.",
                    budget=self.plan.budget, risk=self.spending.risk,
                )
            )  # fmt: skip
        return [*lines, self.spending.summary(say)]
