"""Computes the figures of a shop: orders, value, returning buyers, month by month."""

import dataclasses

import numpy as np
import pandas as pd

from tfrec.analysis.behaviour import order_ids, worth_of
from tfrec.errors import SchemaError
from tfrec.schema.calendar import ShopCalendar
from tfrec.schema.tables import CATEGORY_SEPARATOR, Tables
from tfrec.statistics.proportions import wilson

_LEEWAY = pd.Timedelta(days=4)


@dataclasses.dataclass(frozen=True)
class ShopFigures:
    """A shop in figures; values in its currency, net of returns, which count where their purchase does.

    Attributes:
        period: first and last event, on the shop's clock, as are the months.
        events: event type → number.
        num_users: known users with an event.
        num_items: items with an event.
        num_orders: orders of which anything was kept; purchases without an order id are put together by session, else
            by user and day.
        value: value of all purchases, net of returns.
        gross_value: the same before returns.
        gross_orders: orders, those returned whole among them.
        order_value: mean value of an order, with the ends of its interval (95 %, normal).
        num_buyers: known users who bought.
        num_repeaters: of those, how many ordered twice or more.
        repeat_share: their share, with the ends of its interval (Wilson, 95 %).
        guest_share: share of orders without a known user.
        months: `month` (of the purchase), `orders`, `value`, `gross_value`, `is_whole`: begins and ends
            within the period, give or take four days.
        categories: `name`, `value`, `share`, top categories by value; empty where items have none.
        items: `item_id`, `title`, `pieces`, `value`, `gross_pieces`, `gross_value`, the ten items of highest net value.
        unmatched_value: value of returns for which no purchase was found, and which no figure takes off.
    """

    period: tuple[pd.Timestamp, pd.Timestamp]
    events: dict[str, int]
    num_users: int
    num_items: int
    num_orders: int
    value: float
    gross_value: float
    gross_orders: int
    order_value: tuple[float, float, float]
    num_buyers: int
    num_repeaters: int
    repeat_share: tuple[float, float, float]
    guest_share: float
    months: pd.DataFrame
    categories: pd.DataFrame
    items: pd.DataFrame
    unmatched_value: float = 0.0

    @property
    def has_returns(self) -> bool:
        """Whether net and gross figures differ."""
        return self.gross_orders > self.num_orders or self.gross_value > self.value


def describe_shop(tables: Tables) -> ShopFigures:
    """Returns the shop in figures.

    Raises:
        SchemaError: nothing was bought.
    """
    gross = _lines(tables.purchases, tables.calendar)
    if not len(gross):
        raise SchemaError("There are no purchases. Map them in the recipe's [events.types].")
    events = tables.events
    lines = _lines(tables.net_purchases(), tables.calendar)
    if not len(lines):
        raise SchemaError(f"All {len(gross):,} purchases were returned, so that no order is left.")
    worth = lines["worth"]
    orders = lines.groupby("order", sort=False).agg(
        worth=("worth", "sum"), user_id=("user_id", "first"), month=("month", "first")
    )
    mean, spread = float(orders["worth"].mean()), float(orders["worth"].std(ddof=1) / np.sqrt(len(orders)))
    of_known = orders[orders["user_id"] != ""].groupby("user_id").size()
    repeaters = int((of_known > 1).sum())
    low, high = wilson(np.array([repeaters]), np.array([len(of_known)]))
    months = orders.groupby("month").agg(orders=("worth", "size"), value=("worth", "sum"))
    months = months.join(gross.groupby("month")["worth"].sum().rename("gross_value"), how="outer")
    months = months.fillna(0).astype({"orders": np.int64}).reset_index()
    unmatched = tables.returns[tables.returns["bought_at"].isna()]
    first, last = (tables.calendar.local(events["timestamp"].iloc[place]) for place in (0, -1))
    ends = months["month"] + pd.offsets.MonthBegin(1)
    months["is_whole"] = (months["month"] >= first - _LEEWAY) & (ends <= last + _LEEWAY)
    return ShopFigures(
        period=(first, last),
        events={str(name): int(count) for name, count in events["event_type"].value_counts().items()},
        num_users=int(events.loc[events["user_id"] != "", "user_id"].nunique()),
        num_items=int(events.loc[events["item_id"] != "", "item_id"].nunique()),
        num_orders=len(orders),
        value=float(worth.sum()),
        gross_value=float(gross["worth"].sum()),
        gross_orders=int(gross["order"].nunique()),
        order_value=(mean, mean - 1.96 * spread, mean + 1.96 * spread),
        num_buyers=len(of_known),
        num_repeaters=repeaters,
        repeat_share=(repeaters / max(len(of_known), 1), float(low[0]), float(high[0])),
        guest_share=float((orders["user_id"] == "").mean()),
        months=months,
        categories=_categories(tables, lines),
        items=_items(tables, lines, gross),
        unmatched_value=float(worth_of(unmatched).sum()),
    )


def _lines(purchases: pd.DataFrame, calendar: ShopCalendar) -> pd.DataFrame:
    """Returns one row a purchase: `user_id`, `item_id`, `quantity`, `worth`, `month`, `order`."""
    lines = purchases[["user_id", "item_id", "quantity"]].assign(
        worth=worth_of(purchases),
        month=calendar.local(purchases["timestamp"]).dt.to_period("M").dt.to_timestamp(),
        order=order_ids(purchases, calendar),
    )
    lines["order"] = lines["order"].where(lines["order"] != "", lines.index.astype("str"))
    return lines


def _categories(tables: Tables, lines: pd.DataFrame) -> pd.DataFrame:
    top = tables.items.set_index("item_id")["category"].str.split(CATEGORY_SEPARATOR).str[0]
    name = lines["item_id"].map(top).fillna("")
    value = lines["worth"].groupby(name).sum().drop(labels="", errors="ignore").sort_values(ascending=False)
    frame = value.rename_axis("name").rename("value").reset_index()
    return frame.assign(share=frame["value"] / max(float(lines["worth"].sum()), 1e-9))


def _items(tables: Tables, lines: pd.DataFrame, gross: pd.DataFrame) -> pd.DataFrame:
    best = lines.groupby("item_id").agg(pieces=("quantity", "sum"), value=("worth", "sum")).nlargest(10, "value")
    of_best = gross[gross["item_id"].isin(best.index)].groupby("item_id")
    best = best.join(of_best.agg(gross_pieces=("quantity", "sum"), gross_value=("worth", "sum")))
    title = tables.items.set_index("item_id")["title"].reindex(best.index).fillna("")
    best.insert(0, "title", title.where(title != "", best.index.to_series()))
    return best.reset_index()
