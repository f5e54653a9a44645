"""Stands in place of a finding that a shop's data does not allow."""

import dataclasses
from typing import ClassVar


@dataclasses.dataclass(frozen=True)
class Absent:
    """No finding.

    Attributes:
        reason: why, in one sentence; "" where the shop does not have the data at all.
    """

    JSON_KEYS: ClassVar = (("absent", "reason"),)

    reason: str
