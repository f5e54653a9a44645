"""Estimates from a plan and later logs what a campaign caused: treated users against those held out."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from tfrec.errors import SchemaError
from tfrec.experiments.assignment import SampleRatio, check_sample_ratio
from tfrec.experiments.read_out import FEWEST
from tfrec.promotions.campaign import HELD_OUT, TREATED, CampaignPlan
from tfrec.schema.tables import Tables
from tfrec.statistics.estimates import Estimate, normal_estimate
from tfrec.statistics.two_samples import Comparison, compare_means

_ORDER_COLUMNS = ("user_id", "timestamp", "revenue", "margin", "discount")
_MOST_PARTS = 5  # parts of the calibration


@dataclasses.dataclass(frozen=True)
class CampaignResult:
    """What a campaign caused.

    A comparison of fewer than 30 treated or 30 held-out users has the levels alone: its difference is NaN.

    Attributes:
        name: the campaign.
        currency: of all money; empty where it is not known.
        comparisons: `conversion`, `revenue`, `margin`, `discount`, `profit` (margin less discounts and sending) per
            user: treated against held-out users with the same rule, whether they saw the offer or not (intention to
            treat).
        by_offer: offer → the comparison of profit among users meant for it.
        total_profit: profit caused over all treated users.
        promised: the plan's expected profit.
        sample_ratio: sizes of the compared groups.
        reached: share of treated users with an impression; NaN where no impressions were given.
        per_reached: profit caused per reached user (Bloom 1984); NaN where no impressions were given.
        contaminated: held-out users with an impression: each one blurs the comparison.
        calibration: predicted and observed profit per user, in up to five parts by the prediction of 30 held-out users
            or more; empty with fewer than 60.
    """

    JSON_KEYS: ClassVar = (
        "name", "currency", "comparisons", "by_offer", "total_profit", "promised", "sample_ratio", "reached",
        "per_reached", "contaminated", "calibration", "verdict",
    )  # fmt: skip

    name: str
    currency: str
    comparisons: dict[str, Comparison]
    by_offer: dict[str, Comparison]
    total_profit: Estimate
    promised: Estimate
    sample_ratio: SampleRatio
    reached: float
    per_reached: Estimate
    contaminated: int
    calibration: pd.DataFrame

    @property
    def verdict(self) -> Literal["paid", "lost money", "not shown", "too small", "invalid"]:
        """What the profit's interval shows; `invalid` on a sample-ratio alarm, `too small` with under 30 in a group."""
        if self.sample_ratio.is_alarm:
            return "invalid"
        if not is_large_enough(self.comparisons["profit"]):
            return "too small"
        if self.total_profit.is_positive:
            return "paid"
        return "lost money" if self.total_profit.is_negative else "not shown"


def is_large_enough(comparison: Comparison) -> bool:
    """Returns whether both groups have 30 users, below which a read-out states no difference."""
    return min(comparison.control.n, comparison.treatment.n) >= FEWEST


def orders_of(tables: Tables, *, default_margin: float = 0.3) -> pd.DataFrame:
    """Returns the purchases as `user_id`, `timestamp`, `revenue`, `margin`, `discount` for `evaluate_campaign`.

    Returned pieces do not count. Margin is the item's share of the catalogue price where known, else `default_margin`,
    before any discount; `discount` is what was paid less than the catalogue price (never negative). Profit is margin −
    discount.
    """
    bought = tables.net_purchases()
    bought = bought[bought["user_id"] != ""]
    items = tables.items.set_index("item_id")
    listed = items["price"].reindex(bought["item_id"]).to_numpy(dtype=np.float64)
    share = items["margin"].reindex(bought["item_id"]).fillna(default_margin).to_numpy(dtype=np.float64)
    paid = bought["price"].fillna(0).to_numpy(dtype=np.float64)
    quantity = bought["quantity"].to_numpy(dtype=np.float64)
    full = np.where(np.isfinite(listed), np.maximum(listed, paid), paid)
    return pd.DataFrame(
        {
            "user_id": bought["user_id"].to_numpy(),
            "timestamp": bought["timestamp"].to_numpy(),
            "revenue": paid * quantity,
            "margin": full * share * quantity,
            "discount": (full - paid) * quantity,
        }
    )


def evaluate_campaign(
    plan: CampaignPlan,
    *,
    orders: pd.DataFrame,
    start: pd.Timestamp,
    end: pd.Timestamp,
    impressions: pd.DataFrame | None = None,
    pre_days: int = 56,
    level: float = 0.95,
) -> CampaignResult:
    """Reads from the logs what the campaign caused.

    Compares users chosen by the plan's rule, treated against held out, whatever they saw (intention to treat), with the
    same user's outcome of the `pre_days` before as covariate (CUPED). Profit is margin less discounts, and of treated
    users less the cost of sending that the plan states.

    Args:
        plan: as published.
        orders: `user_id`, `timestamp`, `revenue`, `margin` (before discounts), `discount` (given on the order).
        start: begin of the campaign.
        end: end of the time in which its orders count.
        impressions: `user_id`, `timestamp` of offers shown or opened.
        pre_days: length of the pre-period; 0 for none.
        level: confidence level.

    Raises:
        SchemaError: columns missing, or one of the groups is empty.
    """
    _require("orders", orders, _ORDER_COLUMNS)
    compared = plan.table[plan.table["is_compared"]]
    is_treated = (compared["status"] == TREATED).to_numpy()
    if is_treated.all() or not is_treated.any():
        raise SchemaError(
            f"The plan compares {is_treated.sum()} treated with {(~is_treated).sum()} held-out users; both need some. "
            "Raise `holdout_share`."
        )
    ids = compared["user_id"]
    during = _outcomes(orders, ids, start, end)
    before = _outcomes(orders, ids, start - pd.Timedelta(days=pre_days), start)
    during["profit"] = during["profit"] - is_treated * _sending(compared, plan.send_costs)
    comparisons = {
        name: _compare(during[name], before[name] if pre_days else None, is_treated, level) for name in during
    }
    by_offer = {}
    for offer in plan.offers:
        has_offer = (compared["offer"] == offer).to_numpy()
        if has_offer.any():
            past = before["profit"][has_offer] if pre_days else None
            by_offer[offer] = _compare(during["profit"][has_offer], past, is_treated[has_offer], level)
    num_treated = int((plan.table["status"] == TREATED).sum())
    total = comparisons["profit"].difference.scaled(num_treated)
    reached, contaminated = _reach(plan.table, impressions, start, end)
    per_reached = comparisons["profit"].difference.scaled(1 / reached if reached > 0 else np.nan)
    return CampaignResult(
        name=plan.name,
        currency=plan.currency,
        comparisons=comparisons,
        by_offer=by_offer,
        total_profit=total,
        promised=plan.expected_profit,
        sample_ratio=check_sample_ratio(
            {TREATED: int(is_treated.sum()), HELD_OUT: int((~is_treated).sum())},
            shares={TREATED: 1 - plan.holdout_share, HELD_OUT: plan.holdout_share},
        ),
        reached=reached,
        per_reached=per_reached,
        contaminated=contaminated,
        calibration=_calibration(compared["expected_profit"].to_numpy(), during["profit"], is_treated, level),
    )


def _outcomes(orders: pd.DataFrame, ids: pd.Series, start: pd.Timestamp, end: pd.Timestamp) -> dict[str, np.ndarray]:
    """Returns per user the sums over orders in [start, end)."""
    inside = orders[(orders["timestamp"] >= start) & (orders["timestamp"] < end)]
    grouped = inside.groupby("user_id")[["revenue", "margin", "discount"]].sum().reindex(ids, fill_value=0.0)
    columns = {name: grouped[name].to_numpy(dtype=np.float64) for name in ("revenue", "margin", "discount")}
    buyers = ids.isin(inside["user_id"]).to_numpy()
    return {"conversion": buyers.astype(np.float64), **columns, "profit": columns["margin"] - columns["discount"]}


def _compare(during: np.ndarray, before: np.ndarray | None, is_treated: np.ndarray, level: float) -> Comparison:
    sides = during[~is_treated], during[is_treated]
    if min(map(len, sides)) < FEWEST:
        nothing = Estimate(np.nan, np.nan, np.nan, np.nan, len(during), level)
        return Comparison(_level(sides[0], level), _level(sides[1], level), nothing, nothing)
    if before is None or before.std() == 0:
        return compare_means(*sides, level=level)
    return compare_means(
        *sides, control_covariate=before[~is_treated], treatment_covariate=before[is_treated], level=level
    )


def _level(values: np.ndarray, level: float) -> Estimate:
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan
    return normal_estimate(values.mean() if len(values) else np.nan, error, len(values), level=level)


def _sending(compared: pd.DataFrame, send_costs: Mapping[str, float]) -> np.ndarray:
    """Returns `[n]` the cost of sending each compared user's offer."""
    return compared["offer"].map(dict(send_costs)).fillna(0.0).to_numpy(np.float64)


def _reach(
    table: pd.DataFrame, impressions: pd.DataFrame | None, start: pd.Timestamp, end: pd.Timestamp
) -> tuple[float, int]:
    if impressions is None:
        return np.nan, 0
    _require("impressions", impressions, ("user_id", "timestamp"))
    inside = impressions[(impressions["timestamp"] >= start) & (impressions["timestamp"] < end)]
    saw = table["user_id"].isin(set(inside["user_id"]))
    treated = table["status"] == TREATED
    return float(saw[treated].mean()) if treated.any() else 0.0, int((saw & (table["status"] == HELD_OUT)).sum())


def _calibration(predicted: np.ndarray, observed: np.ndarray, is_treated: np.ndarray, level: float) -> pd.DataFrame:
    order = np.argsort(predicted, kind="stable")
    num_held = int((~is_treated).sum())
    num_parts = min(_MOST_PARTS, num_held // FEWEST)
    # Each part ends at a held-out user, and has as many of them as any other.
    part_of = (np.cumsum(~is_treated[order]) - ~is_treated[order]) * num_parts // max(num_held, 1)
    rows = []
    for number in range(num_parts if num_parts > 1 else 0):
        part = order[part_of == number]
        comparison = _compare(observed[part], None, is_treated[part], level)
        if is_large_enough(comparison):
            difference = comparison.difference
            rows.append((difference.n, predicted[part].mean(), difference.value, difference.low, difference.high))
    return pd.DataFrame(rows, columns=["n", "predicted", "observed", "low", "high"])


def _require(name: str, table: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise SchemaError(f"`{name}` must have {', '.join(columns)}; missing: {', '.join(missing)}.")
