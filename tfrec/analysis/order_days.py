"""Lists the days on which users bought, as they were known at a moment, and describes users by them."""

import numpy as np
import pandas as pd

from tfrec.analysis.behaviour import worth_of
from tfrec.errors import ConfigError, SchemaError
from tfrec.schema.tables import Tables

_DAY = pd.Timedelta(days=1)


def check_horizon(horizon_days: float) -> None:
    """Raises `ConfigError` where the horizon of a prediction is not within two years."""
    if not 0 < horizon_days <= 730:
        raise ConfigError(f"`horizon_days` must lie in (0, 730]; got {horizon_days}. Try 28.")


def purchase_days(tables: Tables, now: pd.Timestamp | None, keys: list[str]) -> tuple[pd.DataFrame, pd.Timestamp]:
    """Returns the different `keys` and `day` of purchases up to now with their `value`, by time, and now.

    What was returned until now is no purchase.

    Raises:
        SchemaError: no known user bought anything.
    """
    now = tables.events["timestamp"].max() if now is None else now
    days = _days_until(tables, now, keys)
    if not len(days):
        raise SchemaError(
            f"No known user bought anything until {tables.calendar.day_text(now)}, or everything was returned. Map the "
            "users' column in the recipe, or wait for orders."
        )
    return days, now


def days_before(tables: Tables, cut: pd.Timestamp, keys: list[str]) -> pd.DataFrame:
    """Returns the days that began before `cut`, as they were known then: what was returned later is a purchase."""
    days = _days_until(tables, cut, keys)
    return days[days["day"] < cut]


def _days_until(tables: Tables, now: pd.Timestamp, keys: list[str]) -> pd.DataFrame:
    purchases = tables.net_purchases(now)
    wanted = (purchases["user_id"] != "") & (purchases["timestamp"] <= now)
    purchases = purchases.loc[wanted, [*keys, "timestamp", "price", "quantity"]]
    purchases = purchases.assign(day=tables.calendar.day_starts(purchases["timestamp"]), value=worth_of(purchases))
    days = purchases.groupby([*keys, "day"], sort=False, observed=True)["value"].sum()
    return days.reset_index()


def describe_orders(days: pd.DataFrame, now: pd.Timestamp, horizon_days: float) -> pd.DataFrame:
    """Returns one row a buyer, indexed by `user_id`: what regressions read of the order days before `now`.

    Columns, all on a logarithmic scale: `rate` (order days a day since the first, a horizon added, so that it does not
    grow with the log as a count would), `recency` and `age` (days since the last and the first), `mean_value` and
    `last_value` (of an order day), `overdue` (recency over the mean gap; 0 for one order), and `orders_…`, `value_…`
    within a third of the horizon, the horizon, and twice the horizon before now.
    """
    grouped = days.groupby("user_id", sort=True)
    first, last, count = grouped["day"].min(), grouped["day"].max(), grouped.size()
    age, recency = (now - first) / _DAY, (now - last) / _DAY
    gap = (age - recency) / np.maximum(count - 1, 1)
    columns = {
        "rate": np.log(count / (age + horizon_days)),
        "recency": np.log1p(recency),
        "age": np.log1p(age),
        "mean_value": np.log1p(grouped["value"].mean()),
        "last_value": np.log1p(grouped["value"].last()),
        "overdue": (np.log1p(recency) - np.log1p(gap)).where(count > 1, 0.0),
    }
    for name, length in (("third", horizon_days / 3), ("horizon", horizon_days), ("double", 2 * horizon_days)):
        recent = days[days["day"] >= now - pd.Timedelta(days=length)].groupby("user_id")
        columns[f"orders_{name}"] = np.log1p(recent.size().reindex(count.index).fillna(0))
        columns[f"value_{name}"] = np.log1p(recent["value"].sum().reindex(count.index).fillna(0))
    return pd.DataFrame(columns)


def orders_after(days: pd.DataFrame, users: pd.Index, cut: pd.Timestamp, horizon_days: float) -> pd.DataFrame:
    """Returns `orders` (order days) and `value` of each of `users` from `cut` until the horizon is over."""
    after = days[(days["day"] >= cut) & (days["day"] < cut + pd.Timedelta(days=horizon_days))]
    sums = after.groupby("user_id").agg(orders=("day", "size"), value=("value", "sum"))
    return sums.reindex(users).fillna(0.0)
