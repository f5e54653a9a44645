"""Defines the section `[events]` of a recipe, and its table of exchange rates."""

import dataclasses
import math
from collections.abc import Mapping

from tfrec.errors import RecipeError, nearest_hint
from tfrec.ingest.mapping import Columns
from tfrec.ingest.table_source import TableSource, check_keys, check_time_format, check_time_zone
from tfrec.schema.event_types import EVENT_TYPES, RETURN
from tfrec.schema.tables import EVENT_COLUMNS

EVENT_KEYS = (*EVENT_COLUMNS, "line_total", "discount", "sequence", "currency", "cost", "profit", "received_at")
"""What `[events.columns]` may map."""
RATE_KEYS = ("currency", "day", "rate")
"""What `[events.rate_table.columns]` maps."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RateTable(TableSource):
    """Where exchange rates by day lie, one currency and day a row.

    Attributes:
        columns: `currency` (its code), `day` and `rate` (what one unit is worth in the shop's currency) → raw column.
        is_inverse: `rate` is what one unit of the shop's currency is worth in the other, as the rates of the European
            Central Bank are.
        time_format: of `day`, as `EventsRecipe.time_format`.
    """

    is_inverse: bool = False
    time_format: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.is_stated:
            raise RecipeError("`files` must name the file of the rates.")
        if self.optional:
            raise RecipeError("rates must not be optional: without them rows in other currencies are set aside.")
        check_keys("columns", self.columns, RATE_KEYS)
        self.check_mapped(RATE_KEYS, table="rates")
        check_time_format(self.time_format)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventsRecipe(TableSource):
    """Where events lie and what their columns mean; a recipe may have several, of files that differ in columns.

    Attributes:
        columns: see `Columns`; beside the schema's may be mapped `sequence`, a number of seconds added to the
            timestamp, to order what has only a date; in place of `price` `line_total`, what all pieces of the row
            cost together; `discount`, what was taken off all pieces of the row together; `currency`, the code of the
            row's or its order's currency; `received_at`, when the shop received an event whose time is that of the
            buyer's device; and what all pieces of the row cost the shop (`cost`) or earned it (`profit`), of which an
            item's margin is computed.
        type: event type of every row, where no column holds it.
        types: raw word → event type, or `return` for what takes an earlier purchase back.
        time_zone: IANA name of the zone that the timestamps are written in; left out, that of the recipe's first
            events, and UTC there.
        time_format: `strptime` format (or several, tried in order), or `epoch_s`, `epoch_ms`, `epoch_us`, `excel_days`;
            empty = ISO 8601. An offset or `UTC` in the text goes before `time_zone`.
        rates: code of another currency → what one unit of it is worth in the shop's, whatever the day; rows in
            currencies without a rate are set aside, where `currency` is mapped.
        rate_table: in place of `rates`: rates by day; the last one known at the day of the event counts. It is stated
            in the recipe's first events and holds for all.
    """

    columns: Columns
    type: str = ""
    types: Mapping[str, str] = dataclasses.field(default_factory=dict)
    time_zone: str = ""
    time_format: tuple[str, ...] = ()
    rates: Mapping[str, float] = dataclasses.field(default_factory=dict)
    rate_table: RateTable | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rates and "currency" not in self.columns:
            raise RecipeError("rates need the raw column with each row's currency: map `currency` in columns.")
        for code, rate in self.rates.items():
            if not 0 < rate < math.inf or code != code.upper():
                raise RecipeError(f"rates must map codes in capitals to numbers above 0; got {code!r} = {rate}.")
        check_time_format(self.time_format)
        if not self.is_stated:
            raise RecipeError("`files` must name at least one file of events.")
        check_keys("columns", self.columns, EVENT_KEYS)
        if "item_id" not in self.columns:
            raise RecipeError("columns must map item_id: without it nothing is known of what was bought.")
        if "price" in self.columns and "line_total" in self.columns:
            raise RecipeError(
                "columns must map price (of a piece) or line_total (of all pieces of the row), and not both."
            )
        if "discount" in self.columns and not {"price", "line_total"} & set(self.columns):
            raise RecipeError("columns map discount: map price or line_total, too, from which it is taken off.")
        if "cost" in self.columns and "profit" in self.columns:
            raise RecipeError("columns must map cost or profit (of all pieces of the row), and not both.")
        if bool(self.type) == ("event_type" in self.columns):
            raise RecipeError(
                "Either `type` (every row is of one type) or `columns.event_type` must be given, and not both."
            )
        for word in (*self.types.values(), *([self.type] if self.type else [])):
            if word not in (*EVENT_TYPES, RETURN):
                raise RecipeError(f"event type {word!r} is unknown.{nearest_hint(word, (*EVENT_TYPES, RETURN))}")
        check_time_zone(self.time_zone)
