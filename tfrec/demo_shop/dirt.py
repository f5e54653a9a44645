"""Turns the clean log into a raw export with its own words and ids, and a known number of faulty rows."""

import numpy as np
import pandas as pd

from tfrec.demo_shop.catalogue import Catalogue
from tfrec.demo_shop.config import DemoShopConfig
from tfrec.demo_shop.shoppers import Shoppers

ACTIONS = {
    "view": "viewed",
    "search": "searched",
    "cart": "added",
    "purchase": "bought",
    "rating": "reviewed",
    "impression": "shown",
}
"""Event type → the shop's word."""

DIRT = {
    "duplicate": "exact copy of a row",
    "missing_time": "no time",
    "bad_time": "time 0000-00-00 00:00:00",
    "missing_product": "bought or viewed without a product",
    "unknown_product": "a product that the catalogue does not have",
    "no_product_code": "SHIPPING, GIFTWRAP or ADJUST in place of a product",
    "negative_price": "price below 0 on a bought row",
    "zero_quantity": "quantity 0 on a bought row",
    "bad_stars": "0 or 9 stars",
    "unknown_action": "action heartbeat",
    "cancelled": "order number X..., quantity below 0: a line was cancelled or sent back",
}
"""Kinds of dirt. Each dirty row has one defect and is an *added* row: without all of them the log is clean again."""

_CANCELLED_SHARE = 0.02  # of the bought rows


def raw_events(config: DemoShopConfig, catalogue: Catalogue, shoppers: Shoppers, log: pd.DataFrame) -> pd.DataFrame:
    """Returns the clean log in the shop's words and ids.

    Columns: time, customer, product, action, order_no, session, qty, unit_price, stars, search_text.
    """
    is_search = (log["event_type"] == "search").to_numpy()
    return pd.DataFrame(
        {
            "time": pd.Series(np.datetime_as_string(log["time"].to_numpy().astype("datetime64[s]"))).str.replace(
                "T", " "
            ),
            "customer": np.append(shoppers.ids, "")[log["user"]],
            "product": np.append(catalogue.ids, "")[log["item"]],
            "action": log["event_type"].map(ACTIONS).to_numpy(),
            "order_no": _numbered("O", log["order"].to_numpy()),
            "session": _numbered("S", log["session"].to_numpy()),
            "qty": log["quantity"].astype("Int64").mask(is_search).to_numpy(),
            "unit_price": log["price"].to_numpy(),
            "stars": log["stars"].astype("Int64").to_numpy(),
            "search_text": log["query"].fillna("").to_numpy(),
        }
    ).astype({"qty": "Int64", "stars": "Int64"})


def add_dirt(config: DemoShopConfig, clean: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Returns the log with dirt among its rows, and the number of rows of each kind in `DIRT`."""
    rng = config.generator("dirt")
    usual = max(3, round(config.dirt_share * len(clean))) if config.dirt_share else 0
    action = clean["action"].to_numpy()
    bought, viewed, reviewed = (np.flatnonzero(action == word) for word in ("bought", "viewed", "reviewed"))
    sources = {
        "duplicate": np.arange(len(clean)),
        "missing_time": viewed,
        "bad_time": viewed,
        "missing_product": np.concatenate([bought, viewed]),
        "unknown_product": viewed,
        "no_product_code": bought,
        "negative_price": bought,
        "zero_quantity": bought,
        "bad_stars": reviewed,
        "unknown_action": viewed,
        "cancelled": bought,
    }
    parts, keys = [clean], [np.arange(len(clean), dtype=float)]
    counts = {}
    for kind, rows in sources.items():
        wanted = round(_CANCELLED_SHARE * len(bought)) if kind == "cancelled" and usual else usual
        drawn = np.sort(rng.choice(rows, min(wanted, len(rows)), replace=False))
        dirty = clean.iloc[drawn].copy()
        key = drawn + 0.5
        match kind:
            case "missing_time":
                dirty["time"] = ""
            case "bad_time":
                dirty["time"] = "0000-00-00 00:00:00"
            case "missing_product":
                dirty["product"] = ""
            case "unknown_product":
                dirty["product"] = np.char.add("Q", np.char.zfill(rng.integers(0, 999, len(dirty)).astype(str), 5))
            case "no_product_code":
                dirty["product"] = rng.choice(["SHIPPING", "GIFTWRAP", "ADJUST"], len(dirty))
            case "negative_price":
                dirty["unit_price"] = -dirty["unit_price"]
            case "zero_quantity":
                dirty["qty"] = 0
            case "bad_stars":
                dirty["stars"] = rng.choice([0, 9], len(dirty))
            case "unknown_action":
                dirty["action"] = "heartbeat"
            case "cancelled":
                dirty["order_no"] = dirty["order_no"].str.replace("O", "X")
                dirty["session"] = ""
                dirty["qty"] = -dirty["qty"]
                moment = dirty["time"].to_numpy().astype("datetime64[s]")
                moment = moment + (86_400 * rng.uniform(1, 14, len(dirty))).astype("timedelta64[s]")
                moment = np.minimum(moment, config.ends_at - np.timedelta64(1, "s"))
                dirty["time"] = pd.Series(np.datetime_as_string(moment), index=dirty.index).str.replace("T", " ")
                key = np.searchsorted(clean["time"].to_numpy().astype("datetime64[s]"), moment) - 0.5
        counts[kind] = len(dirty)
        parts.append(dirty)
        keys.append(key)
    order = np.argsort(np.concatenate(keys), kind="stable")
    return pd.concat(parts, ignore_index=True).iloc[order].reset_index(drop=True), counts


def _numbered(letter: str, codes: np.ndarray) -> np.ndarray:
    """Returns `O1000017` for 17 and `""` for -1."""
    return np.where(codes < 0, "", np.char.add(letter, (codes + 1_000_000).astype(str)))
