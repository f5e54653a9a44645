"""Reads Online Retail for benchmarks of the analyses: product codes of five digits, sold, not cancelled."""

import os
from pathlib import Path

import pandas as pd

from tfrec.schema.tables import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS, Tables, conform


def data_home() -> Path:
    """Returns `TFREC_DATA_HOME`, else `../shared/data` beside the repository."""
    return Path(os.environ.get("TFREC_DATA_HOME", Path(__file__).parents[3] / "shared" / "data"))


def read_online_retail(home: Path) -> Tables:
    """Returns the purchases of Online Retail; the first five digits of a code are its category."""
    raw = pd.read_csv(home / "online_retail" / "online_retail.csv.gz", dtype={"InvoiceNo": "str", "StockCode": "str"})
    kept = raw["StockCode"].str.match(r"^\d{5}") & (raw["Quantity"] > 0) & (raw["UnitPrice"] > 0)
    raw = raw[kept & ~raw["InvoiceNo"].str.startswith("C")]
    raw = raw.assign(timestamp=pd.to_datetime(raw["InvoiceDate"])).sort_values("timestamp", kind="stable")
    events = pd.DataFrame(
        {
            "user_id": raw["CustomerID"],
            "item_id": raw["StockCode"].str.upper(),
            "event_type": "purchase",
            "timestamp": raw["timestamp"],
            "order_id": raw["InvoiceNo"],
            "quantity": raw["Quantity"],
            "price": raw["UnitPrice"],
        }
    ).reset_index(drop=True)
    titles = raw.assign(item_id=raw["StockCode"].str.upper()).groupby("item_id")["Description"].last()
    items = pd.DataFrame({"item_id": titles.index, "title": titles.to_numpy()})
    events = conform(events, EVENT_COLUMNS, table="events")
    users = pd.DataFrame({"user_id": events.loc[events["user_id"] != "", "user_id"].unique()})
    return Tables(events, conform(items, ITEM_COLUMNS, table="items"), conform(users, USER_COLUMNS, table="users"))
