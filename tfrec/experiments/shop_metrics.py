"""Computes metrics from an assignment and a shop's log: one row per user, and each user's totals day by day.

Everybody assigned counts, seen or not; who did nothing has 0.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tfrec.errors import SchemaError
from tfrec.schema.tables import Tables

METRICS = ("conversion", "orders", "value", "pieces", "visits")
"""Per user: whether there was an order, how many, their money and pieces, days with any event."""

BEFORE = "_before"
"""Ending of a column that holds the same metric from before the experiment (for CUPED)."""


def activity(tables: Tables, *, metric: str) -> pd.DataFrame:
    """Returns `user_id`, `timestamp`, `value` of each event of a known user, what it adds to the metric.

    Summed over a user: value in money, pieces, orders (so conversion is whether the sum is above 0), or visits. Net of
    returns: what was taken back later counts nowhere, at the time of its purchase; the visit stays one.

    Raises:
        SchemaError: the metric is unknown.
    """
    if metric not in METRICS:
        raise SchemaError(f"The metrics of a shop's log are {', '.join(METRICS)}; got {metric!r}.")
    events = tables.events if metric == "visits" else tables.net_events()
    events = events[events["user_id"] != ""]
    is_bought = (events["event_type"] == "purchase").to_numpy()
    if metric == "visits":
        day = tables.calendar.day_starts(events["timestamp"])
        value = (~pd.DataFrame({"u": events["user_id"], "d": day}).duplicated()).to_numpy(np.float64)
    elif metric in ("value", "pieces"):
        worth = events["quantity"].to_numpy(np.float64)
        if metric == "value":
            worth = worth * events["price"].fillna(0).to_numpy(np.float64)
        value = np.where(is_bought, worth, 0.0)
    else:
        # An order counts once, at its first line; without order ids every purchase is one.
        order = events["order_id"].where(events["order_id"] != "", events.index.astype("str"))
        first = ~pd.DataFrame({"o": order.where(is_bought, ""), "u": events["user_id"]}).duplicated().to_numpy()
        value = (is_bought & first).astype(np.float64)
    return pd.DataFrame(
        {"user_id": events["user_id"].to_numpy(), "timestamp": events["timestamp"].to_numpy(), "value": value}
    )


def users_of(tables: Tables) -> np.ndarray:
    """Returns `[n]` the ids of everybody in a shop: known users first, then those that the log alone has."""
    seen = tables.events["user_id"]
    return pd.concat([tables.users["user_id"], seen[seen != ""]]).drop_duplicates().to_numpy()


def user_metrics(
    assigned: pd.DataFrame, tables: Tables, *, start: pd.Timestamp, end: pd.Timestamp, pre_days: int = 28
) -> pd.DataFrame:
    """Returns one row an assigned user: `user_id`, `arm`, `METRICS` of [start, end), and the same from before.

    Args:
        assigned: `user_id` (each once) and `arm`, with any further columns, which are kept.
        tables: the shop; attributes of `users` come along as columns.
        start: first moment of the experiment.
        end: first moment that no longer counts.
        pre_days: length of the time before `start` for the `_before` columns; 0 for none.

    Raises:
        SchemaError: no assigned user is in the log.
    """
    if not start < end:
        raise SchemaError(f"The experiment must start before it ends; got {start} and {end}.")
    result = assigned.reset_index(drop=True).copy()
    rows = pd.Index(result["user_id"])
    has_users = False
    for metric in METRICS:
        log = activity(tables, metric=metric)
        for column, low, high in (
            (metric, start, end), (metric + BEFORE, start - pd.Timedelta(days=pre_days), start)
        ):  # fmt: skip
            if low == high:
                continue
            inside = log[(log["timestamp"] >= low) & (log["timestamp"] < high)]
            sums = inside.groupby("user_id")["value"].sum()
            has_users |= bool(rows.isin(sums.index).any())
            values = sums.reindex(rows, fill_value=0.0).to_numpy()
            result[column] = (values > 0).astype(np.float64) if metric == "conversion" else values
    if not has_users:
        raise SchemaError(
            f"No assigned user has an event between {tables.calendar.moment_text(start)} and "
            f"{tables.calendar.moment_text(end)}, or before: ids or dates are not those of the log."
        )
    attributes = tables.users.set_index("user_id")
    fresh = [name for name in attributes.columns if name not in result.columns]
    return result.join(attributes[fresh], on="user_id")


def daily_totals(
    user_ids: pd.Series, tables: Tables, *, metric: str, start: pd.Timestamp, end: pd.Timestamp
) -> Iterator[np.ndarray]:
    """Yields each user's metric of [start, end of the day), day by day, `[n]` in the order of `user_ids`.

    Everybody counts from the first day, with 0 until they act: a count of the users seen so far would depend on the
    treatment wherever it brings visitors. Days are those of the shop's clock; the last one ends at `end`, or where the
    log does.
    """
    log = activity(tables, metric=metric)
    log = log[(log["timestamp"] >= start) & (log["timestamp"] < end)]
    user = pd.Index(user_ids).get_indexer(log["user_id"])
    local, first = tables.calendar.local, tables.calendar.local(start)
    day = ((local(log["timestamp"]) - first) // pd.Timedelta(days=1)).to_numpy()
    last = local(min(tables.events["timestamp"].max(), end - pd.Timedelta(microseconds=1)))
    value = log["value"].to_numpy()
    total = np.zeros(len(user_ids))
    for at in range(int((last - first) // pd.Timedelta(days=1)) + 1):
        now = (day == at) & (user >= 0)
        total = total + np.bincount(user[now], weights=value[now], minlength=len(total))
        yield (total > 0).astype(np.float64) if metric == "conversion" else total
