"""Defines notes: findings about raw data that change no row, for its owner."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Note:
    """What was seen in the raw files, and what to do about it.

    Attributes:
        code: stable word for programs, e.g. `decimal_contradiction`.
        count: values, rows or orders that it concerns.
        text: sentences for people: what was seen, an example, what to do.
    """

    code: str
    count: int
    text: str
