"""Encodes the segment of each user, for users without purchases, from the users table.

A segment is a word in the column `users.segment`: country, club tier, or what `tfrec segments --export` found.
"""

import dataclasses

import numpy as np
import pandas as pd

from tfrec.features.vocabulary import Vocabulary

SEGMENT_COLUMN = "segment"
"""Free column of the users table that is read."""

MOST_SEGMENTS = 63
"""Segments with a popularity of their own; users of rarer ones are users of the whole shop."""


@dataclasses.dataclass(frozen=True)
class UserSegments:
    """Segments and who is in them. `U` users, `S` segments.

    Attributes:
        names: the segments, the one with most users first.
        of_user: `[U + 1]` int32 segment index of each user; 0 = unknown, rare, or a guest.
    """

    names: Vocabulary
    of_user: np.ndarray

    @classmethod
    def none(cls, users: Vocabulary) -> "UserSegments":
        """Returns segments without any user."""
        return cls(Vocabulary(np.array([], object)), np.zeros(users.size, np.int32))


def users_in_segments(users: pd.DataFrame) -> pd.DataFrame:
    """Returns `user_id` and `segment` of the users table's rows with a segment; none without the column."""
    if SEGMENT_COLUMN not in users.columns:
        return pd.DataFrame({"user_id": [], SEGMENT_COLUMN: []}, dtype=object)
    segments = users[["user_id", SEGMENT_COLUMN]].dropna().astype(str).astype(object)
    segments[SEGMENT_COLUMN] = segments[SEGMENT_COLUMN].str.strip()
    return segments[segments[SEGMENT_COLUMN] != ""]


def encode_segments(table: pd.DataFrame, users: Vocabulary) -> UserSegments:
    """Returns the segments of the users of a vocabulary.

    Args:
        table: table of `users_in_segments`.
        users: user ids; those who are not in the table are in no segment.
    """
    names = Vocabulary(np.array(largest_segments(table), object))
    of_user = np.zeros(users.size, np.int32)
    of_user[users.encode(table["user_id"])] = names.encode(table[SEGMENT_COLUMN])
    of_user[0] = 0  # what ids outside the vocabulary wrote there
    return UserSegments(names, of_user)


def largest_segments(table: pd.DataFrame) -> list[str]:
    """Returns the `MOST_SEGMENTS` segments with most users of a table of `users_in_segments`, the largest first."""
    sizes = table[SEGMENT_COLUMN].value_counts()
    return sorted(sizes.index, key=lambda name: (-sizes[name], name))[:MOST_SEGMENTS]
