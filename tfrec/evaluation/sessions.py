"""Makes evaluation cases from the sessions of the test period: next item, upsell.

*Known* items are those with any event in training; events on others are left out.
"""

import dataclasses

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.evaluation.cases import Cases, item_categories, item_prices, make_cases, sampled
from tfrec.schema.tables import Tables, seen_items

_MAX_SESSION = 200
"""Latest events of a session that are looked at for upsell: bounds the pairs of a robot's endless session."""


def next_item_cases(
    train: Tables,
    test: Tables,
    *,
    clicks: tuple[str, ...] = ("view",),
    max_length: int = 50,
    category_level: int = 0,
    with_first: bool = False,
) -> Cases:
    """Returns a case for every click after the first in each test session; the context is the session before it.

    Args:
        train: the shop before the split; items with an event there are the catalogue.
        test: the shop from the split on.
        clicks: event types that are truths; events of every type are context.
        max_length: latest events of the session that are context, T.
        category_level: level of the category path (0 = top) at which `is_cross_category` compares.
        with_first: also the first click of each session, asked for as the shopper comes in: without context.
    """
    item_ids = seen_items(train)
    events = session_events(test, item_ids)
    code = item_ids.get_indexer(events["item_id"]).astype(np.int32)
    is_first = ~events["session_id"].duplicated().to_numpy()
    start = np.maximum.accumulate(np.where(is_first, np.arange(len(events)), 0))
    at = np.flatnonzero((with_first | ~is_first) & events["event_type"].isin(clicks).to_numpy())
    recent = session_before(events, code, start[at], at, max_length=max_length)
    truths = code[at][:, None]
    user_ids = events["user_id"].to_numpy(object)[at]
    contexts = rows_to_sparse(recent["recent"], len(item_ids))
    was_seen = _pairs_seen(train, user_ids, truths[:, 0], item_ids)
    in_session = sampled(contexts, np.arange(len(at)), truths[:, 0]) > 0
    sessions = events["session_id"].to_numpy(object)[at]
    return make_cases(
        "next_item",
        item_ids,
        train,
        query_ids=sessions + ":" + (at - start[at]).astype(str).astype(object),
        groups=sessions,
        user_ids=user_ids,
        contexts=contexts,
        excluded=scipy.sparse.csr_matrix(contexts.shape, dtype=np.float32),
        truths=truths,
        is_new=~was_seen & ~in_session,
        level=category_level,
        **recent,
    )


def events_sent(cases: Cases) -> np.ndarray:
    """Returns `[B]`: how many events of the session each query sends along."""
    return (cases.recent >= 0).sum(axis=1)


def without_visit(cases: Cases) -> Cases:
    """Returns the same queries as a shop asks that does not send what happened just now: who asks, no more."""
    return dataclasses.replace(
        cases,
        contexts=scipy.sparse.csr_matrix(cases.contexts.shape, dtype=np.float32),
        recent=np.full((len(cases), 1), -1, np.int32),
        recent_types=np.full((len(cases), 1), "", object),
        recent_ages=np.zeros((len(cases), 1), np.float32),
    )


def upsell_cases(train: Tables, test: Tables, *, max_length: int = 50, category_level: int | None = None) -> Cases:
    """Returns a case for each item viewed in a test session after which a dearer one of its category was chosen.

    The anchor is an item at its first view in the session, the truth the next item of the same category that is
    dearer and is viewed, put in the cart or bought later in the session; ranked are all known dearer items of the
    category. Prices and categories are those of `train.items`; items without either are no anchors.

    Args:
        train: the shop before the split; items with an event there are the catalogue.
        test: the shop from the split on.
        max_length: latest events of the session up to the anchor that are context, T.
        category_level: level of the category path that counts as *same*; None = the whole path.
    """
    item_ids = seen_items(train)
    price = item_prices(train, item_ids)
    category = item_categories(train, item_ids, level=category_level)
    events = session_events(test, item_ids).groupby("session_id", sort=False).tail(_MAX_SESSION).reset_index(drop=True)
    code = item_ids.get_indexer(events["item_id"]).astype(np.int32)
    is_first = ~events["session_id"].duplicated().to_numpy()
    start = np.maximum.accumulate(np.where(is_first, np.arange(len(events)), 0))
    place = pd.DataFrame({"session": start, "category": category[code], "at": np.arange(len(events))})
    place = place[(place["category"] >= 0) & ~np.isnan(price[code])]
    is_anchor = (events["event_type"] == "view").to_numpy() & ~events.duplicated(["session_id", "item_id"]).to_numpy()
    is_step = events["event_type"].isin(["view", "cart", "purchase"]).to_numpy()
    pairs = place[is_anchor[place["at"]]].merge(place[is_step[place["at"]]], on=["session", "category"])
    pairs = pairs[(pairs["at_y"] > pairs["at_x"]) & (price[code[pairs["at_y"]]] > price[code[pairs["at_x"]]])]
    pairs = pairs.groupby("at_x", sort=True)["at_y"].min()
    at, later = pairs.index.to_numpy(), pairs.to_numpy()
    recent = session_before(events, code, start[at], at + 1, max_length=max_length)
    sessions = events["session_id"].to_numpy(object)[at]
    user_ids = events["user_id"].to_numpy(object)[at]
    contexts = rows_to_sparse(recent["recent"], len(item_ids))
    return make_cases(
        "upsell",
        item_ids,
        train,
        query_ids=sessions + ":" + (at - start[at]).astype(str).astype(object),
        groups=sessions,
        user_ids=user_ids,
        contexts=contexts,
        excluded=scipy.sparse.csr_matrix(contexts.shape, dtype=np.float32),
        candidates=_dearer(price, category)[code[at]],
        anchors=code[at],
        truths=code[later][:, None],
        is_new=~_pairs_seen(train, user_ids, code[later], item_ids),
        level=0,
        **recent,
    )


def session_events(tables: Tables, item_ids: pd.Index) -> pd.DataFrame:
    """Returns what shoppers did with the items in sessions, each session's events together in the order of time."""
    events = tables.events
    events = events[(events["session_id"] != "") & events["item_id"].isin(item_ids)]
    events = events[events["event_type"] != "impression"]
    return events.sort_values(["session_id", "timestamp"], kind="stable").reset_index(drop=True)


def session_before(
    events: pd.DataFrame, code: np.ndarray, first: np.ndarray, stop: np.ndarray, *, max_length: int
) -> dict[str, np.ndarray]:
    """Returns the query's fields from a session's events `first .. stop − 1`: the latest `max_length`, oldest first.

    A shop asks as the page of the latest event loads, so that event's age is 0 and its time is the query's: how long
    the shopper then looked at it is not known yet. Where nothing came before, the time is that of event `first`.
    """
    length = int(min(max_length, (stop - first).max(initial=1)))
    place = stop[:, None] - length + np.arange(length)
    inside = place >= first[:, None]
    place = np.where(inside, place, 0)
    time = events["timestamp"].to_numpy()
    now = time[np.maximum(stop - 1, first)]
    hours = (now[:, None] - time[place]) / np.timedelta64(1, "h")
    return {
        "timestamps": now,
        "recent": np.where(inside, code[place], -1).astype(np.int32),
        "recent_types": np.where(inside, events["event_type"].to_numpy(object)[place], ""),
        "recent_ages": np.where(inside, hours, 0).astype(np.float32),
    }


def rows_to_sparse(rows: np.ndarray, num_items: int) -> scipy.sparse.csr_matrix:
    """Returns `[B, num_items]` 1 at each item of `rows [B, T]`; -1 = none."""
    row, column = np.nonzero(rows >= 0)
    cells = (np.ones(len(row), np.float32), (row, rows[row, column]))
    matrix = scipy.sparse.csr_matrix(cells, shape=(len(rows), num_items))
    matrix.data[:] = 1
    return matrix


def _pairs_seen(train: Tables, user_ids: np.ndarray, items: np.ndarray, item_ids: pd.Index) -> np.ndarray:
    """Returns `[B]`: the user had an event with the item in training; never for guests."""
    events = train.events[(train.events["user_id"] != "")]
    users = pd.Index(pd.unique(user_ids)).drop("", errors="ignore")
    row, column = users.get_indexer(events["user_id"]), item_ids.get_indexer(events["item_id"])
    inside = (row >= 0) & (column >= 0)
    seen = np.unique(row[inside].astype(np.int64) * len(item_ids) + column[inside])
    asked = users.get_indexer(user_ids).astype(np.int64)
    return (asked >= 0) & np.isin(asked * len(item_ids) + items, seen)


def _dearer(price: np.ndarray, category: np.ndarray) -> scipy.sparse.csr_matrix:
    """Returns `[num_items, num_items]`: 1 where the column is of the row's category and dearer."""
    num_items = len(price)
    rows, columns = [], []
    usable = np.flatnonzero((category >= 0) & ~np.isnan(price))
    by_category = pd.Series(usable).groupby(category[usable])
    for members in by_category.indices.values():
        item = usable[members]
        row, column = np.nonzero(price[item][None, :] > price[item][:, None])
        rows.append(item[row])
        columns.append(item[column])
    row, column = (np.concatenate(part) if part else np.zeros(0, int) for part in (rows, columns))
    return scipy.sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(num_items, num_items))
