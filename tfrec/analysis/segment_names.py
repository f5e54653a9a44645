"""Names segments by typed codes: the traits in which they differ from all users, and what they buy more."""

import dataclasses
from collections.abc import Mapping
from typing import Literal, NamedTuple

SegmentMethod = Literal["rfm", "kmeans", "dbscan"]
"""How segments are found."""
NoteCode = Literal["k chosen on a sample", "no k is stable", "regions found on a sample", "at most one region"]
"""What a reader of segments must know."""

BULK = "The bulk of buyers"
"""Key of the only segment."""

TRAITS = {
    "recency_days": ("recent", "lapsed"),
    "num_orders": ("rare", "frequent"),
    "value_per_order": ("small-order", "big-order"),
    "items_per_order": ("narrow", "broad"),
    "repeat_share": ("exploring", "faithful"),
    "value": ("low-value", "high-value"),
    "tenure_days": ("new", "long-standing"),
    "num_views": ("decided", "browsing"),
}
"""Figure of behaviour → trait of those who have little of it, trait of those who have much."""


class Traits(NamedTuple):
    """What sets a segment apart.

    Attributes:
        traits: codes of `TRAITS`, the clearest first; empty where the segment is named otherwise (RFM, noise).
        number: 2 and more where other segments have the same traits.
    """

    traits: tuple[str, ...] = ()
    number: int = 1


class Taste(NamedTuple):
    """What a segment buys more than its size explains.

    Attributes:
        name: category, or title of an item.
        times: share of the segment's purchases over the usual share.
    """

    name: str
    times: float


@dataclasses.dataclass(frozen=True)
class Note:
    """A remark on how segments were found.

    Attributes:
        code: what it is about.
        values: name → number.
    """

    code: NoteCode
    values: Mapping[str, float]


def key_of(traits: Traits) -> str:
    """Returns the key of a segment in files and expressions: `Recent, frequent buyers`, with its number after it."""
    key = f"{', '.join(traits.traits)} buyers".capitalize()
    return key if traits.number == 1 else f"{key} {traits.number}"
