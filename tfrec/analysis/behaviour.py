"""Turns events into behaviour: one row of figures per user, and the space in which users are compared."""

import dataclasses

import numpy as np
import pandas as pd

from tfrec.errors import ConfigError, SchemaError, nearest_hint
from tfrec.schema.calendar import ShopCalendar
from tfrec.schema.tables import Tables

FEATURES = ("recency_days", "num_orders", "value_per_order", "items_per_order", "repeat_share")
"""What clusters are made from by default: when, how often, how much, how broad, how faithful to the same items."""

_DAY = np.timedelta64(1, "D") / np.timedelta64(1, "us")  # days are counted in microseconds below
_LONG_TAIL = 1.0  # skewness above which a figure is taken in logarithms


def describe_behaviour(tables: Tables, *, now: pd.Timestamp | None = None) -> pd.DataFrame:
    """Returns one row a known user with an event before `now`, indexed by `user_id`.

    Columns (days as float, value in the shop's currency):
        `seen_days` since the last event of any kind; `tenure_days` since the first;
        `num_events`, `num_views` (views), `num_orders` (different orders, or purchase days where orders are unknown);
        `value` = Σ price · quantity of purchases (unknown prices count as 0), `gross_value` before returns,
        `return_share` = 1 − value / gross value (NaN without any);
        `recency_days` since the last order, `first_order_days` since the first (NaN without any);
        `value_per_order`, `items_per_order` (different items an order, mean) (NaN without any);
        `repeat_share` = 1 − different items bought / item lines bought (NaN without any);
        `interval_days` = (last − first order) / (orders − 1) (NaN below two orders).
    Purchases are net: returned pieces do not count, and an order that was returned whole is no order.

    Args:
        tables: the shop; guests (`user_id == ""`) are left out.
        now: the moment to count from; default: the last event.

    Raises:
        SchemaError: no event has a user.
    """
    events = tables.events
    if now is not None:
        events = events[events["timestamp"] <= now]
    events = events[(events["user_id"] != "").to_numpy() & (events["event_type"] != "impression").to_numpy()]
    if not len(events):
        raise SchemaError(
            "Behaviour needs events with a `user_id`; there is none. Map the user's column in the recipe."
        )
    moment = tables.events["timestamp"].iloc[-1] if now is None else now
    users, names = pd.factorize(events["user_id"], sort=True)
    num = len(names)
    times = events["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64)
    since = (np.datetime64(moment, "us").astype(np.int64) - times) / _DAY
    first, last = _first_and_last(users, num)
    event_types = events["event_type"].to_numpy()
    purchases = tables.net_purchases(now)
    purchases = purchases[(purchases["user_id"] != "").to_numpy() & (purchases["timestamp"] <= moment).to_numpy()]
    buyers = pd.Index(names).get_indexer(purchases["user_id"])
    bought_at = purchases["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64)
    ago = (np.datetime64(moment, "us").astype(np.int64) - bought_at) / _DAY
    is_purchase = event_types == "purchase"
    gross = np.bincount(users[is_purchase], weights=worth_of(events[is_purchase]), minlength=num)
    frame = pd.DataFrame(
        {
            "seen_days": since[last],
            "tenure_days": since[first],
            "num_events": np.bincount(users, minlength=num),
            "num_views": np.bincount(users[event_types == "view"], minlength=num),
        },
        index=pd.Index(names, name="user_id"),
    )
    orders = pd.factorize(order_ids(purchases, tables.calendar))[0]
    figures = _orders_of(purchases, orders, buyers, ago, num)
    share = 1 - figures["value"] / np.where(gross > 0, gross, np.nan)
    return frame.assign(**figures, gross_value=gross, return_share=share)


def worth_of(purchases: pd.DataFrame) -> np.ndarray:
    """Returns `[n]` price · quantity of purchases; unknown prices count as 0."""
    return np.nan_to_num(purchases["price"].to_numpy(np.float64)) * np.nan_to_num(
        purchases["quantity"].to_numpy(np.float64)
    )


def order_ids(purchases: pd.DataFrame, calendar: ShopCalendar) -> pd.Series:
    """Returns what puts purchases together: the order, else the session, else user and day; `""` for a lone guest.

    Args:
        purchases: columns `order_id`, `session_id`, `user_id` and `timestamp` (UTC).
        calendar: the shop's clock, whose days count.

    Examples:
        >>> purchases = pd.DataFrame(
        ...     {"order_id": ["7", "", ""], "session_id": ["", "s1", ""], "user_id": ["u1", "u2", "u3"],
        ...      "timestamp": pd.to_datetime(["2025-01-02"] * 3)}
        ... )
        >>> order_ids(purchases, ShopCalendar()).tolist()
        ['o7', 'ss1', 'du3@2025-01-02']
    """
    given_ids = purchases["order_id"]
    if not (given_ids == "").any():
        return given_ids
    text = {name: purchases[name].astype("str") for name in ("order_id", "session_id", "user_id")}
    day = calendar.local(purchases["timestamp"]).dt.strftime("%Y-%m-%d").astype("str")
    by_day = ("d" + text["user_id"] + "@" + day).where(text["user_id"] != "", "")
    by_session = ("s" + text["session_id"]).where(text["session_id"] != "", by_day)
    return ("o" + text["order_id"]).where(text["order_id"] != "", by_session)


@dataclasses.dataclass(frozen=True)
class FeatureSpace:
    """Figures of behaviour on one scale: logarithms where the tail is long, then mean 0 and deviation 1.

    Attributes:
        features: `[d]` names of the figures.
        is_log: `[d]` whether `log(1 + x)` is taken first.
        centre: `[d]` mean after that.
        spread: `[d]` standard deviation after that.
    """

    features: tuple[str, ...]
    is_log: np.ndarray
    centre: np.ndarray
    spread: np.ndarray

    def place(self, behaviour: pd.DataFrame) -> np.ndarray:
        """Returns `[n, d]` places of users, in standard deviations from the mean, held within ±4.

        A figure that is unknown (a price, say) puts the user at the mean.
        """
        values = behaviour[list(self.features)].to_numpy(dtype=np.float64, copy=True)
        values[:, self.is_log] = np.log1p(np.maximum(values[:, self.is_log], 0))
        return np.nan_to_num(np.clip((values - self.centre) / self.spread, -4, 4), nan=0.0)


def fit_space(behaviour: pd.DataFrame, features: tuple[str, ...] = FEATURES) -> FeatureSpace:
    """Returns the space of `features`; those that are the same for everybody are left out.

    Raises:
        ConfigError: a feature is unknown, or none differs between users.
    """
    for feature in features:
        if feature not in behaviour.columns:
            raise ConfigError(
                f"`features` names {feature!r}, which is no figure of behaviour."
                + nearest_hint(feature, behaviour.columns)
            )
    values = behaviour[list(features)].to_numpy(dtype=np.float64, copy=True)
    is_log = (np.nanmin(values, axis=0) >= 0) & (_skewness(values) > _LONG_TAIL)
    values[:, is_log] = np.log1p(values[:, is_log])
    centre, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    differs = spread > 1e-9
    if not differs.any():
        raise ConfigError(f"All {len(behaviour):,} users behave alike in {', '.join(features)}; name other `features`.")
    kept = tuple(name for name, is_kept in zip(features, differs, strict=True) if is_kept)
    return FeatureSpace(kept, is_log[differs], centre[differs], spread[differs])


def _skewness(values: np.ndarray) -> np.ndarray:
    deviation = values - np.nanmean(values, axis=0)
    spread = np.maximum(np.nanstd(values, axis=0), 1e-12)
    return np.nanmean(deviation**3, axis=0) / spread**3


def _first_and_last(groups: np.ndarray, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first and the last row of each group 0..num−1; each occurs."""
    rows = np.arange(len(groups))
    last = np.zeros(num, dtype=np.int64)
    last[groups] = rows  # a later assignment wins
    first = np.zeros(num, dtype=np.int64)
    first[groups[::-1]] = rows[::-1]
    return first, last


def _orders_of(
    purchases: pd.DataFrame, orders: np.ndarray, users: np.ndarray, since: np.ndarray, num: int
) -> dict[str, np.ndarray]:
    items, item_names = pd.factorize(purchases["item_id"])
    user_of_order = np.zeros(orders.max(initial=-1) + 1, dtype=np.int64)
    user_of_order[orders] = users
    num_orders = np.bincount(user_of_order, minlength=num)
    value = np.bincount(users, weights=worth_of(purchases), minlength=num)
    span = max(len(item_names), 1)
    lines = np.unique(orders * span + items) // span  # the order of each (order, item) pair
    num_lines = np.bincount(user_of_order[lines], minlength=num)
    num_items = np.bincount(np.unique(users * span + items) // span, minlength=num)
    recency, first = np.full(num, np.nan), np.full(num, np.nan)
    recency[users] = since
    first[users[::-1]] = since[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "num_orders": num_orders,
            "value": value,
            "recency_days": recency,
            "first_order_days": first,
            "value_per_order": value / np.where(num_orders > 0, num_orders, np.nan),
            "items_per_order": num_lines / np.where(num_orders > 0, num_orders, np.nan),
            "repeat_share": 1 - num_items / np.where(num_lines > 0, num_lines, np.nan),
            "interval_days": (first - recency) / np.where(num_orders > 1, num_orders - 1, np.nan),
        }
