"""Computes interests: how much each user cares for each category and item, with a half-life."""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from tfrec.errors import ConfigError, SchemaError, nearest_hint
from tfrec.schema.item_names import item_names
from tfrec.schema.tables import CATEGORY_SEPARATOR, Tables, category_levels

logger = logging.getLogger(__name__)

LEVELS = ("core", "regular", "occasional", "curious")
"""Levels of interest, strongest first."""

_KINDS = ("view", "purchase", "rating")


@dataclasses.dataclass(frozen=True)
class InterestConfig:
    """Settings of the interest score.

    Attributes:
        weights: of views, purchases and ratings; they add up to 1. What a shop does not log passes its weight on to
            the others in proportion.
        view_weight: worth of one fresh view; None = one over the 95th percentile of what a user gives one target, so
            that the most eager reach 1.
        purchase_weight: worth of one fresh purchase; None likewise.
        rating_weight: worth of one star of the mean rating.
        half_life_days: after this time an event counts half.
        bounds: least score of core, regular and occasional interest; what is below is curious.
    """

    weights: tuple[float, float, float] = (0.4, 0.3, 0.3)
    view_weight: float | None = None
    purchase_weight: float | None = None
    rating_weight: float = 0.2
    half_life_days: float = 90.0
    bounds: tuple[float, float, float] = (0.6, 0.3, 0.1)

    def __post_init__(self) -> None:
        if min(self.weights) < 0 or abs(sum(self.weights) - 1) > 1e-9:
            raise ConfigError(f"`weights` must be three shares that add up to 1; got {self.weights}.")
        if not self.half_life_days > 0:
            raise ConfigError(f"`half_life_days` must be above 0; got {self.half_life_days}.")
        if not 1 >= self.bounds[0] > self.bounds[1] > self.bounds[2] >= 0:
            raise ConfigError(f"`bounds` must fall from at most 1 to at least 0; got {self.bounds}.")


@dataclasses.dataclass(frozen=True)
class Interests:
    """What each user cares for.

    Attributes:
        categories: one row a user, category level and category: `user_id`, `level` (0 = top), `category` (whole path),
            `score` in [0, 1], `interest` (one of `LEVELS`), `views` and `purchases` (faded counts), `rating` (faded
            mean, NaN without), `num_events` (what the score rests on), `last_days` (since the last of them).
        items: the same a user and item, with `item_id`.
        weights: weights of views, purchases and ratings as used.
        worth: worth of one view, one purchase and one star, as used, for each level (`"item"`, `"0"`, ...).
        config: the settings.
        now: the moment that ages are counted from.
        titles: what to call an item.
    """

    JSON_KEYS: ClassVar = (
        "now",
        "num_users",
        "weights",
        "worth",
        ("half_life_days", "config.half_life_days"),
        ("categories", "category_records"),
    )

    categories: pd.DataFrame
    items: pd.DataFrame
    weights: tuple[float, float, float]
    worth: Mapping[str, tuple[float, float, float]]
    config: InterestConfig
    now: pd.Timestamp
    titles: Mapping[str, str]

    @property
    def num_users(self) -> int:
        """Users with an interest."""
        return int(self.items["user_id"].nunique())

    @property
    def by_category(self) -> pd.DataFrame:
        """Top category → number of users with each level of interest, and of all `users` with any."""
        top = self.categories[self.categories["level"] == 0]
        counts = pd.crosstab(top["category"], top["interest"]).reindex(columns=list(LEVELS), fill_value=0)
        counts.columns.name = None
        return counts.assign(users=counts.sum(axis=1)).sort_values(["core", "users"], ascending=False)

    @property
    def category_records(self) -> pd.DataFrame:
        """The same with `category` as a column."""
        return self.by_category.reset_index()

    def by_item(self, *, num: int = 10) -> pd.DataFrame:
        """Returns item id → number of users with each level of interest, of the items with most core interests."""
        counts = self.items.groupby(["item_id", "interest"]).size().unstack(fill_value=0)
        return counts.reindex(columns=list(LEVELS), fill_value=0).sort_values([*LEVELS[:2]], ascending=False).head(num)

    def of(self, target: str) -> pd.Series:
        """Returns `user_id` → score for a category (whole path or last name) or an item id; absent users have 0.

        Raises:
            ConfigError: no user has an interest of that name; the message names the nearest known one.
        """
        is_item = self.items["item_id"] == target
        if is_item.any():
            return self.items[is_item].set_index("user_id")["score"]
        names = self.categories["category"]
        is_category = (names == target) | (names.str.rsplit(CATEGORY_SEPARATOR, n=1).str[-1] == target)
        if not is_category.any():
            raise ConfigError(f"No user has an interest called {target!r}." + nearest_hint(target, names.unique()))
        return self.categories[is_category].groupby("user_id")["score"].max()

    def profile(self, user_id: str, *, num: int = 10) -> dict[str, Any]:
        """Returns a user's strongest interests, a list a category level and one of items, as JSON can hold it.

        Raises:
            ConfigError: the user has no interest.
        """
        categories = self.categories[self.categories["user_id"] == user_id]
        items = self.items[self.items["user_id"] == user_id]
        if not len(items) and not len(categories):
            raise ConfigError(f"User {user_id!r} has no interests: no view, purchase or rating until {self.now}.")
        levels = [
            _records(rows.rename(columns={"category": "name"}), num)
            for _, rows in categories.groupby("level", sort=True)
        ]
        named = items.assign(name=[self.titles.get(item) or item for item in items["item_id"]])
        return {
            "user_id": user_id,
            "now": self.now.isoformat(),
            "num_events": int(items["num_events"].sum()),
            "levels": levels,
            "items": _records(named, num, "item_id"),
        }


def interest_score(
    views: np.ndarray | float,
    purchases: np.ndarray | float,
    ratings: np.ndarray | float,
    *,
    weights: tuple[float, float, float] = (0.4, 0.3, 0.3),
    view_weight: float = 1.0,
    purchase_weight: float = 1.0,
    rating_weight: float = 1.0,
) -> np.ndarray:
    """Returns `w1·views·view_weight + w2·purchases·purchase_weight + w3·ratings·rating_weight`, each product at most 1.

    Example: views .8, purchases .7 and ratings .9 give `.4·.8 + .3·.7 + .3·.9 = .80`.

    Examples:
        >>> float(interest_score(0.8, 0.7, 0.9).round(2))
        0.8
        >>> interest_score(np.array([1.0, 5.0]), 0.0, 0.0)
        array([0.4, 0.4])
    """
    parts = (
        np.asarray(views) * view_weight,
        np.asarray(purchases) * purchase_weight,
        np.asarray(ratings) * rating_weight,
    )
    return np.stack(
        np.broadcast_arrays(*(w * np.minimum(part, 1.0) for w, part in zip(weights, parts, strict=True)))
    ).sum(0)


def measure_interests(
    tables: Tables, *, config: InterestConfig | None = None, now: pd.Timestamp | None = None
) -> Interests:
    """Returns each user's interest in each category of each level, and in each item.

    An event of age a days counts `2^(−a / half_life)`. Views and purchases are added up, ratings averaged; then
    `interest_score`. Carts, searches and impressions do not count: the first two say less than the view before them or
    the purchase after, and an impression is not the user's doing. Nor do purchases that were returned whole.

    Args:
        tables: the shop; guests are left out.
        config: settings.
        now: the moment that ages are counted from, and the last that is looked at; default: the last event.

    Raises:
        SchemaError: no known user has viewed, bought or rated anything.
    """
    config = config or InterestConfig()
    events = tables.net_events(now)
    if now is not None:
        events = events[events["timestamp"] <= now]
    wanted = events["event_type"].isin(_KINDS) & (events["user_id"] != "") & (events["item_id"] != "")
    events = events.loc[wanted.to_numpy(), ["user_id", "item_id", "event_type", "timestamp", "rating"]]
    if not len(events):
        raise SchemaError("Interests need views, purchases or ratings of known users; `events` has none.")
    moment = events["timestamp"].iloc[-1] if now is None else now
    weights = _shared_weights(config.weights, set(events["event_type"].unique()))
    users, user_names = pd.factorize(events["user_id"], sort=True)
    items, item_ids = pd.factorize(events["item_id"])
    faded = _Faded(
        users=users,
        age_days=((moment - events["timestamp"]) / pd.Timedelta(days=1)).to_numpy(),
        event_types=events["event_type"].to_numpy(dtype=object),
        ratings=events["rating"].to_numpy(dtype=np.float64),
    )
    worth: dict[str, tuple[float, float, float]] = {}
    by_item, worth["item"] = _scores(faded, items, len(item_ids), config, weights)
    by_item.insert(1, "item_id", pd.Series(item_ids, dtype="str").array.take(by_item.pop("target")))
    paths = category_levels(tables.items["category"])
    rows = tables.items.set_index("item_id").index.get_indexer(item_ids)
    frames = []
    for level in paths.columns:
        codes, names = pd.factorize(paths[level])
        targets = np.where(rows >= 0, codes[rows], -1)
        targets[targets >= 0] = np.where(names[targets[targets >= 0]] == "", -1, targets[targets >= 0])
        is_target = targets[items] >= 0
        frame, worth[str(level)] = _scores(
            faded.take(is_target), targets[items[is_target]], len(names), config, weights
        )
        frame.insert(1, "level", level)
        frame.insert(2, "category", pd.Series(names, dtype="str").array.take(frame.pop("target")))
        frames.append(frame)
    for frame in (by_item, *frames):
        frame["user_id"] = pd.Series(user_names, dtype="str").array.take(frame["user_id"])
    categories = pd.concat(frames, ignore_index=True) if frames else by_item.head(0).assign(level=0, category="")
    names_of = item_names(tables.items)
    logger.info("%d interests in items and %d in categories", len(by_item), len(categories))
    now_there = tables.calendar.local(moment)
    return Interests(categories, by_item, weights, worth, config, now_there, names_of)


@dataclasses.dataclass(frozen=True)
class _Faded:
    """Events with what their weight is made of, all `[n]`."""

    users: np.ndarray
    age_days: np.ndarray
    event_types: np.ndarray
    ratings: np.ndarray

    def take(self, rows: np.ndarray) -> "_Faded":
        return _Faded(self.users[rows], self.age_days[rows], self.event_types[rows], self.ratings[rows])


def _shared_weights(weights: tuple[float, float, float], logged: set[str]) -> tuple[float, float, float]:
    kept = [weight if kind in logged else 0.0 for kind, weight in zip(_KINDS, weights, strict=True)]
    if not sum(kept):
        raise ConfigError(f"The shop logs only {', '.join(sorted(logged))}, and `weights` {weights} give them nothing.")
    return tuple(weight / sum(kept) for weight in kept)  # type: ignore[return-value]


def _scores(
    events: _Faded, targets: np.ndarray, num_targets: int, config: InterestConfig, weights: tuple[float, float, float]
) -> tuple[pd.DataFrame, tuple[float, float, float]]:
    """Returns one row a (user, target) that occurs, user and target as numbers, and the worth of one of each kind."""
    pairs, row = np.unique(events.users * max(num_targets, 1) + targets, return_inverse=True)
    fade = np.exp2(-events.age_days / config.half_life_days)

    def added(kind: str, amounts: np.ndarray) -> np.ndarray:
        return np.bincount(row, weights=amounts * (events.event_types == kind), minlength=len(pairs))

    views, purchases, rated = (added(kind, fade) for kind in _KINDS)
    stars = added("rating", np.nan_to_num(fade * events.ratings))
    rating = np.divide(stars, rated, out=np.full(len(pairs), np.nan), where=rated > 0)
    worth = (
        _worth(config.view_weight, views),
        _worth(config.purchase_weight, purchases),
        config.rating_weight,
    )
    score = interest_score(
        views,
        purchases,
        np.nan_to_num(rating),
        weights=weights,
        view_weight=worth[0],
        purchase_weight=worth[1],
        rating_weight=worth[2],
    )
    last = np.full(len(pairs), np.inf)
    np.minimum.at(last, row, events.age_days)
    names = np.array(LEVELS, dtype=object)
    level = np.searchsorted(-np.array(config.bounds), -score, side="left")
    frame = pd.DataFrame(
        {
            "user_id": pairs // max(num_targets, 1),
            "target": pairs % max(num_targets, 1),
            "score": score,
            "interest": pd.Series(names[level], dtype="str"),
            "views": views,
            "purchases": purchases,
            "rating": rating,
            "num_events": np.bincount(row, minlength=len(pairs)),
            "last_days": last,
        }
    )
    return frame, worth


def _worth(given: float | None, amounts: np.ndarray) -> float:
    positive = amounts[amounts > 0]
    if given is not None or not len(positive):
        return 1.0 if given is None else given
    return float(1 / np.quantile(positive, 0.95))


def _records(rows: pd.DataFrame, num: int, *more: str) -> list[dict[str, Any]]:
    best = rows.sort_values(["score", "name"], ascending=[False, True]).head(num)
    columns = ["name", *more, "score", "interest", "num_events", "last_days"]
    return [
        {name: value.item() if isinstance(value, np.generic) else value for name, value in record.items()}
        for record in best[columns].to_dict("records")
    ]
