"""Turns a table of shown items, one row per place, into checked slates with their propensities."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tfrec.errors import SchemaError
from tfrec.experiments.off_policy import DecisionLog, SlateLog
from tfrec.experiments.user_tables import USER_NAMES, require

ITEM_NAMES = ("item_id", "product", "item", "arm")
REWARD_NAMES = ("clicked", "click", "reward", "bought")
SLATE_NAMES = ("slate", "slate_id", "impression_id", "request_id")
"""Columns taken where none is named, the first that is there."""

_MAX_ITEMS = 200
_MAX_LEVELS = 30
_FEWEST = 200


@dataclasses.dataclass(frozen=True)
class LoggedSlates:
    """Slates of `L` places that a logging policy drew (`n` of them, from `A` items).

    Attributes:
        item_ids: `[A]` the items.
        actions: `[n, L]` position in `item_ids` of each place's item.
        propensities: `[n, L]` chance of each place's item given those above it.
        place_propensities: `[n, L]` chance that this item stands in this place, whatever is above; None unknown.
        rewards: `[n, L]` what came of each place.
        contexts: n rows: what was known of the visitor, as text.
        users: `[n]` who saw it, each guest on its own; None unknown.
        skipped: slates set aside because a place is missing.
    """

    item_ids: np.ndarray
    actions: np.ndarray
    propensities: np.ndarray
    place_propensities: np.ndarray | None
    rewards: np.ndarray
    contexts: pd.DataFrame
    users: np.ndarray | None
    skipped: int

    def __len__(self) -> int:
        """Returns the number of slates."""
        return len(self.actions)

    def features(self) -> np.ndarray:
        """Returns `[n, d]` the contexts as 0/1 columns."""
        if not len(self.contexts.columns):
            return np.zeros((len(self), 0))
        return pd.get_dummies(self.contexts).to_numpy(np.float64)

    def first_place(self) -> DecisionLog:
        """Returns the decisions about the first place."""
        return DecisionLog(self.actions[:, 0], self.propensities[:, 0], self.rewards[:, 0], self.users)

    def slates(self) -> SlateLog:
        """Returns the whole slates, place by place given those above."""
        return SlateLog(self.propensities, self.rewards.sum(axis=1), self.rewards, self.users)

    def places(self) -> SlateLog | None:
        """Returns the whole slates with each place's own chance; None where it was not logged."""
        if self.place_propensities is None:
            return None
        return SlateLog(self.place_propensities, self.rewards.sum(axis=1), self.rewards, self.users)


def read_slates(
    table: pd.DataFrame,
    *,
    item: str | None = None,
    reward: str | None = None,
    slate: str | None = None,
    contexts: Sequence[str] | None = None,
) -> LoggedSlates:
    """Returns the slates of a log.

    Args:
        table: a row a place: the item, `position` from 1 (where missing, every slate has one place), `probability` (of
            the item in its place given those above, as it was drawn), the reward; where known `position_probability`
            (the item's chance of that place, whatever is above), the slate's number, the user.
        item: column of items; one of `ITEM_NAMES` when left out.
        reward: column of rewards; one of `REWARD_NAMES` when left out.
        slate: column that rows of one slate share; one of `SLATE_NAMES` when left out.
        contexts: columns known of a visitor; all texts of few values when left out.

    Raises:
        SchemaError: a column is missing, probabilities are none, or there are too few slates or too many items.
    """
    item = _named(table, item, ITEM_NAMES, "the item")
    reward = _named(table, reward, REWARD_NAMES, "what came of it")
    require(table, ["probability", *(contexts or ())], what="The log")
    log = table.reset_index(drop=True)
    if "position" not in log.columns:
        log = log.assign(position=1)
    places = int(log["position"].max())
    number = pd.Series(np.arange(len(log))) if places == 1 else log[_named(log, slate, SLATE_NAMES, "the slate")]
    codes, ids = pd.factorize(log[item].astype("str"), sort=True)
    if not 2 <= len(ids) <= _MAX_ITEMS:
        raise SchemaError(f"Policies are judged on a log of 2 to {_MAX_ITEMS} different items; got {len(ids):,}.")
    log = log.assign(_slate=number.to_numpy(), _code=codes)
    if log.duplicated(["_slate", "position"]).any():
        raise SchemaError("A slate holds a position twice. Each row must be one place of one slate.")
    log = log.sort_values(["_slate", "position"], kind="stable")
    whole = log.groupby("_slate")["position"].transform("size") == places
    skipped = int(log.loc[~whole, "_slate"].nunique())
    log = log[whole]
    first = log[log["position"] == 1].reset_index(drop=True)
    if len(first) < _FEWEST:
        raise SchemaError(f"Policies are judged on {_FEWEST} or more slates; got {len(first):,} whole ones.")

    def matrix(column: str) -> np.ndarray:
        return log[column].to_numpy(np.float64).reshape(len(first), places)

    taken = {item, reward, "_slate", "_code", *USER_NAMES, *SLATE_NAMES, "session", "session_id"}
    context_columns = [name for name in first.columns if name not in taken and _is_context(first[name])]
    return LoggedSlates(
        item_ids=np.asarray(ids, dtype=str),
        actions=log["_code"].to_numpy().reshape(len(first), places),
        propensities=matrix("probability"),
        place_propensities=matrix("position_probability") if "position_probability" in log.columns else None,
        rewards=matrix(reward),
        contexts=first[list(contexts) if contexts is not None else context_columns].astype("str"),
        users=_users(first),
        skipped=skipped,
    )


def _named(table: pd.DataFrame, given: str | None, usual: Sequence[str], what: str) -> str:
    column = given or next((name for name in usual if name in table.columns), None)
    if column is None:
        raise SchemaError(
            f"No column holds {what}; looked for {', '.join(usual)}. The log has {', '.join(map(str, table.columns))}."
        )
    require(table, [column], what="The log")
    return column


def _is_context(column: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return False
    return 2 <= column.nunique() <= _MAX_LEVELS


def _users(log: pd.DataFrame) -> np.ndarray | None:
    """Returns `[n]` the user of each slate; a guest is a cluster of its own."""
    user = next((name for name in USER_NAMES if name in log.columns), None)
    if user is None:
        return None
    ids = log[user].fillna("").astype("str")
    return ids.where(ids != "", "guest " + log.index.astype("str")).to_numpy(dtype=str)
