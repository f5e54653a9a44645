"""Reads a recipe (a TOML file) into typed values that map a shop's raw files to the schema."""

import dataclasses
import datetime
import importlib.resources
from collections.abc import Mapping
from pathlib import Path

from tfrec.errors import RecipeError, nearest_hint
from tfrec.ingest.cleaning import Cleaning
from tfrec.ingest.event_section import EventsRecipe, RateTable
from tfrec.ingest.impression_section import ImpressionsRecipe
from tfrec.ingest.item_section import ItemsRecipe, PicturesRecipe
from tfrec.ingest.privacy import Privacy
from tfrec.ingest.sessions import Orders, Sessions
from tfrec.ingest.splits import Split
from tfrec.ingest.table_source import TableSource, check_keys
from tfrec.ingest.typed_toml import read_toml, typed
from tfrec.schema.countries import COUNTRIES
from tfrec.schema.tables import FACT_COLUMNS, RELATION_COLUMNS

_FOLDER = "datasets"  # of the package, and of whoever keeps recipes in the current folder
_OTHER_TABLES = ("items", "users", "facts", "relations", "impressions")


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
        check_keys("columns", self.columns, FACT_COLUMNS)
        self.check_mapped(FACT_COLUMNS, table="facts")


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
        check_keys("columns", self.columns, RELATION_COLUMNS)
        self.check_mapped(("user_id", "other_id"), table="relations")


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
        impressions: what was shown, with the chances.
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
    impressions: ImpressionsRecipe = dataclasses.field(default_factory=ImpressionsRecipe)
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
        self._check_rates()
        shown = self.impressions
        object.__setattr__(self, "impressions", dataclasses.replace(shown, time_zone=shown.time_zone or zone))
        if "picture" in self.items.columns and not (self.pictures and self.pictures.folder):
            raise RecipeError("[items.columns] maps picture: name the folder with the files in [pictures].")
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
        if events.optional:
            raise RecipeError("[events] must not be optional: without them there is no shop.")
        if "currency" in events.columns and not self.currency:
            raise RecipeError('[events.columns] maps currency: say which one is the shop\'s, e.g. currency = "EUR".')

    def _check_rates(self) -> None:
        first, *further = self.events
        if any(events.rate_table for events in further):
            raise RecipeError("[events.rate_table] must stand in the first [[events]]; it holds for all.")
        if first.rate_table is None:
            return
        if any(events.rates for events in self.events):
            raise RecipeError("Give rates (whatever the day) or rate_table (by day), and not both.")
        if "currency" not in self.event_columns:
            raise RecipeError("[events.rate_table] needs each row's currency: map `currency` in [events.columns].")
        if not self.has_time:
            raise RecipeError("[events.rate_table] needs the days of events: map `timestamp` in [events.columns].")

    @property
    def rate_table(self) -> RateTable | None:
        """The exchange rates by day, or None."""
        return self.events[0].rate_table

    @property
    def sections(self) -> dict[str, tuple[TableSource, ...]]:
        """The sections of each table, in the order in which its files are listed; several of the events alone."""
        others = {name: (getattr(self, name),) for name in _OTHER_TABLES}
        return {"events": self.events, **others, **({"rates": (self.rate_table,)} if self.rate_table else {})}

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


def _check_day(name: str, day: str) -> None:
    try:
        datetime.date.fromisoformat(day)
    except ValueError:
        raise RecipeError(f"[sale_days] {name!r} must list dates such as 2025-07-01; got {day!r}.") from None
