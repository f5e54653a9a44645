"""States how many returns a log has, and how many of them were matched with a purchase."""

import dataclasses

UNMATCHED = "unmatched return"
"""Reason of a row of the type `return` some of whose pieces no purchase is left for."""


@dataclasses.dataclass(frozen=True)
class ReturnCounts:
    """What took purchases back, and how much of it was matched with an earlier purchase.

    Attributes:
        rows: rows of the log.
        pieces: pieces that they take back.
        value: pieces times the rows' own prices; unknown prices count as 0.
        matched_pieces: pieces that an earlier purchase sold.
        matched_value: those times the price of the purchase.
    """

    rows: int
    pieces: float
    value: float
    matched_pieces: float
    matched_value: float
