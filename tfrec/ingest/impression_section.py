"""Defines the section `[impressions]` of a recipe."""

import dataclasses

from tfrec.errors import EmptySourceError, MissingSourceError, RecipeError
from tfrec.ingest.table_source import TableSource, check_keys, check_time_format, check_time_zone
from tfrec.schema.tables import IMPRESSION_COLUMNS

_REQUIRED = ("item_id", "timestamp", "slate_id")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImpressionsRecipe(TableSource):
    """Where the log of what was shown lies, an item in its place a row; an empty log is no error.

    Attributes:
        columns: see `Columns`; without `position` an item's place is its rank among the rows of its slate.
        time_zone: IANA name of the zone of times without an offset; left out, that of the recipe's first events.
        time_format: as `EventsRecipe.time_format`.
    """

    time_zone: str = ""
    time_format: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_keys("columns", self.columns, IMPRESSION_COLUMNS)
        self.check_mapped(_REQUIRED, table="impressions")
        if "place_propensity" in self.columns and "propensity" not in self.columns:
            raise RecipeError("columns map place_propensity: map propensity, too, the chance given the items above.")
        check_time_zone(self.time_zone)
        check_time_format(self.time_format)

    def may_lack(self, error: EmptySourceError) -> bool:
        """Returns whether the source is there without a row yet, or may be absent."""
        return self.optional or not isinstance(error, MissingSourceError)
