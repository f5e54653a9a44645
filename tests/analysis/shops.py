"""Small shops whose answers are known, as `Tables`."""

from typing import Any

import numpy as np
import pandas as pd

from tfrec.schema.tables import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS, Tables, conform

START = pd.Timestamp("2024-01-01")


def shop(events: dict[str, Any], items: dict[str, Any] | None = None, users: dict[str, Any] | None = None) -> Tables:
    """Returns tables from loose columns; items and users default to those that occur, `days` counts from `START`."""
    frame = pd.DataFrame(events)
    if "days" in frame:
        frame["timestamp"] = (START + pd.to_timedelta(frame.pop("days"), unit="D")).astype("datetime64[us]")
    if "event_type" not in frame:
        frame["event_type"] = "purchase"
    frame = conform(frame.sort_values("timestamp", kind="stable", ignore_index=True), EVENT_COLUMNS, table="events")
    known = {"item_id": np.setdiff1d(frame["item_id"].unique(), [""])} if items is None else items
    people = {"user_id": np.setdiff1d(frame["user_id"].unique(), [""])} if users is None else users
    return Tables(
        frame,
        conform(pd.DataFrame(known), ITEM_COLUMNS, table="items"),
        conform(pd.DataFrame(people), USER_COLUMNS, table="users", extra=True),
    )


def shop_of_baskets(baskets: list[list[str]], categories: dict[str, str] | None = None) -> Tables:
    """Returns one order a basket, an hour apart, all of guests."""
    marks = [(number, item) for number, basket in enumerate(baskets) for item in basket]
    orders = np.array([number for number, _ in marks])
    events = {"order_id": orders, "item_id": [item for _, item in marks], "days": orders / 24}
    items = None
    if categories is not None:
        items = {"item_id": list(categories), "category": list(categories.values())}
    return shop(events, items)
