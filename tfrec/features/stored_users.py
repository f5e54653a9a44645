"""Chooses the users whose tables a servable stores; requests can bring the events of the others."""

import dataclasses

import numpy as np

from tfrec.errors import ConfigError
from tfrec.features.feature_tables import FeatureTables

_RECENT = "recent="
_CUT = (("own_splits", "own_"), ("line_splits", "line_"), ("friend_splits", "friend_"))
"""Splits of tables with some rows a user, and how the names of these tables begin."""
_BY_USER = ("user_segment", "num_orders", "recent_item", "recent_type", "recent_age", "recent_group")


@dataclasses.dataclass(frozen=True)
class StoredUsers:
    """A rule for the users that are stored.

    Attributes:
        most: number of users at most, those with the latest events; None = all, with or without events.
    """

    most: int | None = None

    @classmethod
    def parse(cls, text: str) -> "StoredUsers":
        """Returns the rule that `all`, `none` or `recent=N` names.

        Raises:
            ConfigError: it is none of them.

        Examples:
            >>> StoredUsers.parse("recent=500").most
            500
        """
        if text in ("all", "none"):
            return cls(None if text == "all" else 0)
        number = text.removeprefix(_RECENT)
        if not (text.startswith(_RECENT) and number.isascii() and number.isdigit() and int(number)):
            raise ConfigError(
                f"`users` must be all, none, or recent=N for the N users with the latest events; got {text!r}."
            )
        return cls(int(number))

    def choose(self, tables: FeatureTables) -> np.ndarray:
        """Returns `[n]` int64 ascending indices of the users that are stored, guests (0) left out."""
        if self.most is None:
            return np.arange(1, len(tables.num_orders))
        has_events = np.flatnonzero(tables.recent_item[:, -1] > 0)
        latest_first = has_events[np.argsort(tables.recent_age[has_events, -1], kind="stable")]
        return np.sort(latest_first[: self.most])


def keep_users(tables: FeatureTables, users: np.ndarray) -> FeatureTables:
    """Returns the tables of some users alone, who are numbered from 1 in their order; items keep what all users did.

    Args:
        tables: tables of all users.
        users: `[n]` indices above 0.
    """
    rows = np.append(0, users)  # guests stay
    changed = {name: getattr(tables, name)[rows] for name in _BY_USER}
    for splits_name, prefix in _CUT:
        splits = getattr(tables, splits_name).astype(np.int64)
        lengths = np.diff(splits)[rows]
        ends = np.cumsum(lengths)
        at = np.repeat(splits[rows] - (ends - lengths), lengths) + np.arange(ends[-1])
        for name in vars(tables):
            if name.startswith(prefix) and name != splits_name:
                changed[name] = getattr(tables, name)[at]
        changed[splits_name] = np.append(0, ends).astype(np.int32)
    return dataclasses.replace(tables, **changed)
