"""Writes a shop in a few lines: orders and clicks → the tables before and after a split."""

import pandas as pd

from tfrec.schema.tables import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS, Tables, conform

SPLIT = "2024-02-01"


def tables(categories, orders=(), clicks=(), *, prices=None, split=SPLIT):
    """Returns `(train, test)`.

    `categories`: item → path; `orders`: (order, user, time, items); `clicks`: (session, user, time, type, item).
    """
    rows = [(user, item, "purchase", time, order, "") for order, user, time, items in orders for item in items] + [
        (user, item, kind, time, "", session) for session, user, time, kind, item in clicks
    ]
    names = ["user_id", "item_id", "event_type", "timestamp", "order_id", "session_id"]
    events = pd.DataFrame(rows, columns=names)
    events["timestamp"] = pd.to_datetime(events["timestamp"], format="ISO8601")
    events = events.sort_values("timestamp", kind="stable").reset_index(drop=True)
    items = pd.DataFrame({"item_id": list(categories), "category": list(categories.values())})
    if prices is not None:
        items["price"] = [prices[item] for item in categories]
    users = pd.DataFrame({"user_id": sorted(set(events["user_id"]) - {""})})
    whole = Tables(
        conform(events, EVENT_COLUMNS, table="events"),
        conform(items, ITEM_COLUMNS, table="items"),
        conform(users, USER_COLUMNS, table="users"),
    )
    return whole.until(pd.Timestamp(split)), whole.since(pd.Timestamp(split))
