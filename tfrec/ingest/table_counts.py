"""States how many rows a table had, and how many of them were kept."""

import dataclasses

from tfrec.errors import SchemaError


@dataclasses.dataclass(frozen=True)
class TableCounts:
    """The rows of one table: each was kept, or is listed in `rejected.parquet`.

    Attributes:
        read: rows and unreadable lines of its files.
        kept: rows that stay.
        rejected: rows and lines that were set aside.

    Raises:
        SchemaError: they do not add up.
    """

    read: int
    kept: int
    rejected: int

    def __post_init__(self) -> None:
        if self.read != self.kept + self.rejected:
            raise SchemaError(
                f"Of {self.read:,} rows that were read {self.kept:,} were kept and {self.rejected:,} rejected. Every "
                "row must be one of them: this is an error of the program, please report it."
            )
