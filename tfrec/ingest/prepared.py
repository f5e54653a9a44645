"""Reads a prepared shop: checked tables before and after the split, pictures, and the manifest with their origin."""

import dataclasses
import datetime
import difflib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec.errors import SourceError
from tfrec.ingest.return_counts import UNMATCHED, ReturnCounts
from tfrec.ingest.table_counts import TableCounts
from tfrec.publish import FolderKind
from tfrec.schema.calendar import ShopCalendar
from tfrec.schema.event_types import RETURN
from tfrec.schema.tables import (
    FACT_COLUMNS,
    IMPRESSION_COLUMNS,
    RELATION_COLUMNS,
    RETURN_COLUMNS,
    Tables,
    empty_table,
)
from tfrec.sources.notes import Note

FORMAT_VERSION = 3
"""Raised whenever the layout or meaning of a prepared folder changes; older folders must be prepared again."""

MANIFEST = "manifest.json"
PREPARED = FolderKind(
    "a prepared shop",
    mark=MANIFEST,
    keys=frozenset({"format_version", "recipe", "fingerprint", "sources"}),
    files=(
        *(
            f"{table}.parquet"
            for table in ("events", "test_events", "items", "users", "facts", "relations", "rejected")
        ),
        *("images.npy", MANIFEST, "truth/config.json", "truth/dirt.json", "truth/policies.json"),
        *(
            f"truth/{table}.csv"
            for table in (
                *("complements", "substitutes", "upgrades", "segments", "styles"),
                *("transitions", "discounts", "uplift", "cold_items"),
            )
        ),
    ),
    names_in="extras",
)
"""The files are those of releases that did not list them in the folder itself."""

_RETURNED = (RETURN, UNMATCHED, "quantity below 0")
"""Reasons of rows that take purchases back."""

_HOW = "Make one with: tfrec prepare RECIPE --out {path}"


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """A raw file as it was read."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Contents and origin of a prepared folder; moments are ISO texts in UTC.

    Attributes:
        format_version: version of the folder's layout.
        recipe: the recipe's name.
        fingerprint: equal when recipe, files, `until` and code are equal.
        sources: the raw files.
        time_zone: the shop's clock.
        has_time: False where the log had no times and the split is random (see `splits.add_clock`).
        test_from: end of training and start of test.
        validation_from: start of the validation period inside training.
        until: the moment that `--until` named, or empty.
        currency: currency of all prices.
        rows: event rows read.
        kept: events after cleaning, before merging.
        merged: events that went into another one (see `Cleaning.duplicates`).
        rejected: reason → rows of events set aside; `rows = kept + sum(rejected)`.
        excluded: the part of `rejected` that the recipe's own rules leave out; empty in a folder of an earlier release.
        catalogue_rejected: reason → rows of catalogue, users, facts and relations files set aside.
        train_events: events in `events.parquet`.
        test_events: events in `test_events.parquet`.
        train_orders: orders in training.
        test_orders: orders in test.
        users: rows in `users.parquet`.
        items: rows in `items.parquet`.
        images: pictures in `images.npy`.
        extras: names of the copied extra tables.
        description: what the data is.
        source_url: where the original comes from.
        licence: licence of the data.
        facts: rows in `facts.parquet`, which is there only where the recipe names such files.
        relations: rows in `relations.parquet`, likewise.
        incomplete: reason → rows that stay without one of their values, listed in `incomplete.parquet`.
        notes: what was seen in the raw files that their owner should know.
        impressions: rows in `impressions.parquet`, which is there only where the recipe names such files.
        embeddings: numbers of each item's vector in `embeddings.npy`; 0 = there is none.
        tables: table → its rows: what was read is what was kept and what was set aside. Empty in a folder of an earlier
            release.
        returns: what took purchases back; the purchases are in `returns.parquet`, which is there only where there are
            any. None in a folder of an earlier release.
        country: country of the shop, two letters; "" unknown.
        sale_days: the shop's own sales, name → days.
        scrubbed: `column: kind` → rows out of whose free text a mail address or phone number was taken.
        key_check: check word of the key of pseudonyms, `""` where ids are plain; see `verify_key`.
        robots: visitors in `robots.parquet`, whose events are set aside.
    """

    format_version: int
    recipe: str
    fingerprint: str
    sources: tuple[SourceFile, ...]
    time_zone: str
    has_time: bool
    test_from: str
    validation_from: str
    until: str
    currency: str
    rows: int
    kept: int
    merged: int
    rejected: dict[str, int]
    catalogue_rejected: dict[str, int]
    train_events: int
    test_events: int
    train_orders: int
    test_orders: int
    users: int
    items: int
    images: int
    extras: dict[str, str]
    description: str
    source_url: str
    licence: str
    facts: int = 0
    relations: int = 0
    incomplete: dict[str, int] = dataclasses.field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    returns: ReturnCounts | None = None
    excluded: dict[str, int] = dataclasses.field(default_factory=dict)
    country: str = ""
    sale_days: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    impressions: int = 0
    embeddings: int = 0
    tables: dict[str, TableCounts] = dataclasses.field(default_factory=dict)
    scrubbed: dict[str, int] = dataclasses.field(default_factory=dict)
    key_check: str = ""
    robots: int = 0

    @property
    def returned(self) -> dict[str, int]:
        """The part of `rejected` that takes purchases back, as far as no rule of the recipe leaves it out."""
        return {reason: n for reason, n in self.rejected.items() if reason in _RETURNED and reason not in self.excluded}

    @property
    def faulty(self) -> dict[str, int]:
        """The part of `rejected` that cannot be used: unreadable, incomplete, impossible or repeated rows."""
        others = {*self.excluded, *self.returned}
        return {reason: n for reason, n in self.rejected.items() if reason not in others}

    @property
    def calendar(self) -> ShopCalendar:
        """The shop's clock, country and own sales."""
        days = {name: tuple(map(datetime.date.fromisoformat, dates)) for name, dates in self.sale_days.items()}
        return ShopCalendar(self.time_zone, self.country, self.currency, days)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A prepared shop.

    Attributes:
        path: its folder.
        manifest: contents and origin.
        train: events and returns strictly before `test_from`, items, users, facts and relations.
        test: events and returns from `test_from` on, for evaluation alone; all else the same.
        images: uint8 `[n, H, W]` or `[n, H, W, C]`, row = `items.image_index`; None where there are no pictures.
        embeddings: float32 `[N, d]`, a row an item, NaN where an item has no vector; None where none has one.
    """

    path: Path
    manifest: Manifest
    train: Tables
    test: Tables
    images: np.ndarray | None
    embeddings: np.ndarray | None = None

    @property
    def test_from(self) -> pd.Timestamp:
        """First moment of the test period, UTC."""
        return pd.Timestamp(self.manifest.test_from).as_unit("us")

    @property
    def validation_from(self) -> pd.Timestamp:
        """First moment of the validation period, which ends at `test_from`, UTC."""
        return pd.Timestamp(self.manifest.validation_from).as_unit("us")

    @property
    def calendar(self) -> ShopCalendar:
        """The shop's clock."""
        return self.manifest.calendar

    @property
    def impressions(self) -> pd.DataFrame:
        """What was shown, by time, before and after `test_from`: `IMPRESSION_COLUMNS`, none where no log has it.

        Read when asked for, as no model needs it and it is the largest table of many shops.
        """
        has_any = self.manifest.impressions > 0
        return _read(self.path, "impressions") if has_any else empty_table(IMPRESSION_COLUMNS)

    @property
    def truth(self) -> Path | None:
        """Folder with the known truth of a generated shop; None for a real one."""
        folder = self.path / "truth"
        return folder if folder.is_dir() else None

    def extra(self, name: str) -> Path:
        """Returns the file of an extra table that the recipe names.

        Raises:
            SourceError: the recipe names no such table.
        """
        if name not in self.manifest.extras:
            names = ", ".join(self.manifest.extras) or "none"
            raise SourceError(
                f"{self.path} has no extra table {name!r} (it has: {names}). Name it in the recipe's [extras]."
            )
        return self.path / self.manifest.extras[name]


def read_prepared(path: str | Path) -> Prepared:
    """Returns the shop prepared in the folder `path`.

    Raises:
        SourceError: there is no prepared shop, or one of another format version; says what to run.
    """
    path = Path(path)
    manifest = read_manifest(path)
    items = _read(path, "items")
    users = _read(path, "users")
    others = {
        name: _read(path, name) if (path / f"{name}.parquet").is_file() else empty_table(columns)
        for name, columns in (("facts", FACT_COLUMNS), ("relations", RELATION_COLUMNS), ("returns", RETURN_COLUMNS))
    }
    returns = others.pop("returns")
    calendar = manifest.calendar
    is_late = returns["timestamp"] >= pd.Timestamp(manifest.test_from)
    images, embeddings = path / "images.npy", path / "embeddings.npy"
    return Prepared(
        path=path,
        manifest=manifest,
        train=Tables(_read(path, "events"), items, users, returns=returns[~is_late], calendar=calendar, **others),
        test=Tables(_read(path, "test_events"), items, users, returns=returns[is_late], calendar=calendar, **others),
        images=np.load(images, mmap_mode="r") if images.is_file() else None,
        embeddings=np.load(embeddings, mmap_mode="r") if embeddings.is_file() else None,
    )


def read_items_and_users(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the items and the users of the prepared folder `path`, without its events.

    Raises:
        SourceError: as `read_prepared`.
    """
    read_manifest(path)
    return _read(path, "items"), _read(path, "users")


def read_manifest(path: Path) -> Manifest:
    """Returns the manifest of the prepared folder `path`.

    Raises:
        SourceError: as `read_prepared`.
    """
    how = _HOW.format(path=path)
    if not path.is_dir():
        raise SourceError(f"There is no folder {path}.{_nearest(path)} {how}")
    try:
        content = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        version = content["format_version"]
    except FileNotFoundError:
        raise SourceError(f"{path} is no prepared shop: it has no {MANIFEST}. {how}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path / MANIFEST} is damaged ({error!r}). {how}") from error
    if version != FORMAT_VERSION:
        raise SourceError(
            f"{path} was prepared in format {version}; this program reads format {FORMAT_VERSION}. "
            f"Prepare it again: tfrec prepare {content.get('recipe', 'RECIPE')} --out {path}"
        )
    try:
        sources = tuple(SourceFile(**source) for source in content.pop("sources"))
        notes = tuple(Note(**note) for note in content.pop("notes"))
        returned = content.pop("returns", None)
        returns = ReturnCounts(**returned) if returned is not None else None
        tables = {name: TableCounts(**counts) for name, counts in content.pop("tables", {}).items()}
        return Manifest(**content, sources=sources, notes=notes, returns=returns, tables=tables)
    except (KeyError, TypeError) as error:
        raise SourceError(f"{path / MANIFEST} is damaged ({error!r}). {how}") from error


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Writes `manifest.json` into the folder `path`."""
    text = json.dumps(dataclasses.asdict(manifest), indent=2, ensure_ascii=False)
    (path / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _read(path: Path, table: str) -> pd.DataFrame:
    file = path / f"{table}.parquet"
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise SourceError(f"{file} cannot be read ({error}). {_HOW.format(path=path)}") from error


def _nearest(path: Path) -> str:
    parent = path.absolute().parent
    names = [entry.name for entry in parent.iterdir() if (entry / MANIFEST).is_file()] if parent.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1)
    return f" Did you mean {path.parent / close[0]}?" if close else ""
