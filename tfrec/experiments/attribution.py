"""Attributes carts and purchases to what was shown before: by the slate that they name, or by a click before them.

An order that follows a click may have come without it, so what is attributed is no effect; a hold-out shows that.
"""

import dataclasses

import numpy as np
import pandas as pd

from tfrec.experiments.collected_log import CollectedLog

CLICK, CART, PURCHASE, RETURN = "view", "cart", "purchase", "return"


@dataclasses.dataclass(frozen=True)
class Attribution:
    """What came of each item shown.

    Attributes:
        shown: `CollectedLog.shown`, and for each row `person` (a user, else a session, else the slate), `clicked` (0 or
            1), `carts` (events) and `revenue` (net of returns).
        lines: purchases that are attributed: `row` of `shown`, `order` (its number, else the event's), `revenue`, `by`
            (`slate` or `click`).
        strays: clicks that name a slate or item which the log does not have.
        unpriced: attributed purchases without a price, which count 0.
    """

    shown: pd.DataFrame
    lines: pd.DataFrame
    strays: int
    unpriced: int


def attribute(log: CollectedLog, *, window: pd.Timedelta) -> Attribution:
    """Returns what came of each item shown.

    A click is a view that names slate and item. A cart or purchase belongs to the slate that it names, where that slate
    showed the item; else to the latest click of the same user, or of the same session, on the same item, at most
    `window` before. Each counts once. Of a purchase, what was returned later (same order and item) is taken off.

    Args:
        log: what was shown, and what happened.
        window: time after a click within which a cart or purchase of the same item is attributed to it.
    """
    shown = log.shown.assign(person=_persons(log.shown))
    place = pd.Series(np.arange(len(shown)), index=pd.MultiIndex.from_frame(shown[["slate_id", "item_id"]]))
    events = log.events.assign(row=_rows_of(log.events, place))
    clicks = events[(events["event_type"] == CLICK) & (events["slate_id"] != "")]
    known = clicks[clicks["row"] >= 0]
    bought = events[events["event_type"].isin([CART, PURCHASE])]
    bought = bought.assign(by=np.where(bought["row"] >= 0, "slate", ""))
    by_click = _rows_by_click(bought, known, window=window)
    is_later = (bought["row"].to_numpy() < 0) & (by_click >= 0)
    bought = bought.assign(
        row=np.where(is_later, by_click, bought["row"]), by=np.where(is_later, "click", bought["by"])
    )
    found = bought[bought["row"] >= 0]
    lines = found[found["event_type"] == PURCHASE]
    revenue = net_revenue(lines, events)
    lines = pd.DataFrame(
        {"row": lines["row"], "order": _orders(lines), "revenue": revenue, "by": lines["by"]}
    ).reset_index(drop=True)
    num = len(shown)
    carts = found.loc[found["event_type"] == CART, "row"]
    shown = shown.assign(
        clicked=(np.bincount(known["row"], minlength=num) > 0).astype(np.float64),
        carts=np.bincount(carts, minlength=num),
        revenue=np.bincount(lines["row"], weights=lines["revenue"], minlength=num),
    )
    unpriced = int(found.loc[found["event_type"] == PURCHASE, "price"].isna().sum())
    return Attribution(shown, lines, len(clicks) - len(known), unpriced)


def net_revenue(purchases: pd.DataFrame, events: pd.DataFrame) -> np.ndarray:
    """Returns `[n]` pieces × price of purchases, less the pieces that a later return of the same order took back.

    A purchase without a quantity is of one piece; one without a price counts 0.

    Args:
        purchases: rows of `CollectedLog.events`.
        events: all events, returns among them.
    """
    pieces = purchases["quantity"].fillna(1.0).clip(lower=0).to_numpy(np.float64)
    returns = events[(events["event_type"] == RETURN) & (events["order_id"] != "")]
    key = ["order_id", "item_id"]
    if len(returns):
        taken = returns.assign(pieces=returns["quantity"].fillna(1.0).abs()).groupby(key)["pieces"].sum()
        back = taken.reindex(pd.MultiIndex.from_frame(purchases[key]), fill_value=0.0).to_numpy()
        # Several lines of one order and item share what was taken back, the first ones first.
        before = pd.Series(pieces).groupby([purchases[name].to_numpy() for name in key]).cumsum().to_numpy() - pieces
        pieces = pieces - np.clip(back - before, 0, pieces)
    return pieces * purchases["price"].fillna(0.0).to_numpy(np.float64)


def _persons(table: pd.DataFrame) -> pd.Series:
    session = ("session " + table["session_id"]).where(table["session_id"] != "", "slate " + table["slate_id"])
    return ("user " + table["user_id"]).where(table["user_id"] != "", session)


def _rows_of(events: pd.DataFrame, place: pd.Series) -> np.ndarray:
    """Returns `[n]` the row of what was shown that an event names; -1 = none."""
    if events.empty or place.empty:
        return np.full(len(events), -1)
    named = pd.MultiIndex.from_frame(events[["slate_id", "item_id"]])
    return place.reindex(named, fill_value=-1).to_numpy()


def _rows_by_click(bought: pd.DataFrame, clicks: pd.DataFrame, *, window: pd.Timedelta) -> np.ndarray:
    """Returns `[n]` the row that the latest click before led to, of the same user or session; -1 = none."""
    best_row = np.full(len(bought), -1)
    best_time = np.full(len(bought), np.datetime64("NaT", "us"), dtype="datetime64[us]")
    for person in ("user_id", "session_id"):
        left = bought.assign(at=np.arange(len(bought)))
        left = left.loc[left[person] != "", ["timestamp", person, "item_id", "at"]]
        right = clicks.loc[clicks[person] != "", ["timestamp", person, "item_id", "row"]]
        if left.empty or right.empty:
            continue
        right = right.assign(clicked_at=right["timestamp"])
        joined = pd.merge_asof(left, right, on="timestamp", by=[person, "item_id"], tolerance=window)
        joined = joined[joined["row"].notna()]
        at, time = joined["at"].to_numpy(), joined["clicked_at"].to_numpy("datetime64[us]")
        is_later = np.isnat(best_time[at]) | (time > best_time[at])
        best_row[at[is_later]] = joined["row"].to_numpy(np.int64)[is_later]
        best_time[at[is_later]] = time[is_later]
    return best_row


def _orders(lines: pd.DataFrame) -> pd.Series:
    return lines["order_id"].where(lines["order_id"] != "", lines["event_id"])
