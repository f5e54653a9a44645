"""Builds behaviour sequences: each shopper's events as flat integer arrays, cut by splits, oldest first."""

import dataclasses
from typing import Protocol, Self

import numpy as np
import pandas as pd

from tfrec.features.friends import Friends
from tfrec.features.segments import UserSegments
from tfrec.features.vocabulary import Vocabularies, Vocabulary

_EPOCH = np.datetime64("1970-01-01T00:00:00", "us")
HOUR = np.timedelta64(3_600_000_000, "us")
NOT_BEHAVIOUR = ("search", "impression")
"""Types of events that are no choice of an item."""

EVENT_ARRAYS = ("item", "event_type", "hour", "group", "session")
"""Arrays of `BehaviourSequences` with a value an event."""

_MOST_LINES, _MOST_SHARE = 200, 0.01
"""One order counts with so many lines, or with this share of all lines, whichever is more: a bulk order of thousands
would be most of what popularity, the blocks of time and the towers learn from."""


class SequenceShards(Protocol):
    """Sequences that are read a shard at a time: `BehaviourSequences`, which are one, and `StoredSequences`."""

    def __len__(self) -> int:
        """Returns the number of events."""

    @property
    def num_shards(self) -> int:
        """Number of shards."""

    def shard(self, number: int) -> "BehaviourSequences":
        """Returns the sequences of a shard."""

    def before(self, hour: float) -> Self:
        """Returns the events strictly before `hour`."""


@dataclasses.dataclass(frozen=True)
class BehaviourSequences:
    """Interactions in time, shopper after shopper. `E` events, `S` sequences.

    A known user is one sequence; a guest's session (or order) is one of its own.

    Attributes:
        vocabularies: what the indices mean.
        users: user ids; the sequence of the user with index `u` has `sequence_user == u`.
        segments: segments of the users.
        friends: friends of the users.
        item: `[E]` int32 item index, never 0.
        event_type: `[E]` int8 code, position in `vocabularies.event_types` plus one.
        hour: `[E]` float64 hours since 1970-01-01 UTC.
        group: `[E]` int32: events with one number belong together (an order, else a session).
        session: `[E]` int32: events with one number are of one visit (a session, else an order).
        splits: `[S + 1]` int64: sequence `s` is rows `splits[s]:splits[s + 1]`.
        sequence_user: `[S]` int32 user index; 0 for a guest.
    """

    vocabularies: Vocabularies
    users: Vocabulary
    segments: UserSegments
    friends: Friends
    item: np.ndarray
    event_type: np.ndarray
    hour: np.ndarray
    group: np.ndarray
    session: np.ndarray
    splits: np.ndarray
    sequence_user: np.ndarray

    def __len__(self) -> int:
        """Returns the number of events, E."""
        return len(self.item)

    @property
    def sequence(self) -> np.ndarray:
        """`[E]` int64 row in `splits` of each event."""
        return np.repeat(np.arange(len(self.splits) - 1), np.diff(self.splits))

    @property
    def num_shards(self) -> int:
        """One: sequences in memory are read as a whole, see `StoredSequences`."""
        return 1

    def shard(self, number: int) -> Self:
        """Returns the sequences themselves."""
        return self

    def before(self, hour: float) -> Self:
        """Returns the events strictly before `hour`; sequences that begin later are left out."""
        return self.where(self.hour < hour)

    def where(self, keep: np.ndarray) -> Self:
        """Returns the events that `keep [E]` marks; sequences without one are left out."""
        sizes = np.bincount(self.sequence[keep], minlength=len(self.splits) - 1)
        columns = {name: getattr(self, name)[keep] for name in EVENT_ARRAYS}
        return dataclasses.replace(
            self,
            **columns,
            splits=np.append(0, np.cumsum(sizes[sizes > 0])).astype(np.int64),
            sequence_user=self.sequence_user[sizes > 0],
        )

    def type_code(self, name: str) -> int:
        """Returns the code of an event type."""
        return self.vocabularies.event_types.index(name) + 1

    def has_type(self, name: str) -> bool:
        """Returns whether any event is of this type."""
        return bool((self.event_type == self.type_code(name)).any())


def encode_events(
    events: pd.DataFrame,
    vocabularies: Vocabularies,
    users: Vocabulary,
    segments: UserSegments | None = None,
    friends: Friends | None = None,
) -> BehaviourSequences:
    """Returns the sequences of a table of events; searches, impressions and unknown items are left out.

    An order of more than 200 lines, and of more than 1 % of all lines, counts with its items once each; of more items
    than that, with some of them.

    Args:
        events: a table of `EVENT_COLUMNS`, ascending in time.
        vocabularies: the shop's.
        users: known users; everybody else is a guest whose past ends with the session.
        segments: segments of the known users; None = no segments.
        friends: relations of the known users; None = no relations.
    """
    codes = {name: code for code, name in enumerate(vocabularies.event_types, start=1)}
    kind, names = _numbers(events["event_type"])
    event_type = np.array([codes[name] for name in names], np.int8)[kind]
    item = vocabularies.items.encode(events["item_id"])
    keep = (item > 0) & ~np.isin(event_type, [codes[name] for name in NOT_BEHAVIOUR])
    # Texts become numbers column by column: as Python objects they would take ten times the memory of the log.
    item, event_type, time = item[keep], event_type[keep], events["timestamp"].to_numpy()[keep]
    user = users.encode(events["user_id"])[keep]
    order, session = (_numbers(events[name])[0][keep] for name in ("order_id", "session_id"))
    group, visit = _joined(order, session), _joined(session, order)
    is_line = (event_type == codes["purchase"]) & (order >= 0)
    if not (keep := _within_cap(item, group, is_line)).all():
        item, event_type, time, user, group, visit = (
            column[keep] for column in (item, event_type, time, user, group, visit)
        )
    key = np.where(user > 0, user.astype(np.int64), len(users.tokens) + 1 + visit.astype(np.int64))
    hour = (time - _EPOCH) / HOUR
    by_time = np.lexsort((np.arange(len(key)), group, hour, key))
    key = key[by_time]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.array([], np.int64)
    return BehaviourSequences(
        vocabularies=vocabularies,
        users=users,
        segments=segments or UserSegments.none(users),
        friends=friends or Friends.none(users),
        item=item[by_time],
        event_type=event_type[by_time],
        hour=hour[by_time],
        group=group[by_time],
        session=visit[by_time],
        splits=np.append(starts, len(key)).astype(np.int64),
        sequence_user=np.where(key[starts] <= len(users.tokens), key[starts], 0).astype(np.int32),
    )


def _within_cap(item: np.ndarray, group: np.ndarray, is_line: np.ndarray) -> np.ndarray:
    """Returns `[E]` bool: all events but the lines that a bulk order has beyond what one order may count."""
    keep = np.ones(len(item), bool)
    num_lines = np.bincount(group[is_line])
    most = int(max(_MOST_LINES, _MOST_SHARE * is_line.sum()))
    for bulk in np.flatnonzero(num_lines > most):
        rows = np.flatnonzero(is_line & (group == bulk))
        kept = rows[np.sort(np.unique(item[rows], return_index=True)[1])]
        if len(kept) > most:  # an item that no other event has must not vanish
            elsewhere = np.bincount(item) - np.bincount(item[rows], minlength=item.max() + 1)
            is_known = elsewhere[item[kept]] > 0
            others = kept[is_known]
            room = min(max(most - int((~is_known).sum()), 0), len(others))
            kept = np.append(kept[~is_known], others[np.arange(room) * len(others) // max(room, 1)])
        keep[rows] = False
        keep[kept] = True
    return keep


def _numbers(texts: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Returns `[E]` int32 numbers of the distinct texts, −1 for an empty one, and the texts in the order of numbers."""
    number, distinct = pd.factorize(texts)
    names = list(distinct)
    number = number.astype(np.int32)
    if "" in names:
        number[number == names.index("")] = -1
    return number, names


def _joined(number: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns `[E]` int32 from 0: equal where `number` is, or, without it (−1), `other`; else a number of its own.

    Numbers are in the order of their first event. Example: orders (0, -1, -1, 0, -1) and sessions (0, 0, -1, 1, 0) give
    (0, 1, 2, 0, 1).
    """
    first_other = number.max(initial=-1).astype(np.int64) + 1
    first_own = first_other + other.max(initial=-1) + 1
    alone = first_own + np.arange(len(number))
    return pd.factorize(np.where(number >= 0, number, np.where(other >= 0, first_other + other, alone)))[0].astype(
        np.int32
    )
