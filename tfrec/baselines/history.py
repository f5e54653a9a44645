"""Builds `History` from training tables: baskets, buyers and times, as matrices over one catalogue."""

import dataclasses
import functools

import numpy as np
import pandas as pd
import scipy.sparse

from tfrec.errors import ConfigError
from tfrec.schema.tables import Tables


@dataclasses.dataclass(frozen=True)
class History:
    """The past that a baseline is fitted to.

    Attributes:
        item_ids: `[num_items]` the catalogue, the columns of every matrix.
        baskets: `[num_baskets, num_items]` sparse, 1 where an order (or a session) holds an item, ascending in time.
        basket_users: `[num_baskets]` row of `user_ids`; -1 = guest.
        basket_times: `[num_baskets]` when each began.
        user_ids: the known users.
        steps: `[num_events]` int32 item indices, the sessions' events one after the other; empty for orders.
        step_baskets: `[num_events]` the basket that each step belongs to.
    """

    item_ids: pd.Index
    baskets: scipy.sparse.csr_matrix  # [num_baskets, num_items]
    basket_users: np.ndarray  # [num_baskets]
    basket_times: np.ndarray  # [num_baskets]
    user_ids: pd.Index
    steps: np.ndarray  # [num_events]
    step_baskets: np.ndarray  # [num_events]

    @functools.cached_property
    def popularity(self) -> np.ndarray:
        """`[num_items]` float32: number of baskets that hold each item."""
        return np.asarray(self.baskets.sum(axis=0), np.float32).ravel()

    @functools.cached_property
    def user_counts(self) -> scipy.sparse.csr_matrix:
        """`[num_users + 1, num_items]`: in how many baskets each user had each item; the last row (guests) is empty."""
        return self.by_user(np.ones(len(self.basket_users), np.float32))

    def by_user(self, basket_weights: np.ndarray) -> scipy.sparse.csr_matrix:
        """Returns `[num_users + 1, num_items]`: each user's baskets summed with weights; the last row is empty."""
        baskets_of_users = np.flatnonzero(self.basket_users >= 0)
        cells = (
            basket_weights[baskets_of_users].astype(np.float32),
            (self.basket_users[baskets_of_users], baskets_of_users),
        )
        return (
            scipy.sparse.csr_matrix(cells, shape=(len(self.user_ids) + 1, self.baskets.shape[0])) @ self.baskets
        ).tocsr()

    def basket_ages(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns `[num_baskets]` numbers of later baskets of the same user, and of all; baskets ascend in time."""
        users = pd.Series(self.basket_users)
        baskets = users.groupby(users)
        return baskets.cumcount(ascending=False).to_numpy(), baskets.transform("size").to_numpy()

    def user_rows(self, user_ids: np.ndarray) -> np.ndarray:
        """Returns `[B]` rows of the user matrices; unknown users and guests get the last, empty one."""
        rows = self.user_ids.get_indexer(user_ids)
        return np.where(rows < 0, len(self.user_ids), rows)


def order_history(train: Tables, item_ids: pd.Index) -> History:
    """Returns the history whose baskets are orders; a purchase without an order is a basket of its own."""
    bought = train.purchases
    alone = (bought["order_id"] == "").to_numpy()
    names = bought["order_id"].to_numpy(object)
    names = np.where(alone, np.char.add("\0", np.arange(len(bought)).astype(str)).astype(object), names)
    return _history(bought, names, item_ids)


def session_history(train: Tables, item_ids: pd.Index) -> History:
    """Returns the history whose baskets are sessions, with the steps in them."""
    events = train.events
    events = events[(events["session_id"] != "") & (events["event_type"] != "impression")]
    events = events[events["item_id"].isin(item_ids)]
    first = events.groupby("session_id", sort=False)["timestamp"].transform("min")
    events = events.assign(first=first).sort_values(["first", "session_id", "timestamp"], kind="stable")
    history = _history(events, events["session_id"].to_numpy(object), item_ids)
    return dataclasses.replace(
        history,
        steps=item_ids.get_indexer(events["item_id"]).astype(np.int32),
        step_baskets=pd.factorize(events["session_id"])[0],
    )


def needs_steps(history: History, name: str) -> None:
    """Raises `ConfigError` where a method of sequences is given orders."""
    if not len(history.steps):
        raise ConfigError(
            f"{name} learns from the steps of sessions, and this history has none. Use `session_history`."
        )


def _history(events: pd.DataFrame, names: np.ndarray, item_ids: pd.Index) -> History:
    column = item_ids.get_indexer(events["item_id"])
    events, names, column = events[column >= 0], names[column >= 0], column[column >= 0]
    row, baskets = pd.factorize(names)
    cells = (np.ones(len(row), np.float32), (row, column))
    matrix = scipy.sparse.csr_matrix(cells, shape=(len(baskets), len(item_ids)))
    matrix.data[:] = 1
    first = np.flatnonzero(~pd.Series(row).duplicated().to_numpy())
    users = events["user_id"].to_numpy(object)[first]
    user_ids = pd.Index(np.unique(users.astype(str)).astype(object)).drop("", errors="ignore")
    return History(
        item_ids=item_ids,
        baskets=matrix,
        basket_users=user_ids.get_indexer(users),
        basket_times=events["timestamp"].to_numpy()[first],
        user_ids=user_ids,
        steps=np.zeros(0, np.int32),
        step_baskets=np.zeros(0, np.int64),
    )
