"""Generates registered users with segment, tastes, budget and the consumables that they buy repeatedly."""

import dataclasses

import numpy as np
import pandas as pd

from tfrec.demo_shop.catalogue import (
    BRANDS,
    DAYS_OF_SUPPLY,
    DEPARTMENT_OF_LEAF,
    DEPARTMENTS,
    LEAVES,
    MISSION_OF_LEAF,
    MISSIONS,
    TIERS,
    Catalogue,
)
from tfrec.demo_shop.config import DemoShopConfig
from tfrec.demo_shop.pictures import STYLES

AGE_BANDS = ("18-24", "25-34", "35-49", "50-64", "65+")
DEVICES = ("phone", "desktop")


@dataclasses.dataclass(frozen=True)
class Segment:
    """What the users of a segment have in common.

    Attributes:
        name: for humans.
        share: share of the users.
        missions: weight of each of `MISSIONS`.
        styles: weight of each style as a user's favourite.
        tiers: weight of each price tier as a user's favourite.
        activity: relative number of sessions.
        staples: mean number of consumables bought again and again.
        gift_season: factor on visits in the gift season.
    """

    name: str
    share: float
    missions: tuple[float, ...]
    styles: tuple[float, ...]
    tiers: tuple[float, ...]
    activity: float
    staples: float
    gift_season: float


SEGMENTS = (
    Segment("tech fans", 0.16, (8, 8, 0.5, 0.5, 1, 1, 4, 0.3), (5, 2, 1, 2), (0.2, 0.4, 0.4), 1.1, 1.5, 1.5),
    Segment("home cooks", 0.17, (0.4, 1, 9, 5, 0.6, 0.6, 0.8, 2), (2, 5, 2, 1), (0.3, 0.5, 0.2), 1.2, 2.5, 1.5),
    Segment("fashion lovers", 0.17, (0.5, 0.5, 0.5, 2, 10, 4, 0.5, 3), (1, 2, 5, 2), (0.3, 0.4, 0.3), 1.3, 1.2, 1.3),
    Segment("active families", 0.16, (1, 1, 2, 1, 2, 6, 7, 2), (2, 2, 2, 4), (0.55, 0.35, 0.1), 1.0, 2.0, 2.2),
    Segment(
        "pet and care regulars", 0.14, (0.3, 0.5, 2, 2, 1, 0.6, 0.6, 10), (3, 1, 2, 4), (0.5, 0.4, 0.1), 1.1, 3.2, 1.0
    ),
    Segment("bargain hunters", 0.12, (1, 2, 2, 2, 3, 2, 2, 2), (2, 2, 2, 2), (0.9, 0.08, 0.02), 0.9, 1.5, 1.3),
    Segment("gift buyers", 0.08, (2, 0.5, 3, 5, 1, 0.5, 6, 2), (2, 4, 3, 1), (0.2, 0.4, 0.4), 0.5, 0.3, 4.0),
)


@dataclasses.dataclass(frozen=True)
class Shoppers:
    """All registered users; arrays `[U]` by user code.

    Attributes:
        ids: user ids.
        segment: code in `SEGMENTS`.
        mission_taste: `[U, M]` probability of each mission as a session's intention.
        leaf_taste: `[U, L]` taste for each leaf category, each row a distribution.
        style: favourite style.
        tier: favourite price tier.
        brand_taste: `[U, number of BRANDS]` 1 for the favourite brands.
        activity: relative number of sessions.
        joined_day: first possible day since the start of the log.
        age_band, device, department, newsletter: what the shop knows of the user.
        staple_user, staple_leaf, staple_interval: one entry a consumable need: who, which leaf category, and the mean
            days between two purchases.
    """

    ids: np.ndarray
    segment: np.ndarray
    mission_taste: np.ndarray
    leaf_taste: np.ndarray
    style: np.ndarray
    tier: np.ndarray
    brand_taste: np.ndarray
    activity: np.ndarray
    joined_day: np.ndarray
    age_band: np.ndarray
    device: np.ndarray
    department: np.ndarray
    newsletter: np.ndarray
    staple_user: np.ndarray
    staple_leaf: np.ndarray
    staple_interval: np.ndarray

    def __len__(self) -> int:
        """Returns the number of users, U."""
        return len(self.ids)

    def raw_users(self, config: DemoShopConfig) -> pd.DataFrame:
        """Returns the table as the shop's own export has it."""
        return pd.DataFrame(
            {
                "customer": self.ids,
                "joined": np.datetime_as_string(config.as_time(np.floor(self.joined_day)), unit="D"),
                "age_band": np.array(AGE_BANDS)[self.age_band],
                "device": np.array(DEVICES)[self.device],
                "favourite_department": np.array(DEPARTMENTS)[self.department],
                "newsletter": self.newsletter.astype(int),
            }
        )

    def segment_table(self) -> pd.DataFrame:
        """Returns the truth: user, segment, favourite style, tier and mission."""
        return pd.DataFrame(
            {
                "user": self.ids,
                "segment": np.array([segment.name for segment in SEGMENTS])[self.segment],
                "favourite_style": np.array(STYLES)[self.style],
                "favourite_tier": np.array(TIERS)[self.tier],
                "favourite_mission": np.array(MISSIONS)[self.mission_taste.argmax(axis=1)],
            }
        )


def draw_shoppers(config: DemoShopConfig) -> Shoppers:
    """Draws the users: each segment's tastes, varied from user to user."""
    rng = config.generator("shoppers")
    U = config.num_users
    segment = rng.choice(len(SEGMENTS), U, p=[segment.share for segment in SEGMENTS])
    mission_taste = np.array([kind.missions for kind in SEGMENTS])[segment]
    mission_taste = mission_taste * rng.gamma(0.5, size=mission_taste.shape) + 1e-3
    mission_taste /= mission_taste.sum(axis=1, keepdims=True)
    leaf_taste = mission_taste[:, MISSION_OF_LEAF] * rng.gamma(1.0, size=(U, len(LEAVES)))
    leaf_taste /= leaf_taste.sum(axis=1, keepdims=True)
    by_department = leaf_taste @ (DEPARTMENT_OF_LEAF[:, None] == np.arange(len(DEPARTMENTS)))
    is_careless = rng.random(U) < 0.15  # what people tick at sign-up is not always what they like
    joined = np.where(rng.random(U) < 0.7, 0.0, rng.uniform(0, 0.95, U) * config.days)
    staple_user = np.repeat(np.arange(U), rng.poisson(np.array([0.5 * kind.staples for kind in SEGMENTS])[segment]))
    staple_leaf = draw_rows(leaf_taste[staple_user] * (DAYS_OF_SUPPLY > 0) + 1e-9 * (DAYS_OF_SUPPLY > 0), rng)
    return Shoppers(
        ids=np.char.add("C", np.char.zfill(rng.permutation(U).astype(str), 5)),
        segment=segment,
        mission_taste=mission_taste,
        leaf_taste=leaf_taste,
        style=draw_rows(np.array([kind.styles for kind in SEGMENTS], dtype=float)[segment] ** 1.5, rng),
        tier=draw_rows(np.array([kind.tiers for kind in SEGMENTS])[segment], rng),
        brand_taste=(rng.random((U, len(BRANDS))) < 0.25).astype(float),
        activity=np.array([kind.activity for kind in SEGMENTS])[segment] * np.exp(rng.normal(0, 0.9, U)),
        joined_day=joined,
        age_band=np.clip(np.round(rng.normal(2 - 0.8 * np.isin(segment, (0, 2)), 1.1)), 0, 4).astype(int),
        device=(rng.random(U) < np.where(np.isin(segment, (0, 1)), 0.6, 0.3)).astype(int),
        department=np.where(is_careless, rng.integers(len(DEPARTMENTS), size=U), by_department.argmax(axis=1)),
        newsletter=rng.random(U) < 0.45,
        staple_user=staple_user,
        staple_leaf=staple_leaf,
        staple_interval=DAYS_OF_SUPPLY[staple_leaf] * np.exp(rng.normal(0, 0.25, len(staple_leaf))),
    )


def draw_rows(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns `[R]`: one column drawn in each row of `weights` `[R, C]`, in proportion to the weights."""
    edges = weights.cumsum(axis=1)
    return np.minimum((edges <= rng.random(len(weights))[:, None] * edges[:, -1:]).sum(axis=1), weights.shape[1] - 1)


def choose_items(
    catalogue: Catalogue,
    shoppers: Shoppers,
    *,
    leaf: np.ndarray,
    user: np.ndarray,
    day: np.ndarray,
    rng: np.random.Generator,
    above_price: np.ndarray | None = None,
) -> np.ndarray:
    """Returns `[R]` the item that each user picks in a leaf category at a day; -1 where nothing fits.

    `P(i) ∝ exp(score)` over what is on sale (the logit model of choice), see `taste_scores`.

    Args:
        catalogue: what there is.
        shoppers: who chooses.
        leaf: `[R]` leaf codes.
        user: `[R]` user codes.
        day: `[R]` days since the start of the log.
        rng: source of chance.
        above_price: `[R]` only dearer items; `None` = any price.
    """
    chosen = np.full(len(leaf), -1)
    order = np.argsort(leaf, kind="stable")
    bounds = np.searchsorted(leaf[order], np.arange(len(LEAVES) + 1))
    for code in np.unique(leaf):
        rows = order[bounds[code] : bounds[code + 1]]
        items = np.flatnonzero(catalogue.leaf == code)
        score = taste_scores(catalogue, shoppers, items=items, user=user[rows], day=day[rows])
        if above_price is not None:
            score = np.where(catalogue.price[items] > above_price[rows, None], score, -np.inf)
        best = (score + rng.gumbel(size=score.shape)).argmax(axis=1)
        chosen[rows] = np.where(np.isfinite(score.max(axis=1)), items[best], -1)
    return chosen


def taste_scores(
    catalogue: Catalogue, shoppers: Shoppers, *, items: np.ndarray, user: np.ndarray, day: np.ndarray
) -> np.ndarray:
    """Returns `[R, n]` how much each user likes each of `items` at a day; -inf where it is not on sale.

    `appeal + trend·(day/365 − ½) + 2.2·[style fits] + 1.8·[tier fits] + 0.8·[brand liked] + 2·[new]`

    Args:
        catalogue: what there is.
        shoppers: who chooses.
        items: `[n]` item codes.
        user: `[R]` user codes.
        day: `[R]` days since the start of the log.
    """
    when = day[:, None]
    score = np.where(catalogue.is_sold(items, when), 0.0, -np.inf)
    score += catalogue.appeal[items] + catalogue.trend[items] * (when / 365 - 0.5)
    score += 2.2 * (shoppers.style[user, None] == catalogue.style[items])
    score += 1.8 * (shoppers.tier[user, None] == catalogue.tier[items])
    score += 0.8 * shoppers.brand_taste[np.ix_(user, catalogue.brand[items])]
    score += 2.0 * (catalogue.available_day[items] > 0)
    return score
