"""Reads a recipe (a TOML file) into typed values that map a shop's raw files to the schema."""

import dataclasses
import datetime
import importlib.resources
import math
import zoneinfo
from collections.abc import Iterable, Mapping
from pathlib import Path

from tfrec.errors import RecipeError, nearest_hint
from tfrec.ingest.category_tree import CategoryTree
from tfrec.ingest.cleaning import Cleaning
from tfrec.ingest.mapping import Columns
from tfrec.ingest.privacy import Privacy
from tfrec.ingest.sessions import Orders, Sessions
from tfrec.ingest.splits import Split
from tfrec.ingest.timestamps import COUNTS
from tfrec.ingest.typed_toml import read_toml, typed
from tfrec.schema.countries import COUNTRIES
from tfrec.schema.tables import (
    CATEGORY_SEPARATOR,
    EVENT_COLUMNS,
    EVENT_TYPES,
    FACT_COLUMNS,
    ITEM_COLUMNS,
    RELATION_COLUMNS,
    RETURN,
)
from tfrec.sources.table_files import TableFiles

_FOLDER = "datasets"  # of the package, and of whoever keeps recipes in the current folder
_OTHER_TABLES = ("items", "users", "facts", "relations")
EVENT_KEYS = (*EVENT_COLUMNS, "line_total", "discount", "sequence", "currency", "cost", "profit", "received_at")
"""What `[events.columns]` may map."""
ITEM_KEYS = (*ITEM_COLUMNS, "cost")
"""What `[items.columns]` may map."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableSource(TableFiles):
    """Where a table lies and what its columns mean.

    Attributes:
        columns: see `Columns`.
    """

    columns: Columns = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventsRecipe(TableSource):
    """Where events lie and what their columns mean; a recipe may have several, of files that differ in columns.

    Attributes:
        columns: see `Columns`; beside the schema's may be mapped `sequence`, a number of seconds added to the
            timestamp, to order what has only a date; in place of `price` `line_total`, what all pieces of the row
            cost together; `discount`, what was taken off all pieces of the row together; `currency`, the code of the
            row's or its order's currency; `received_at`, when the shop received an event whose time is that of the
            buyer's device; and what all pieces of the row cost the shop (`cost`) or earned it
            (`profit`), of which an item's margin is computed.
        type: event type of every row, where no column holds it.
        types: raw word → event type, or `return` for what takes an earlier purchase back.
        time_zone: IANA name of the zone that the timestamps are written in; left out, that of the recipe's first
            events, and UTC there.
        time_format: `strptime` format (or several, tried in order), or `epoch_s`, `epoch_ms`, `epoch_us`, `excel_days`;
            empty = ISO 8601. An offset or `UTC` in the text goes before `time_zone`.
        rates: code of another currency → what one unit of it is worth in the shop's; rows in currencies without a rate
            are set aside, where `currency` is mapped.
    """

    columns: Columns
    type: str = ""
    types: Mapping[str, str] = dataclasses.field(default_factory=dict)
    time_zone: str = ""
    time_format: tuple[str, ...] = ()
    rates: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rates and "currency" not in self.columns:
            raise RecipeError("rates need the raw column with each row's currency: map `currency` in columns.")
        for code, rate in self.rates.items():
            if not 0 < rate < math.inf or code != code.upper():
                raise RecipeError(f"rates must map codes in capitals to numbers above 0; got {code!r} = {rate}.")
        _check_formats(self.time_format)
        if not self.is_stated:
            raise RecipeError("`files` must name at least one file of events.")
        _check_keys("columns", self.columns, EVENT_KEYS)
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
        try:
            zoneinfo.ZoneInfo(self.time_zone or "UTC")
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            zones = zoneinfo.available_timezones()
            raise RecipeError(
                f"time_zone {self.time_zone!r} is unknown.{nearest_hint(self.time_zone, zones) if zones else ''}"
            ) from None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ItemsRecipe(TableSource):
    """Where the catalogue lies; without `files` items are what the training events know.

    Attributes:
        columns: see `Columns`; of the catalogue, or without one of the events file. Beside the schema's may be mapped
            `cost`, what the shop pays for a piece: margin is (price − cost) / price where none is mapped.
        words: column → raw word → word shown (`category`: `"1"` → `"trousers"`).
        price_weeks: without a catalogue's price, the price is the median of an item's sales in the last weeks of
            training.
        time_format: time format of `available_from`, as `EventsRecipe.time_format`.
        category_separator: between the levels of a raw category, e.g. `/`.
        category_tree: where the categories lie whose ids the items have.
    """

    words: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    price_weeks: float = 4.0
    time_format: tuple[str, ...] = ()
    category_separator: str = CATEGORY_SEPARATOR
    category_tree: CategoryTree | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_keys("columns", self.columns, ITEM_KEYS)
        if self.category_tree is not None and "category" not in self.columns:
            raise RecipeError("category_tree needs the ids of categories: map `category` in columns.")
        _check_keys("words", self.words, ITEM_COLUMNS)
        if self.is_stated and "item_id" not in self.columns:
            raise RecipeError("columns must map item_id of the catalogue.")
        if not self.is_stated and "price" in self.columns:
            raise RecipeError("Without a catalogue the price comes from the events: map it in `[events.columns]`.")
        if not self.is_stated and "cost" in self.columns:
            raise RecipeError("Without a catalogue costs come from the events: map `cost` in `[events.columns]`.")
        if not self.price_weeks > 0:
            raise RecipeError(f"price_weeks must be above 0; got {self.price_weeks}.")
        _check_formats(self.time_format)
        if not self.category_separator:
            raise RecipeError("category_separator must not be empty.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class UsersRecipe(TableSource):
    """Where user attributes lie; without `files` users are what the training events know.

    An attribute called `segment` (a country, a club tier, what `tfrec segments --export` found) gives the popularity
    among similar users; of a user without any history nothing else is known. It should be known from the beginning:
    segments that are computed from the log leak a little of later events into earlier training examples.

    Attributes:
        columns: attribute → raw column, with `user_id` where there are files.
    """

    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_stated and "user_id" not in self.columns:
            raise RecipeError("columns must map user_id of the users file.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FactsRecipe(TableSource):
    """Where facts of items lie: knowledge triples such as lamp – made by – Lumen, Lumen – based in – Lyon.

    A head is an item id or the tail of another fact: it is then also known where the maker of the lamp is based.

    Attributes:
        columns: `head`, `relation`, `tail` → raw column, all three where there are files.
    """

    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_keys("columns", self.columns, FACT_COLUMNS)
        _check_mapped(self, FACT_COLUMNS, "facts")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RelationsRecipe(TableSource):
    """Where relations between users lie: purchases of friends are used for users of whom nothing else is known.

    Attributes:
        columns: `user_id`, `other_id` → raw column where there are files; `weight` (how well, above 0) may be left
            out and is 1 then.
        directed: True where a row states that `user_id` follows `other_id` but not the reverse; else both know each
            other.
    """

    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    directed: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_keys("columns", self.columns, RELATION_COLUMNS)
        _check_mapped(self, ("user_id", "other_id"), "relations")


@dataclasses.dataclass(frozen=True)
class PicturesRecipe:
    """Product pictures: an array, or a folder of picture files.

    Attributes:
        file: an array (`.npy`, `images` of a `.npz`, idx) `[n, H, W]` or `[n, H, W, C]` of 0..255;
            `items.columns.image_index` gives an item's row.
        folder: folder of JPEG and PNG files, each named by the id of its item (`85123A.jpg`).
        size: pixels of a side of the square that the pictures of `folder` are scaled to.
    """

    file: str = ""
    folder: str = ""
    size: int = 64

    def __post_init__(self) -> None:
        if bool(self.file) == bool(self.folder):
            raise RecipeError("Give file (an array) or folder (of picture files), and not both.")
        if not 8 <= self.size <= 1024:
            raise RecipeError(f"size must be from 8 to 1024 pixels; got {self.size}.")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How one shop's raw files become the tables.

    Attributes:
        name: a word, also the name of the prepared shop.
        events: sections whose rows together are the events; the shop's clock is that of the first.
        description: one sentence.
        source_url: where a user gets the original.
        licence: licence of the data.
        currency: currency of all prices, ISO 4217.
        country: country of the shop, two letters of ISO 3166: it decides which festivals are looked at; else the time
            zone decides, and then the currency.
        sale_days: the shop's own sales, name → days, looked at beside the festivals.
        extras: name → file copied beside the tables (`coupon_test`, `impressions`).
        truth: folder with a generated shop's known truth, copied where it is there.
    """

    name: str
    events: tuple[EventsRecipe, ...]
    description: str = ""
    source_url: str = ""
    licence: str = ""
    currency: str = ""
    country: str = ""
    sale_days: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    items: ItemsRecipe = dataclasses.field(default_factory=ItemsRecipe)
    users: UsersRecipe = dataclasses.field(default_factory=UsersRecipe)
    facts: FactsRecipe = dataclasses.field(default_factory=FactsRecipe)
    relations: RelationsRecipe = dataclasses.field(default_factory=RelationsRecipe)
    pictures: PicturesRecipe | None = None
    clean: Cleaning = dataclasses.field(default_factory=Cleaning)
    orders: Orders = dataclasses.field(default_factory=Orders)
    sessions: Sessions = dataclasses.field(default_factory=Sessions)
    split: Split = dataclasses.field(default_factory=Split)
    privacy: Privacy = dataclasses.field(default_factory=Privacy)
    extras: Mapping[str, str] = dataclasses.field(default_factory=dict)
    truth: str = ""

    def __post_init__(self) -> None:
        if self.country and self.country not in COUNTRIES:
            hint = " The United Kingdom is GB." if self.country == "UK" else ""
            raise RecipeError(f"country must be two capitals of ISO 3166, such as DE; got {self.country!r}.{hint}")
        for name, days in self.sale_days.items():
            for day in days:
                _check_day(name, day)
        if not self.events:
            raise RecipeError("[events] must be there at least once.")
        zone = self.events[0].time_zone or "UTC"
        zoned = tuple(dataclasses.replace(events, time_zone=events.time_zone or zone) for events in self.events)
        object.__setattr__(self, "events", zoned)
        for events in self.events:
            self._check_events(events)
        if self.pictures and self.pictures.folder and "image_index" in self.items.columns:
            raise RecipeError("[pictures] folder names pictures by item: leave image_index out of [items.columns].")
        if self.privacy.key_file and self.truth:
            raise RecipeError("`truth` holds plain user ids, so it cannot go with [privacy]. Leave one out.")
        if self.clean.unknown_items == "reject" and not self.items.is_stated:
            raise RecipeError('[clean] unknown_items = "reject" needs a catalogue: name its files in [items].')
        mapped = {*self.event_columns, *(("event_type",) if any(events.type for events in self.events) else ())}
        if self.privacy.keep_days and not self.has_time:
            raise RecipeError("[privacy] keep_days needs times: map `timestamp` in [events.columns].")
        for rule in self.clean.rules:
            if self.privacy.key_file and rule.column == "user_id":
                raise RecipeError(
                    "[clean] has a pattern on user_id, which [privacy] makes a pseudonym before rules are applied. "
                    "Name the column of the file (raw_column), or use [clean.staff]."
                )
            if rule.whole_order and (self.orders.by != "column" or "order_id" not in mapped):
                raise RecipeError("[clean] has a rule on whole orders: map `order_id` in [events.columns].")
            if rule.column and rule.column not in mapped:
                raise RecipeError(f"[clean] has a pattern on {rule.column!r}, which [events.columns] does not map.")

    def _check_events(self, events: EventsRecipe) -> None:
        sells = events.type == "purchase" or "event_type" in events.columns
        if sells and self.orders.by == "column" and "order_id" not in events.columns:
            raise RecipeError(
                "Purchases need orders: map `order_id` in [events.columns], or add "
                '[orders] by = "user_day" (or "session").'
            )
        if "timestamp" not in events.columns and "order_id" not in events.columns:
            raise RecipeError("[events.columns] must map timestamp, or order_id where the log has no time.")
        if "timestamp" not in events.columns and self.has_time:
            raise RecipeError("[[events]] must map timestamp in each section, or in none.")
        if "currency" in events.columns and not self.currency:
            raise RecipeError('[events.columns] maps currency: say which one is the shop\'s, e.g. currency = "EUR".')

    @property
    def sections(self) -> dict[str, tuple[TableSource, ...]]:
        """The sections of each table, in the order in which its files are listed; several of the events alone."""
        return {"events": self.events, **{name: (getattr(self, name),) for name in _OTHER_TABLES}}

    @property
    def event_columns(self) -> tuple[str, ...]:
        """What at least one section of the events maps."""
        return tuple(dict.fromkeys(name for events in self.events for name in events.columns))

    @property
    def time_zone(self) -> str:
        """The zone of the shop's clock."""
        return self.events[0].time_zone

    @property
    def has_time(self) -> bool:
        """Whether the log has the times of events."""
        return "timestamp" in self.event_columns


@dataclasses.dataclass(frozen=True)
class RecipeFile:
    """A recipe with the file that it was read from."""

    recipe: Recipe
    path: Path
    text: str

    @property
    def data_home(self) -> Path:
        """Where relative names of raw files are looked for last: beside the recipe.

        No data lies beside a recipe of the package, so that the current folder takes its place.
        """
        folder = self.path.absolute().parent
        return Path.cwd() if folder.resolve() == shipped_recipes().resolve() else folder


def read_recipe(path: str | Path) -> RecipeFile:
    """Returns the recipe in the TOML file `path`.

    Raises:
        RecipeError: there is no such file, it is no TOML, or a key or value is not understood; names the nearest known
            key.
    """
    path = Path(path)
    try:
        text, table = read_toml(path)
    except FileNotFoundError:
        raise RecipeError(f"There is no recipe {path}.{_nearest_recipe(path.stem, path.parent)}") from None
    return RecipeFile(typed(Recipe, table, where=str(path)), path, text)


def shipped_recipes() -> Path:
    """Returns the folder of the package's own recipes, one TOML file each."""
    return Path(str(importlib.resources.files("tfrec") / _FOLDER))


def find_recipe(name_or_path: str | Path) -> Path:
    """Returns the file of a recipe: a path, or a name that is looked for in `./datasets`, then in the package.

    Raises:
        RecipeError: it is nowhere; names the nearest known one.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    folders = [Path.cwd() / _FOLDER, shipped_recipes()]
    if path.suffix in ("", ".toml"):
        for folder in folders:
            candidate = folder / f"{path.stem}.toml"
            if candidate.is_file() and (path.parent == Path() or path.parent.name == _FOLDER):
                return candidate
    raise RecipeError(f"There is no recipe {str(name_or_path)!r}.{_nearest_recipe(path.stem, path.parent, *folders)}")


def _nearest_recipe(stem: str, *folders: Path) -> str:
    names = {path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.toml")}
    if not names:
        return " Give the path of a .toml file."
    return nearest_hint(stem, names)


def _check_formats(time_format: tuple[str, ...]) -> None:
    if len(time_format) > 1 and (units := set(time_format) & set(COUNTS)):
        raise RecipeError(
            f"time_format {min(units)!r} must stand alone: a column of counts has no other format. Write the rows of "
            "another format into a column or file of their own."
        )


def _check_day(name: str, day: str) -> None:
    try:
        datetime.date.fromisoformat(day)
    except ValueError:
        raise RecipeError(f"[sale_days] {name!r} must list dates such as 2025-07-01; got {day!r}.") from None


def _check_keys(what: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    for key in given:
        if key not in set(allowed):
            raise RecipeError(f"{what} has the unknown key {key!r}.{nearest_hint(key, allowed)}")


def _check_mapped(source: FactsRecipe | RelationsRecipe, wanted: Iterable[str], table: str) -> None:
    absent = [name for name in wanted if name not in source.columns]
    if source.is_stated and absent:
        raise RecipeError(f"columns must map {', '.join(absent)} of the {table} file.")
    if source.columns and not source.is_stated:
        raise RecipeError(f"`files` must name the {table} file whose columns are mapped.")
