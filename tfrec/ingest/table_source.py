"""Defines what the sections of a recipe have in common: where a table lies, and what its columns mean."""

import dataclasses
import zoneinfo
from collections.abc import Iterable

from tfrec.errors import EmptySourceError, RecipeError, nearest_hint
from tfrec.ingest.mapping import Columns
from tfrec.ingest.timestamps import COUNTS
from tfrec.sources.table_files import TableFiles


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSource(TableFiles):
    """Where a table lies and what its columns mean.

    Attributes:
        columns: see `Columns`.
        optional: the shop is prepared without the table, with a note, where its files are absent or have no row.
    """

    columns: Columns = dataclasses.field(default_factory=dict)
    optional: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optional and not self.is_stated:
            raise RecipeError("optional is of files or a database: name them by `files` or `url`.")

    def may_lack(self, error: EmptySourceError) -> bool:
        """Returns whether the shop is prepared without the table though its source is as `error` states."""
        return self.optional

    def check_mapped(self, wanted: Iterable[str], *, table: str) -> None:
        """Checks that `columns` maps all that is wanted of the table's files, and nothing without files.

        Raises:
            RecipeError: a column is not mapped, or there are no files.
        """
        absent = [name for name in wanted if name not in self.columns]
        if self.is_stated and absent:
            raise RecipeError(f"columns must map {', '.join(absent)} of the {table} file.")
        if self.columns and not self.is_stated:
            raise RecipeError(f"`files` must name the {table} file whose columns are mapped.")


def check_keys(what: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    """Checks that all `given` keys of the table `what` are allowed.

    Raises:
        RecipeError: one is not; names the nearest.
    """
    for key in given:
        if key not in set(allowed):
            raise RecipeError(f"{what} has the unknown key {key!r}.{nearest_hint(key, allowed)}")


def check_time_format(time_format: tuple[str, ...]) -> None:
    """Checks that a format of counts stands alone.

    Raises:
        RecipeError: it does not.
    """
    if len(time_format) > 1 and (units := set(time_format) & set(COUNTS)):
        raise RecipeError(
            f"time_format {min(units)!r} must stand alone: a column of counts has no other format. Write the rows of "
            "another format into a column or file of their own."
        )


def check_time_zone(time_zone: str) -> None:
    """Checks that there is such a zone; "" is none.

    Raises:
        RecipeError: there is none; names the nearest.
    """
    try:
        zoneinfo.ZoneInfo(time_zone or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        zones = zoneinfo.available_timezones()
        raise RecipeError(
            f"time_zone {time_zone!r} is unknown.{nearest_hint(time_zone, zones) if zones else ''}"
        ) from None
