"""Holds the settings of indexes, as one checked value."""

import dataclasses

from tfrec.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class IndexConfig:
    """When the items nearest to a query come from an index, not from a scan of all, and how sure it must be.

    Attributes:
        min_items: of fewer items each is compared with the query, which is exact and about as fast.
        recall: share of the 100 nearest items that an index must find, measured at export on queries of users; so
            many lists are read, and so many of their items compared exactly.
        max_share: share of the lists that may be read; where `recall` needs more, all items are compared. For a request
            alone an index is faster up to about .4, in batches of 16 up to .05: a scan reads items once for all rows.
        queries: number of queries that it is measured on.
        seed: random seed of the lists and of the queries.
    """

    min_items: int = 200_000
    recall: float = 0.97
    max_share: float = 0.15
    queries: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("min_items", "queries"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`index.{name}` must be at least 1; got {getattr(self, name)}.")
        for name in ("recall", "max_share"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"`index.{name}` must lie in (0, 1]; got {getattr(self, name)}.")
