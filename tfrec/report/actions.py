"""Lists what the findings of a shop say to do this week, with what each is worth and how that is known."""

import dataclasses
from typing import Any, Literal

import numpy as np
import pandas as pd

from tfrec.report.absent import Absent
from tfrec.report.findings import Findings

LEAD_DAYS = 7.0
"""Days between an order to a supplier and its arrival, as the page on stock assumes."""

AT_RISK = ("Cannot lose", "At risk")
"""Segments of buyers who were worth much and have not come for long."""

Kind = Literal["restock", "win_back", "send_offers", "send_no_offers", "remind", "bundle", "place", "test"]
Evidence = Literal["tested", "forecast", "prediction", "association", "plan"]

_LEAST_REMINDED = 0.5  # chance of buying an item again from which a reminder is worth its place


@dataclasses.dataclass(frozen=True)
class Action:
    """One thing to do.

    Attributes:
        kind: what.
        evidence: how its worth is known, strongest first: a randomised test, a forecast that was checked on earlier
            periods, a prediction of users that was checked so, an association, a plan.
        section: the part of the page that it comes from.
        worth: money at stake, in the shop's currency; NaN where it cannot be stated.
        low: lower end of its interval; NaN without one.
        high: upper end.
        values: what its sentence needs.
    """

    kind: Kind
    evidence: Evidence
    section: str
    values: dict[str, Any]
    worth: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


def list_actions(findings: Findings) -> list[Action]:
    """Returns what to do, those of most money first, then those whose worth cannot be stated."""
    parts = (_restock, _win_back, _offers, _remind, _bundle, _place, _test)
    actions = [action for part in parts for action in part(findings)]
    return sorted(actions, key=lambda action: -action.worth if np.isfinite(action.worth) else float("inf"))


def stock_at_risk(findings: Findings) -> pd.DataFrame:
    """Returns the items of known stock with `at_risk`, most first: sales beyond the stock, in money."""
    if isinstance(findings.forecasts, Absent):
        return pd.DataFrame()
    cover = findings.forecasts.days_of_cover(findings.items, lead_days=LEAD_DAYS)
    price = findings.items.set_index("item_id")["price"].reindex(cover["item_id"]).to_numpy(np.float64)
    missing = (cover["forecast"] - cover["stock"]).clip(lower=0).to_numpy()
    cover = cover.assign(at_risk=missing * np.nan_to_num(price))
    return cover.sort_values(["at_risk", "days_low"], ascending=[False, True], kind="stable", ignore_index=True)


def _restock(findings: Findings) -> list[Action]:
    cover = stock_at_risk(findings)
    if not len(cover):
        return []
    short = cover[(cover["signal"] == "order now") & (cover["forecast"] > cover["stock"])]
    if not len(short):
        return []
    assert not isinstance(findings.forecasts, Absent)
    values = {
        "n": len(short),
        "first": findings.title_of(str(short["item_id"].iloc[0])),
        "days": findings.forecasts.horizon,
        "lead": LEAD_DAYS,
    }
    return [Action("restock", "forecast", "demand", values, worth=_or_unknown(float(short["at_risk"].sum())))]


def _win_back(findings: Findings) -> list[Action]:
    """Finds the buyers who were worth much, and what they are expected to spend less than they used to."""
    if isinstance(findings.rfm, Absent) or isinstance(findings.lifetime, Absent):
        return []
    segments = findings.rfm.assignments.set_index("user_id")["segment"]
    lifetime = findings.lifetime
    users = lifetime.users[segments.reindex(lifetime.users.index).isin(AT_RISK).to_numpy()]
    if not len(users):
        return []
    days = lifetime.horizon_days
    before = users["value"] / users["age_days"].clip(lower=days) * days
    lost = float((before - users["expected_value"]).clip(lower=0).sum())
    values = {"n": len(users), "segments": AT_RISK, "days": days, "value": float(users["value"].sum())}
    return [Action("win_back", "prediction", "lifetime", values, worth=_or_unknown(lost))]


def _offers(findings: Findings) -> list[Action]:
    coupons = findings.coupons
    if isinstance(coupons, Absent):
        return []
    chosen = coupons.budgets.iloc[coupons.chosen]
    if not coupons.balance.is_credible:
        return []
    if chosen["low"] <= 0:
        return [Action("send_no_offers", "tested", "promotions", {})]
    values = {"treated": int(chosen["treated"]), "n": coupons.allocation.n, "budget": float(chosen["budget"])}
    is_money = coupons.aim in ("margin", "spend")
    ends = {"worth": float(chosen["gain"]), "low": float(chosen["low"]), "high": float(chosen["high"])}
    return [Action("send_offers", "tested", "promotions", values, **(ends if is_money else {}))]


def _remind(findings: Findings) -> list[Action]:
    again = findings.buy_again
    if isinstance(again, Absent):
        return []
    due = again.pairs[again.pairs["probability"] >= _LEAST_REMINDED]
    if not len(due):
        return []
    price = findings.items.set_index("item_id")["price"].reindex(due["item_id"]).to_numpy(np.float64)
    expected = float((due["probability"].to_numpy() * np.nan_to_num(price)).sum())
    values = {"pairs": len(due), "users": int(due["user_id"].nunique()), "days": again.horizon_days}
    return [Action("remind", "prediction", "loyalty", values, worth=_or_unknown(expected))]


def _bundle(findings: Findings) -> list[Action]:
    if isinstance(findings.rules, Absent) or not len(findings.rules.rules):
        return []
    across = findings.rules.cross_category()
    rule = (across if len(across) else findings.rules.rules).iloc[0]
    values = {
        "antecedent": " + ".join(findings.title_of(str(item)) for item in rule["antecedent"]),
        "consequent": findings.title_of(str(rule["consequent"])),
        "confidence": float(rule["confidence"]),
        "low": float(rule["confidence_low"]),
        "high": float(rule["confidence_high"]),
    }
    return [Action("bundle", "association", "rules", values)]


def _place(findings: Findings) -> list[Action]:
    if isinstance(findings.placements, Absent):
        return []
    study = findings.placements.study
    best = max(study.policies, key=lambda policy: policy.best.value.value)
    gain = best.best.gain
    if not (gain.is_positive and best.best.is_trustworthy):
        return []
    values = {"rule": best.name, "gain": gain.value, "low": gain.low, "high": gain.high}
    return [Action("place", "tested", "placements", values)]


def _test(findings: Findings) -> list[Action]:
    if isinstance(findings.experiments, Absent):
        return []
    durations = {metric: one for metric, one in findings.experiments.items() if one.weeks > 0}
    if not durations:
        return []
    metric, shortest = min(durations.items(), key=lambda one: one[1].weeks)
    return [
        Action("test", "plan", "experiments", {"metric": metric, "weeks": shortest.weeks, "wanted": shortest.wanted})
    ]


def _or_unknown(worth: float) -> float:
    return worth if worth > 0 else float("nan")
