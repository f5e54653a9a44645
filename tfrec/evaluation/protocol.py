"""Makes evaluation cases from orders: cart completion, discovery, cold items, next baskets.

Global temporal split, the whole known catalogue ranked, nothing of the test period known beyond the query itself.
*Known* items are those sold in training; a hidden item is *new* when its user had not bought it in training, and
to a guest everything is new.
"""

import dataclasses

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.errors import ConfigError
from tfrec.evaluation.cases import Cases, bought_before, item_categories, make_cases, sampled
from tfrec.schema.tables import Tables, sold_items


def cart_completion_cases(train: Tables, test: Tables, *, seed: int, category_level: int = 0) -> Cases:
    """Returns one case for each test order with at least two known items: one of them is hidden, drawn by `seed`.

    Args:
        train: the shop before the split.
        test: the shop from the split on.
        seed: draws the hidden items, whatever the order of the rows.
        category_level: level of the category path (0 = top) at which `is_cross_category` compares.
    """
    item_ids = sold_items(train)
    lines = _order_lines(train, test)
    lines = lines[lines["item"].isin(item_ids)]
    lines = lines[lines.groupby("order", sort=False)["item"].transform("size") >= 2]
    hidden = _draw_one(lines["order"], seed=seed)
    return _cart_cases("complete_cart", train, lines, hidden, item_ids=item_ids, level=category_level, seed=seed)


def cold_item_cases(train: Tables, test: Tables, *, seed: int, category_level: int = 0) -> Cases:
    """Returns a case for each test order with a known item and one of the catalogue never sold in training.

    Such a cold item is hidden (drawn by `seed`); the cart is the order's known items, and the whole catalogue
    (`train.items`) is ranked. No such order: no cases.
    """
    sold = sold_items(train)
    item_ids = sold.union(pd.Index(train.items["item_id"]))
    lines = _order_lines(train, test)
    lines = lines[lines["item"].isin(item_ids)]
    is_known = lines["item"].isin(sold)
    orders = np.intersect1d(lines["order"][is_known], lines["order"][~is_known])
    in_orders = lines["order"].isin(orders)
    cold = lines[in_orders & ~is_known]
    hidden = cold.index[_draw_one(cold["order"], seed=seed)]
    lines = lines[(in_orders & is_known) | lines.index.isin(hidden)]
    is_hidden = lines.index.isin(hidden)
    return _cart_cases("cold_item", train, lines, is_hidden, item_ids=item_ids, level=category_level, seed=seed)


def discover_cases(cases: Cases, train: Tables) -> Cases:
    """Returns the new cases of cart completion, ranked over items that the user has not bought in training."""
    if cases.task != "complete_cart":
        raise ConfigError(f"Discovery is cut from `complete_cart` cases; got {cases.task!r}.")
    bought = bought_before(train, cases.user_ids, cases.item_ids)
    excluded = (cases.excluded + bought).astype(bool).astype(np.float32).tocsr()
    return dataclasses.replace(cases, task="cross_sell", excluded=excluded)[cases.is_new]


def cross_category_cases(cases: Cases, train: Tables) -> Cases:
    """Returns the cart completion cases whose hidden item is of a category that is not in the cart, ranked among such.

    What stands in the cart's categories, and what has none, is left out of the ranking: the shop asks for complements
    from other categories, and so does the request (`outside_cart_level`).
    """
    if cases.task != "complete_cart":
        raise ConfigError(f"Cross-category cases are cut from `complete_cart` cases; got {cases.task!r}.")
    cases = cases[cases.is_cross_category]
    category = item_categories(train, cases.item_ids, level=cases.category_level)
    none = category < 0
    num_items = len(category)
    belongs = scipy.sparse.csr_matrix(
        (np.ones(num_items - none.sum(), np.float32), (np.flatnonzero(~none), category[~none])),
        shape=(num_items, int(category.max(initial=0)) + 1),
    )
    same = (cases.contexts @ belongs) @ belongs.T
    uncategorised = scipy.sparse.csr_matrix(np.broadcast_to(none.astype(np.float32), (len(cases), num_items)))
    excluded = (cases.excluded + same + uncategorised).astype(bool).astype(np.float32).tocsr()
    return dataclasses.replace(cases, task="cross_category", excluded=excluded)


def next_basket_cases(train: Tables, test: Tables, *, category_level: int = 0) -> Cases:
    """Returns a case for each user known from training who orders again: all known items of the first test order.

    `is_new` is `[B, R]` here: it marks the new items of a basket, as against the repeated ones.
    """
    item_ids = sold_items(train)
    lines = _order_lines(train, test)
    lines = lines[(lines["user"] != "") & lines["user"].isin(train.purchases["user_id"].unique())]
    first = lines.groupby("user", sort=False)["order"].transform("first")
    lines = lines[(lines["order"] == first) & lines["item"].isin(item_ids)].sort_values("user", kind="stable")
    row, users = pd.factorize(lines["user"])
    place = lines.groupby(row).cumcount().to_numpy()
    truths = np.full((len(users), int(place.max(initial=0)) + 1), -1, np.int32)
    truths[row, place] = item_ids.get_indexer(lines["item"])
    starts = np.flatnonzero(place == 0)
    nothing = scipy.sparse.csr_matrix((len(users), len(item_ids)), dtype=np.float32)
    bought = bought_before(train, np.asarray(users, object), item_ids)
    padded = np.where(truths >= 0, truths, 0)
    is_repeat = sampled(bought, np.repeat(np.arange(len(users)), truths.shape[1]), padded.ravel()) > 0
    is_repeat = is_repeat.reshape(truths.shape) & (truths >= 0)
    return make_cases(
        "next_basket",
        item_ids,
        train,
        query_ids=np.asarray(users, object),
        groups=np.asarray(users, object),
        user_ids=np.asarray(users, object),
        timestamps=lines["time"].to_numpy()[starts],
        contexts=nothing,
        excluded=nothing,
        truths=truths,
        is_new=~is_repeat & (truths >= 0),
        level=category_level,
    )


def _order_lines(train: Tables, test: Tables) -> pd.DataFrame:
    """Returns one row per item of a test order, sorted so that a seed draws the same from any row order."""
    bought = test.purchases
    bought = bought[(bought["order_id"] != "") & (bought["item_id"] != "")]
    bought = bought[~bought["order_id"].isin(train.purchases["order_id"].unique())]
    lines = pd.DataFrame(
        {
            "order": bought["order_id"].astype(object),
            "item": bought["item_id"].astype(object),
            "user": bought["user_id"].astype(object),
            "time": bought["timestamp"],
        }
    ).drop_duplicates(["order", "item"])
    lines["time"] = lines.groupby("order", sort=False)["time"].transform("min")
    return lines.sort_values(["time", "order", "item"]).reset_index(drop=True)


def _draw_one(order: pd.Series, *, seed: int) -> np.ndarray:
    """Returns `[rows]` bool: one row of each order, drawn uniformly."""
    lot = pd.Series(np.random.default_rng(seed).random(len(order)))
    chosen = np.zeros(len(order), bool)
    if len(order):
        chosen[lot.groupby(order.to_numpy(), sort=False).idxmax()] = True
    return chosen


def _cart_cases(
    task: str, train: Tables, lines: pd.DataFrame, hidden: np.ndarray, *, item_ids: pd.Index, level: int, seed: int
) -> Cases:
    row, orders = pd.factorize(lines["order"])
    column = item_ids.get_indexer(lines["item"])
    cells = (np.ones(int((~hidden).sum()), np.float32), (row[~hidden], column[~hidden]))
    carts = scipy.sparse.csr_matrix(cells, shape=(len(orders), len(item_ids)))
    truth = column[hidden].astype(np.int32)  # orders stand in rows' order, one hidden line each
    user_ids = lines["user"].to_numpy(object)[hidden]
    bought = bought_before(train, user_ids, item_ids)
    groups = np.asarray(orders, object)
    return make_cases(
        task,
        item_ids,
        train,
        query_ids=groups + f":{seed}",
        groups=groups,
        user_ids=user_ids,
        timestamps=lines["time"].to_numpy()[hidden],
        contexts=carts,
        excluded=carts,
        truths=truth[:, None],
        is_new=sampled(bought, np.arange(len(orders)), truth) == 0,
        level=level,
    )
