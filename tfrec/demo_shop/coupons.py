"""Simulates a randomised coupon test with known uplift of each user, sleeping dogs included.

Everyone is observed under one arm only, but the probabilities behind all three arms are known: the test starts when
the log ends, users are allotted to the arms in equal numbers at random, and outcomes cover the 14 days after.
"""

import numpy as np
import pandas as pd

from tfrec.demo_shop.catalogue import TIERS
from tfrec.demo_shop.config import DemoShopConfig
from tfrec.demo_shop.shoppers import SEGMENTS, Shoppers

ARMS = ("none", "coupon_10", "coupon_25")
DISCOUNTS = np.array([0.0, 0.10, 0.25])
OUTCOMES = ("visit", "conversion", "spend", "margin")

MARGIN = 0.42  # of the full price
SPEND_SPREAD = 0.5  # standard deviation of the log of an order's value


def coupon_features(config: DemoShopConfig, shoppers: Shoppers, log: pd.DataFrame) -> pd.DataFrame:
    """Returns what the shop knows of each user before the test, one row a user in code order.

    Columns: customer, past_orders, past_spend, mean_order_value, days_since_order (365 = never), past_sessions,
    past_reviews, days_since_joined, and the attributes of `users.csv`.
    """
    users = pd.RangeIndex(len(shoppers))
    bought = log[(log["event_type"] == "purchase") & (log["user"] >= 0)]
    spend = (bought["quantity"] * bought["price"]).groupby(bought["user"]).sum().reindex(users, fill_value=0.0)
    orders = bought.groupby("user")["order"].nunique().reindex(users, fill_value=0)
    since = (config.ends_at - bought.groupby("user")["time"].max().reindex(users)) / np.timedelta64(1, "D")
    seen = log[(log["user"] >= 0) & (log["session"] >= 0)]
    table = shoppers.raw_users(config)
    table.insert(1, "past_orders", orders.to_numpy())
    table.insert(2, "past_spend", spend.round(2).to_numpy())
    table.insert(3, "mean_order_value", (spend / orders.clip(lower=1)).round(2).to_numpy())
    table.insert(4, "days_since_order", since.fillna(365).clip(upper=365).round(1).to_numpy())
    table.insert(5, "past_sessions", seen.groupby("user")["session"].nunique().reindex(users, fill_value=0).to_numpy())
    ratings = log[log["event_type"] == "rating"].groupby("user").size().reindex(users, fill_value=0)
    table.insert(6, "past_reviews", ratings.to_numpy())
    table.insert(7, "days_since_joined", np.ceil(config.days - shoppers.joined_day).astype(int))
    return table.drop(columns="joined")


def run_coupon_test(
    config: DemoShopConfig, shoppers: Shoppers, features: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the test's table (customer, arm, assigned_at, visit, conversion, spend, margin) and the true uplifts.

    The truth has one row a user and coupon arm: user, arm, `base_*` (expected outcome without a coupon) and `*_uplift`
    (expected outcome with this arm less without) for visit, conversion, spend and margin (EUR), and `group`:
    `sleeping dog` (conversion uplift < -.005), `sure thing` (> -.005 and base conversion ≥ .2), `persuadable`
    (uplift ≥ .02), else `lost cause`.
    """
    rng = config.generator("coupons")
    U = len(shoppers)
    expected, visit, convert, value = _expected(shoppers, features)
    arm = rng.permutation(np.arange(U) % len(ARMS))
    rows = np.arange(U)
    has_visited = rng.random(U) < visit[rows, arm]
    has_bought = has_visited & (rng.random(U) < convert[rows, arm])
    noise = np.exp(rng.normal(0, SPEND_SPREAD, U) - SPEND_SPREAD**2 / 2)  # mean 1
    spend = np.where(has_bought, value[rows, arm] * noise, 0.0)
    test = pd.DataFrame(
        {
            "customer": shoppers.ids,
            "arm": np.array(ARMS)[arm],
            "assigned_at": np.datetime_as_string(np.repeat(config.ends_at, U)),
            "visit": has_visited.astype(int),
            "conversion": has_bought.astype(int),
            "spend": spend.round(2),
            "margin": (spend * _margin_rate()[arm]).round(2),
        }
    )
    test["assigned_at"] = test["assigned_at"].str.replace("T", " ")
    truth = []
    for code in range(1, len(ARMS)):
        uplift = expected[:, code] - expected[:, 0]  # [U, outcomes]
        gain = uplift[:, OUTCOMES.index("conversion")]
        base = expected[:, 0, OUTCOMES.index("conversion")]
        group = np.select(
            [gain < -0.005, base >= 0.2, gain >= 0.02], ["sleeping dog", "sure thing", "persuadable"], "lost cause"
        )
        columns = {"user": shoppers.ids, "arm": ARMS[code], "group": group}
        columns |= {f"base_{name}": expected[:, 0, place].round(6) for place, name in enumerate(OUTCOMES)}
        columns |= {f"{name}_uplift": uplift[:, place].round(6) for place, name in enumerate(OUTCOMES)}
        truth.append(pd.DataFrame(columns))
    return test, pd.concat(truth, ignore_index=True)


def _margin_rate() -> np.ndarray:
    """Returns the margin as a share of the money paid: cost is (1 − margin) of the full price, 1 − discount is paid."""
    return 1 - (1 - MARGIN) / (1 - DISCOUNTS)


def _expected(shoppers: Shoppers, features: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns expected outcomes `[U, arms, outcomes]`, and P(visit), P(conversion | visit), E[spend | conversion]."""
    orders = np.log1p(features["past_orders"].to_numpy())
    since = features["days_since_order"].to_numpy()
    newsletter = shoppers.newsletter.astype(float)
    is_lapsed = (since > 40) & (since < 200)
    is_bargain = np.array([segment.name == "bargain hunters" for segment in SEGMENTS])[shoppers.segment]
    is_thrifty = shoppers.tier == TIERS.index("good")
    is_young = shoppers.age_band <= 1
    # Regulars who never wanted mail are put off by it.
    is_dog = (features["past_orders"].to_numpy() >= 3) & ~shoppers.newsletter

    appetite = 0.35 + 0.8 * is_lapsed + 0.7 * is_bargain + 0.5 * is_thrifty + 0.4 * is_young + 0.3 * newsletter
    appetite = np.where(is_dog, -0.9, appetite)
    dose = np.array([0.0, 0.7, 1.0])
    visit = _sigmoid((-1.6 + 0.7 * orders - 0.003 * since + 0.4 * newsletter)[:, None] + appetite[:, None] * dose)
    pull = np.where(is_dog, -0.3, 0.25 + 0.5 * is_bargain + 0.25 * is_thrifty)
    convert = _sigmoid((-0.8 + 0.35 * orders)[:, None] + pull[:, None] * np.array([0.0, 0.6, 1.3]))
    basket = np.where(features["past_orders"] > 0, features["mean_order_value"], 60.0).clip(10, 400)
    # The coupon buys somewhat larger baskets at full price, of which the discount is then not paid.
    value = basket[:, None] * np.array([1.0, 1.06, 1.15]) * (1 - DISCOUNTS)
    bought = visit * convert
    expected = np.stack([visit, bought, bought * value, bought * value * _margin_rate()], axis=2)
    return expected, visit, convert, value


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))
