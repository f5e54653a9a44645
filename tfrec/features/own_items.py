"""Computes what each user bought, by item and by order: the `own_*` and `line_*` tables of `FeatureTables`."""

from typing import Any

import numpy as np

from tfrec.features.sequences import BehaviourSequences

OWN_FADES = (0.8, 0.96, 0.99)
"""What an own purchase keeps of its weight with each later order of the user, in the columns of `own_habit`."""

_DAY = 24.0


def own_items(
    sequences: BehaviourSequences, target: np.ndarray, as_of: float, *, most: int, most_lines: int
) -> dict[str, np.ndarray]:
    """Returns the `own_*` and `line_*` tables: what each user bought, by item and by order.

    The idea: each line gets the key `user · size + item`. The sorted distinct keys are the pairs (user, item), so that
    each statistic of a pair is one `bincount` or `minimum.at` over lines, without a loop over users.

    `np.lexsort` sorts by its last key first: `(age, -count, owner)` sorts pairs by user, within a user by count (most
    frequent first), and equal counts by age (latest first). Pairs ascend by user already, so a pair's rank in the list
    of its user is its position less that of the user's first pair; ranks from `most` on are dropped.

    Example: user 1 buys item 3 on day 0, items 3 and 7 on day 4; `size` is 10 and `as_of` day 5. Keys are 13, 13, 17;
    the pairs 13 and 17 have counts 2 and 1, ages 1 and 1, intervals 4 and 0. Since the lines 1, 0 and 0 orders of the
    user followed, so `own_habit` is `fade + 1` of item 3 and 1 of item 7.

    Args:
        sequences: behaviour of all users.
        target: `[E]` bool, purchases before `as_of`.
        as_of: hours since 1970-01-01 UTC.
        most: most frequent items kept of each user.
        most_lines: latest lines of orders kept of each user.
    """
    num_users, size = sequences.users.size, sequences.vocabularies.items.size
    user = sequences.sequence_user[sequences.sequence[target]]
    has_user = user > 0
    user, item = user[has_user].astype(np.int64), sequences.item[target][has_user]
    days = ((as_of - sequences.hour[target][has_user]) / _DAY).astype(np.float32)
    group = sequences.group[target][has_user]
    key = user * size + item  # [lines]
    # [2, bought]: each item once an order, however many lines it has there; the first line stands for them
    key_and_order, line = np.unique(np.stack([key, group.astype(np.int64)]), axis=1, return_index=True)
    bought = key_and_order[0]
    pairs, count = np.unique(bought, return_counts=True)  # [P] ascending
    pair_of_line = np.searchsorted(pairs, key)
    age = np.full(len(pairs), np.inf, np.float32)
    np.minimum.at(age, pair_of_line, days)
    first_age = np.zeros(len(pairs), np.float32)
    np.maximum.at(first_age, pair_of_line, days)
    interval = np.where(count > 1, (first_age - age) / np.maximum(count - 1, 1), 0.0)
    orders_since = _orders_since(user, group, sequences.hour[target][has_user])[line]  # [bought]
    pair_bought = np.searchsorted(pairs, bought)
    habit = [np.bincount(pair_bought, weights=fade**orders_since, minlength=len(pairs)) for fade in OWN_FADES]
    orders_ago = np.full(len(pairs), np.inf, np.float32)
    np.minimum.at(orders_ago, pair_bought, orders_since)
    owner = pairs // size
    by_count = np.lexsort((age, -count, owner))
    rank = np.arange(len(pairs)) - np.searchsorted(owner, owner)
    by_count = by_count[rank < most]
    line_owner = bought // size
    latest = np.lexsort((orders_since, line_owner))
    rank = np.arange(len(latest)) - np.searchsorted(line_owner[latest], line_owner[latest])
    latest = latest[rank < most_lines]
    order_user = np.unique(np.stack([user, group.astype(np.int64)]), axis=1)[0]
    return {
        "own_splits": np.searchsorted(owner[by_count], np.arange(num_users + 1)).astype(np.int32),
        "own_item": (pairs[by_count] % size).astype(np.int32),
        "own_count": count[by_count].astype(np.float32),
        "own_age": age[by_count],
        "own_habit": np.stack(habit, axis=1).astype(np.float32)[by_count],
        "own_interval": interval.astype(np.float32)[by_count],
        "own_orders_ago": orders_ago[by_count],
        "line_splits": np.searchsorted(line_owner[latest], np.arange(num_users + 1)).astype(np.int32),
        "line_item": (bought % size).astype(np.int32)[latest],
        "line_order": orders_since.astype(np.int32)[latest],
        "num_orders": np.bincount(order_user, minlength=num_users).astype(np.float32),
    }


def own_scores(habit: Any, count: Any) -> Any:
    """Returns `[...]` how likely a user's next order holds an item: `Σ_f habit_f · (1 - f) + 1e-4 · count`.

    These are three memories of different length; the count decides between equals.

    Args:
        habit: `[..., len(OWN_FADES)]` purchases, fading; arrays or tensors.
        count: `[...]` times bought.
    """
    return sum(habit[..., column] * (1.0 - fade) for column, fade in enumerate(OWN_FADES)) + 1e-4 * count


def _orders_since(user: np.ndarray, group: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """Returns `[lines]` float32: how many orders of its user came after the order of each line.

    Example: lines of the orders 5, 5 and 8 of one user, in this order of time, give 1, 1 and 0.
    """
    orders, line_order = np.unique(group, return_inverse=True)
    order_user, order_hour = np.zeros(len(orders), np.int64), np.zeros(len(orders))
    order_user[line_order], order_hour[line_order] = user, hour
    by_time = np.lexsort((order_hour, order_user))
    last = np.searchsorted(order_user[by_time], order_user[by_time], side="right") - 1
    since = np.zeros(len(orders), np.float32)
    since[by_time] = last - np.arange(len(orders))
    return since[line_order]
