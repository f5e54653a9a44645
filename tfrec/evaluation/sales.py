"""Makes cases of what was bought after a slate could have been shown: pages of a visit, carts, first orders.

Unlike the tasks of `tfrec evaluate`, one case may have several truths: all that was bought further on in its visit.
"""

import dataclasses

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.errors import ConfigError
from tfrec.evaluation.cases import Cases, item_categories, item_prices, make_cases
from tfrec.evaluation.protocol import cart_completion_cases, discover_cases, next_basket_cases
from tfrec.evaluation.sessions import rows_to_sparse, session_before, session_events
from tfrec.schema.tables import Tables, seen_items

SOLD_BY = ("recommend", "cross_sell", "upsell", "complete_cart")
"""Signatures whose slates are held against what was bought."""

_MAX_SESSION = 200
"""Latest events of a session that are looked at: bounds the pairs of a robot's endless session."""


@dataclasses.dataclass(frozen=True)
class Sales:
    """Requests of one signature, and what was bought after each.

    Attributes:
        signature: one of `SOLD_BY`.
        cases: requests; `truths` are the items bought afterwards, `groups` the visits, orders or users of which each
            counts once; `anchors` the items on the pages, -1 = none.
        unit: what a group is: `session`, `order` or `user`.
        order_values: `[B]` price of all that was bought in the visit, or stands in the order.
    """

    signature: str
    cases: Cases
    unit: str
    order_values: np.ndarray  # [B]

    def __len__(self) -> int:
        """Returns the number of requests, B."""
        return len(self.cases)

    def __getitem__(self, rows: np.ndarray) -> "Sales":
        """Returns the requests of a Boolean mask or of row numbers."""
        return dataclasses.replace(self, cases=self.cases[rows], order_values=self.order_values[rows])

    def to_queries(self) -> pd.DataFrame:
        """Returns the query table that `tfrec recommend` reads; a setting of the strategies adds its own columns."""
        cases = self.cases
        queries = cases.to_queries()
        if self.unit != "session":
            return queries
        ids = cases.item_ids.to_numpy(object)
        in_cart = [
            ids[items[kinds == "cart"]].tolist()
            for items, kinds in zip(cases.recent, cases.recent_types.astype(str), strict=True)
        ]
        queries["cart_item_ids"] = pd.Series(in_cart, dtype=object)
        if self.signature in ("cross_sell", "upsell"):
            queries["item_id"] = ids[cases.anchors]
        return queries


def sales_of(signature: str, train: Tables, later: Tables) -> Sales | None:
    """Returns the requests of a signature in a period, with what was bought after each; None where it has none.

    `complete_cart` is asked for each order with one item hidden. The others are asked on each page of a visit after
    which something else was bought in it: `upsell` on those where that was a dearer item of the page's category. A log
    whose visits are not known has `cross_sell` for orders with an item hidden that is new to the user, `recommend` for
    the first order of each known user, and no `upsell`.

    Args:
        signature: one of `SOLD_BY`.
        train: the shop before the period.
        later: the period.

    Raises:
        ConfigError: the signature is none of these.
    """
    if signature not in SOLD_BY:
        raise ConfigError(f"What was bought is known for the signatures {', '.join(SOLD_BY)}; got {signature!r}.")
    if signature == "complete_cart":
        return _of_orders(signature, cart_completion_cases(train, later, seed=0), train)
    pages = page_sales(signature, train, later)
    if signature == "upsell":
        pages = _only_upgrades(pages, train)
    if len(pages):
        return pages
    if signature == "cross_sell":
        return _of_orders(signature, discover_cases(cart_completion_cases(train, later, seed=0), train), train)
    if signature == "recommend":
        baskets = next_basket_cases(train, later)
        prices = item_prices(train, baskets.item_ids)
        values = np.where(baskets.truths >= 0, np.nan_to_num(prices)[baskets.truths], 0.0).sum(axis=1)
        return Sales(signature, baskets, "user", values) if len(baskets) else None
    return None


def page_sales(signature: str, train: Tables, later: Tables, *, max_length: int = 50) -> Sales:
    """Returns a request for each item at its first view in a session after which another one was bought in it.

    Truths are those bought after the view that were not in the cart by then, less the item itself.

    Args:
        signature: which the requests are of.
        train: the shop before the period; items with an event there are the catalogue.
        later: the period.
        max_length: latest events of the session up to the view that are context, T.
    """
    item_ids = seen_items(train)
    events = session_events(later, item_ids).groupby("session_id", sort=False).tail(_MAX_SESSION).reset_index(drop=True)
    code = item_ids.get_indexer(events["item_id"]).astype(np.int32)
    kind = events["event_type"].to_numpy(object)
    is_first = ~events["session_id"].duplicated().to_numpy()
    start = np.maximum.accumulate(np.where(is_first, np.arange(len(events)), 0))
    place = pd.DataFrame({"session": start, "at": np.arange(len(events)), "item": code})
    is_page = (kind == "view") & ~events.duplicated(["session_id", "item_id"]).to_numpy()
    bought = place[kind == "purchase"].drop_duplicates(["session", "item"])
    chosen = place[np.isin(kind, ["cart", "purchase"])].drop_duplicates(["session", "item"])
    bought = bought.merge(chosen.rename(columns={"at": "chosen_at"}), on=["session", "item"])
    pairs = place[is_page].merge(bought, on="session", suffixes=("", "_bought"))
    pairs = pairs[(pairs["chosen_at"] > pairs["at"]) & (pairs["item"] != pairs["item_bought"])]
    pairs = pairs.sort_values(["at", "at_bought"], kind="stable")
    at, truths = _as_rows(pairs["at"].to_numpy(), pairs["item_bought"].to_numpy(np.int32))
    recent = session_before(events, code, start[at], at + 1, max_length=max_length)
    prices = np.nan_to_num(item_prices(train, item_ids))
    value_of = pd.Series(prices[bought["item"]]).groupby(bought["session"].to_numpy()).sum()
    sessions = events["session_id"].to_numpy(object)[at]
    contexts = rows_to_sparse(recent["recent"], len(item_ids))
    cases = make_cases(
        "next_item",
        item_ids,
        train,
        query_ids=sessions + ":" + (at - start[at]).astype(str).astype(object),
        groups=sessions,
        user_ids=events["user_id"].to_numpy(object)[at],
        contexts=contexts,
        excluded=scipy.sparse.csr_matrix(contexts.shape, dtype=np.float32),
        anchors=code[at],
        truths=truths,
        is_new=np.ones(len(at), bool),
        level=0,
        **recent,
    )
    return Sales(signature, cases, "session", value_of.reindex(start[at]).to_numpy(np.float64))


def _of_orders(signature: str, cases: Cases, train: Tables) -> Sales | None:
    """Returns carts with one item hidden as requests; None without any."""
    if not len(cases):
        return None
    prices = np.nan_to_num(item_prices(train, cases.item_ids)).astype(np.float64)
    return Sales(signature, cases, "order", cases.contexts @ prices + prices[cases.truths[:, 0]])


def _only_upgrades(pages: Sales, train: Tables) -> Sales:
    """Returns the requests after which a dearer item of the page's leaf category was bought, with these as truths."""
    cases = pages.cases
    price, leaf = item_prices(train, cases.item_ids), item_categories(train, cases.item_ids, level=None)
    anchor = cases.anchors[:, None]
    is_upgrade = (cases.truths >= 0) & (price[cases.truths] > price[anchor])
    is_upgrade &= (leaf[cases.truths] == leaf[anchor]) & (leaf[anchor] >= 0)
    row, column = np.nonzero(is_upgrade)
    rows, truths = _as_rows(row, cases.truths[row, column])
    return dataclasses.replace(pages[rows], cases=dataclasses.replace(cases[rows], truths=truths))


def _as_rows(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the different ones of the ascending `keys [n]`, and the values of each as a row, -1 behind the end."""
    distinct, row, size = np.unique(keys, return_inverse=True, return_counts=True)
    place = np.arange(len(keys)) - np.repeat(np.cumsum(size) - size, size)
    table = np.full((len(distinct), max(int(size.max(initial=0)), 1)), -1, np.int32)
    table[row, place] = values
    return distinct.astype(np.int64), table
