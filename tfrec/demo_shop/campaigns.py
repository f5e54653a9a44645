"""Simulates the two weeks after a coupon campaign in the demo shop, and what it truly earned."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import special

from tfrec.demo_shop.coupons import ARMS, DISCOUNTS, MARGIN, SPEND_SPREAD
from tfrec.demo_shop.truth import DemoShopTruth
from tfrec.errors import SchemaError, nearest_hint

DAYS = 14
"""Length of the coupon test, and so of a campaign with the same effects."""

_CURIOUS = 0.5  # share of users who open the mail without coming


@dataclasses.dataclass(frozen=True)
class CampaignLog:
    """What happens after a campaign is sent.

    Attributes:
        orders: `user_id`, `timestamp`, `revenue` (paid), `margin` (before the discount), `discount`.
        impressions: `user_id`, `timestamp` of opened mails; everybody who comes has opened it, and half of the others.
        profit: true expected profit of all coupons sent, after discounts: what a read-out should find.
        spent: true expected discounts of all coupons sent.
    """

    orders: pd.DataFrame
    impressions: pd.DataFrame
    profit: float
    spent: float


def run_campaign(
    truth: DemoShopTruth, sent: pd.DataFrame, *, face_values: Mapping[str, float] | None = None, seed: int = 0
) -> CampaignLog:
    """Draws what users do when a campaign follows the end of the shop's log.

    Users behave as in the coupon test: with coupon `a` they come and buy with the probabilities behind it; an order of
    full price `x` pays `x − min(r_a x, face value)`. Each user orders at most once.

    Args:
        truth: truth of the shop.
        sent: `user_id`, `offer`: every user of the campaign, with `""` who gets none.
        face_values: offer → most that it takes off; without limit where none is named.
        seed: random seed of the draw.

    Raises:
        SchemaError: a user or an offer is unknown to the shop.
    """
    chance, value, limits = _behaviour(truth, sent, face_values or {})
    codes = _codes(sent)
    rates, rows = DISCOUNTS[codes], np.arange(len(sent))
    limit = limits[codes]
    rng = np.random.default_rng([seed, *b"campaign"])
    visits, buys = rng.random((2, len(sent)))
    has_come = visits < chance["visit"][rows, codes]
    has_bought = has_come & (buys < (chance["conversion"] / chance["visit"])[rows, codes])
    noise = np.exp(rng.normal(0, SPEND_SPREAD, len(sent)) - SPEND_SPREAD**2 / 2)  # mean 1
    full = value[rows, codes] * noise
    discount = np.minimum(rates * full, limit)
    moments = truth.config.ends_at + np.sort(rng.integers(0, DAYS * 86_400, len(sent))).astype("timedelta64[s]")
    moments = rng.permutation(moments)
    has_opened = (codes > 0) & (has_come | (rng.random(len(sent)) < _CURIOUS))
    ids = sent["user_id"].to_numpy()
    orders = pd.DataFrame(
        {"user_id": ids, "timestamp": moments, "revenue": (full - discount).round(2),
         "margin": (MARGIN * full).round(2), "discount": discount.round(2)}
    )[has_bought]  # fmt: skip
    impressions = pd.DataFrame({"user_id": ids, "timestamp": moments})[has_opened]
    paid = chance["conversion"] * _capped_mean(value * DISCOUNTS, limits)
    profit = MARGIN * chance["conversion"] * value - paid
    gained = profit[rows, codes] - profit[:, 0]
    in_time = [table.sort_values("timestamp", kind="stable", ignore_index=True) for table in (orders, impressions)]
    return CampaignLog(in_time[0], in_time[1], float(gained.sum()), float(paid[rows, codes].sum()))


def _codes(sent: pd.DataFrame) -> np.ndarray:
    offers = sent["offer"].replace("", ARMS[0])
    unknown = sorted(set(offers) - set(ARMS))
    if unknown:
        raise SchemaError(f"The shop has no offer {unknown[0]!r}.{nearest_hint(unknown[0], ARMS[1:])}")
    return pd.Categorical(offers, categories=list(ARMS)).codes.astype(np.int64)


def _behaviour(
    truth: DemoShopTruth, sent: pd.DataFrame, face_values: Mapping[str, float]
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Returns P(visit) and P(conversion) `[n, arms]`, the mean full price of an order `[n, arms]`, face values."""
    missing = set(face_values) - set(ARMS[1:])
    if missing:
        raise SchemaError(f"The shop has no offer {min(missing)!r}.{nearest_hint(min(missing), ARMS[1:])}")
    by_arm = {arm: part.set_index("user") for arm, part in truth.uplift.groupby("arm")}
    is_user = sent["user_id"].isin(by_arm[ARMS[1]].index)
    if not is_user.all():
        raise SchemaError(
            f"{(~is_user).sum():,} of {len(sent):,} users are not of this demo shop, such as "
            f"{sent['user_id'][~is_user].iloc[0]!r}. Plan for the shop itself, prepared without pseudonyms."
        )
    parts = [by_arm[arm].loc[sent["user_id"]] for arm in ARMS[1:]]
    outcomes = {
        name: np.stack(
            [parts[0][f"base_{name}"], *(part[f"base_{name}"] + part[f"{name}_uplift"] for part in parts)], axis=1
        )
        for name in ("visit", "conversion", "spend")
    }
    value = outcomes["spend"] / outcomes["conversion"] / (1 - DISCOUNTS)
    return outcomes, value, np.array([0.0, *(face_values.get(arm, np.inf) for arm in ARMS[1:])])


def _capped_mean(means: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Returns `E[min(m ε, limit)]` of log-normal noise ε with mean 1: `m Φ(z − σ) + limit · (1 − Φ(z))`."""
    with np.errstate(divide="ignore"):
        z = (np.log(limits / np.maximum(means, 1e-12)) + SPEND_SPREAD**2 / 2) / SPEND_SPREAD
    above = np.where(np.isfinite(limits), limits, 0.0) * special.ndtr(-z)
    return means * special.ndtr(z - SPEND_SPREAD) + above
