"""Plans a campaign from gains and costs of offers, and estimates afterwards what it earned.

A random hold-out is part of every plan: without it the effect of the campaign cannot be estimated.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from tfrec.errors import ConfigError, SchemaError
from tfrec.experiments.assignment import SampleRatio, check_sample_ratio, hash_uniform
from tfrec.promotions.allocation import allocate, offers_at_price
from tfrec.schema.tables import Tables
from tfrec.statistics.estimates import Estimate, normal_estimate
from tfrec.statistics.two_samples import Comparison, compare_means

TREATED, HELD_OUT, LEFT_ALONE = "treated", "held out", "left alone"
_ORDER_COLUMNS = ("user_id", "timestamp", "revenue", "margin", "discount")


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
    """

    JSON_KEYS: ClassVar = (
        "name", "offers", "budget", "cost", "holdout_share", "price", "bound", "expected_profit", "face_values",
        "users",
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

    @property
    def users(self) -> dict[str, int]:
        """Status → number of users."""
        seen = self.table["status"].value_counts()
        return {status: int(seen.get(status, 0)) for status in (TREATED, HELD_OUT, LEFT_ALONE)}


@dataclasses.dataclass(frozen=True)
class CampaignResult:
    """What a campaign caused.

    Attributes:
        name: the campaign.
        comparisons: `conversion`, `revenue`, `margin`, `discount`, `profit` per user: treated against held-out users
            with the same rule, whether they saw the offer or not (intention to treat).
        by_offer: offer → the comparison of profit among users meant for it.
        total_profit: profit caused over all treated users.
        promised: the plan's expected profit.
        sample_ratio: sizes of the compared groups.
        reached: share of treated users with an impression; 1 where no impressions were given.
        per_reached: profit caused per reached user (Bloom 1984).
        contaminated: held-out users with an impression: each one blurs the comparison.
        calibration: predicted and observed profit per user by fifth of the prediction.
    """

    JSON_KEYS: ClassVar = (
        "name", "comparisons", "by_offer", "total_profit", "promised", "sample_ratio", "reached", "per_reached",
        "contaminated", "calibration", "verdict",
    )  # fmt: skip

    name: str
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
    def verdict(self) -> Literal["paid", "lost money", "not shown", "invalid"]:
        """What the profit's interval shows; `invalid` on a sample-ratio alarm."""
        if self.sample_ratio.is_alarm:
            return "invalid"
        if self.total_profit.is_positive:
            return "paid"
        return "lost money" if self.total_profit.is_negative else "not shown"


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
    treated_profit = table.loc[table["status"] == TREATED, "expected_profit"].to_numpy()
    return CampaignPlan(
        name=name,
        offers=tuple(offers),
        table=table,
        budget=float(budget),
        cost=allocation.cost,
        holdout_share=holdout_share,
        price=allocation.price,
        bound=allocation.bound,
        expected_profit=_promise(treated_profit, evidence, allocation.price, level),
    )


def orders_of(tables: Tables, *, default_margin: float = 0.3) -> pd.DataFrame:
    """Returns the purchases as `user_id`, `timestamp`, `revenue`, `margin`, `discount` for `evaluate_campaign`.

    Margin is the item's share of the catalogue price where known, else `default_margin`, before any discount;
    `discount` is what was paid less than the catalogue price (never negative). Profit is margin − discount.
    """
    bought = tables.purchases
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
    same user's outcome of the `pre_days` before as covariate (CUPED).

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
    if is_treated.sum() < 2 or (~is_treated).sum() < 2:
        raise SchemaError(
            f"The plan compares {is_treated.sum()} treated with {(~is_treated).sum()} held-out users; both need at "
            "least two. Raise `holdout_share`."
        )
    ids = compared["user_id"]
    during = _outcomes(orders, ids, start, end)
    before = _outcomes(orders, ids, start - pd.Timedelta(days=pre_days), start)
    comparisons = {
        name: _compare(during[name], before[name] if pre_days else None, is_treated, level) for name in during
    }
    by_offer = {}
    for offer in plan.offers:
        has_offer = (compared["offer"] == offer).to_numpy()
        if min((has_offer & is_treated).sum(), (has_offer & ~is_treated).sum()) >= 30:
            past = before["profit"][has_offer] if pre_days else None
            by_offer[offer] = _compare(during["profit"][has_offer], past, is_treated[has_offer], level)
    num_treated = int((plan.table["status"] == TREATED).sum())
    total = comparisons["profit"].difference.scaled(num_treated)
    reached, contaminated = _reach(plan.table, impressions, start, end)
    per_reached = comparisons["profit"].difference.scaled(1 / reached if reached > 0 else np.nan)
    return CampaignResult(
        name=plan.name,
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


def _promise(profit: np.ndarray, evidence: Evidence | None, price: float, level: float) -> Estimate:
    total = float(profit.sum())
    if evidence is None or not len(profit):
        return Estimate(total, np.nan, np.nan, np.nan, len(profit), level)
    costs = np.broadcast_to(evidence.costs, evidence.gains.shape)
    paid = costs if evidence.expected_costs is None else np.broadcast_to(evidence.expected_costs, costs.shape)
    ruled = offers_at_price(evidence.gains - paid, costs, price=price)
    rows = np.flatnonzero(ruled >= 0)
    if len(rows) < 2:
        return Estimate(total, np.nan, np.nan, np.nan, len(rows), level)
    earned = evidence.effects[rows, ruled[rows]] - paid[rows, ruled[rows]]
    per_user = normal_estimate(earned.mean(), float(earned.std(ddof=1) / np.sqrt(len(rows))), len(rows), level=level)
    return per_user.scaled(len(profit))


def _outcomes(orders: pd.DataFrame, ids: pd.Series, start: pd.Timestamp, end: pd.Timestamp) -> dict[str, np.ndarray]:
    """Returns per user the sums over orders in [start, end)."""
    inside = orders[(orders["timestamp"] >= start) & (orders["timestamp"] < end)]
    grouped = inside.groupby("user_id")[["revenue", "margin", "discount"]].sum().reindex(ids, fill_value=0.0)
    columns = {name: grouped[name].to_numpy(dtype=np.float64) for name in ("revenue", "margin", "discount")}
    buyers = ids.isin(inside["user_id"]).to_numpy()
    return {"conversion": buyers.astype(np.float64), **columns, "profit": columns["margin"] - columns["discount"]}


def _compare(during: np.ndarray, before: np.ndarray | None, is_treated: np.ndarray, level: float) -> Comparison:
    if before is None or before.std() == 0:
        return compare_means(during[~is_treated], during[is_treated], level=level)
    return compare_means(
        during[~is_treated], during[is_treated],
        control_covariate=before[~is_treated], treatment_covariate=before[is_treated], level=level,
    )  # fmt: skip


def _reach(
    table: pd.DataFrame, impressions: pd.DataFrame | None, start: pd.Timestamp, end: pd.Timestamp
) -> tuple[float, int]:
    if impressions is None:
        return 1.0, 0
    _require("impressions", impressions, ("user_id", "timestamp"))
    inside = impressions[(impressions["timestamp"] >= start) & (impressions["timestamp"] < end)]
    saw = table["user_id"].isin(set(inside["user_id"]))
    treated = table["status"] == TREATED
    return float(saw[treated].mean()) if treated.any() else 0.0, int((saw & (table["status"] == HELD_OUT)).sum())


def _calibration(predicted: np.ndarray, observed: np.ndarray, is_treated: np.ndarray, level: float) -> pd.DataFrame:
    rows = []
    for part in np.array_split(np.argsort(predicted, kind="stable"), 5):
        treated, held = observed[part][is_treated[part]], observed[part][~is_treated[part]]
        if min(len(treated), len(held)) < 2:
            continue
        difference = compare_means(held, treated, level=level).difference
        rows.append(
            {
                "n": difference.n,
                "predicted": predicted[part].mean(),
                "observed": difference.value,
                "low": difference.low,
                "high": difference.high,
            }
        )
    return pd.DataFrame(rows, columns=["n", "predicted", "observed", "low", "high"])


def _require(name: str, table: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise SchemaError(f"`{name}` must have {', '.join(columns)}; missing: {', '.join(missing)}.")
