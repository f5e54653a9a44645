"""Turns raw files of any kind into a drafted recipe."""

import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import ibis

from tfrec.errors import SourceError
from tfrec.layouts.baskets import recognise_baskets
from tfrec.layouts.catalogues import find_key, ids_of, propose_catalogue
from tfrec.layouts.databases import find_tables, is_database
from tfrec.layouts.draft import Draft, Part
from tfrec.layouts.found_files import find_files
from tfrec.layouts.generic import propose_events
from tfrec.layouts.heads import find_log
from tfrec.layouts.layout import Recognised, recognise
from tfrec.layouts.names import plain_letters
from tfrec.layouts.picture_folders import propose_pictures
from tfrec.layouts.raw_files import RawFiles, read_raw_files
from tfrec.layouts.registry import LAYOUTS
from tfrec.layouts.title_categories import with_title_categories
from tfrec.sources import Workspace

_UNFIT = "Its columns fit no table of the recipe."


def propose_recipe(paths: Sequence[Path | str], *, name: str = "") -> Draft:
    """Returns a recipe for raw files or tables of a database: of a known layout, or by names and values of columns.

    Args:
        paths: files, folders, zip archives, and URLs of databases (see `find_tables`).
        name: name of the shop; else made of the first path.

    Raises:
        RecipeError: a URL holds a password.
        SourceError: a database cannot be read, a path does not exist or is empty, or there is no log and no catalogue.
    """
    with _workspace() as workspace:
        files = [Path(path) for path in paths if not is_database(str(path))]
        found = find_files(files, scratch=workspace.scratch)
        left_out: list[tuple[str, str]] = []
        signs = [layout.signs for layout in LAYOUTS]
        for at, url in enumerate(path for path in map(str, paths) if is_database(path)):
            (folder := workspace.scratch / f"database_{at}").mkdir()
            rows, without = find_tables(url, scratch=folder, layouts=signs)
            found += rows
            left_out += without
        baskets = recognise_baskets(found)
        if baskets is not None:
            tables, failed = read_raw_files(baskets.unused, workspace) if baskets.unused else ([], [])
            parts = [baskets.part]
            ids = ibis.memtable({"id": baskets.items}, schema=ibis.schema({"id": "string"}))
            left = _take(tables, parts, ids, what="item") if baskets.items else tables
            unused_tables = [(table, _UNFIT) for table in left]
        else:
            tables, failed = read_raw_files(found, workspace)
            parts, unused_tables = _propose_parts(files, tables)
        unused = (
            *left_out,
            *((file.shown, reason) for file, reason in failed),
            *((file.shown, reason) for table, reason in unused_tables for file in table.files),
        )
        return with_title_categories(Draft(name or name_of(paths), tuple(parts), unused))


def name_of(paths: Sequence[Path | str]) -> str:
    """Returns a name of a shop made of a path: `Orders 2024.csv.gz` gives `orders_2024`, a URL its database's."""
    first = str(paths[0]) if paths else ""
    if is_database(first):
        first = first.partition("#")[0].partition("?")[0].rpartition("/")[2].replace("$", "")
    stem = Path(first).resolve().name.split(".")[0] if first else ""
    words = re.findall(r"[a-z0-9]+", plain_letters(stem))
    return "_".join(words) or "my_shop"


@contextlib.contextmanager
def _workspace() -> Iterator[Workspace]:
    with tempfile.TemporaryDirectory(prefix="tfrec-init-") as folder:
        scratch = Path(folder)
        connection = ibis.duckdb.connect(scratch / "tables.duckdb")
        try:
            yield Workspace(connection, scratch)
        finally:
            connection.disconnect()


def _propose_parts(paths: Sequence[Path], tables: Sequence[RawFiles]) -> tuple[list[Part], list[tuple[RawFiles, str]]]:
    """Returns the parts of the recipe, and the tables that play no part in it, each with the reason."""
    left = [*tables]
    parts: list[Part] = []
    lines: RawFiles | None = None
    events = recognise([layout for layout in LAYOUTS if layout.table == "events"], left)
    catalogue = recognise([layout for layout in LAYOUTS if layout.table == "items"], left)
    if events is not None and _is_surer(events, catalogue):
        parts.append(events.propose())
        left = _without(left, events.roles)
        lines = _table_of_items(parts[0], [*events.roles.values()])
    elif (
        log := find_log([table for table in left if catalogue is None or table not in catalogue.roles.values()])
    ) is not None:
        parts.append(propose_events(log.lines, log.roles, joins=log.joins))
        left = [table for table in left if not any(table is used for used in log.used)]
        lines = log.lines
    catalogue = recognise([layout for layout in LAYOUTS if layout.table == "items"], left)
    if catalogue is not None:
        parts.append(catalogue.propose())
        left = _without(left, catalogue.roles)
    ids = ids_of(lines, _item_names(parts[0])) if lines is not None else None
    if catalogue is None and left:
        left = _take(left, parts, ids, what="item")
    if lines is not None and left:
        users = _mapped(parts[0], "user_id")
        if users and users[0] in lines.columns:
            left = _take(left, parts, ids_of(lines, users), what="user")
    if ids is not None and (pictures := propose_pictures(paths, ids)) is not None:
        parts.append(pictures)
    if not parts:
        nameless = next((table for table in tables if not table.has_header), None)
        if nameless is not None:
            raise SourceError(
                f"The first line of {nameless.shown} holds values, so that its {len(nameless.columns)} columns have no "
                "names to guess by. Put a line with names above it, or write the recipe by hand with "
                'header = ["order", "sku", ...] in [events]: docs/recipes.md.'
            )
        columns = "; ".join(f"{table.shown}: {', '.join(table.columns[:20])}" for table in tables[:5])
        raise SourceError(
            f"No table holds orders, events or a catalogue. Columns of {columns}. Name the files of a shop's orders, "
            "or write the recipe by hand: docs/recipes.md."
        )
    return parts, [(table, _UNFIT) for table in left]


def _is_surer(events: Recognised, catalogue: Recognised | None) -> bool:
    shared = catalogue is not None and any(table in catalogue.roles.values() for table in events.roles.values())
    return not shared or catalogue is None or events.certainty >= catalogue.certainty


def _without(tables: Sequence[RawFiles], roles: Mapping[str, RawFiles]) -> list[RawFiles]:
    return [table for table in tables if not any(table is used for used in roles.values())]


def _take(tables: Sequence[RawFiles], parts: list[Part], ids: ibis.Table | None, *, what: str) -> list[RawFiles]:
    """Adds the part of the table that holds most of the ids; returns the other tables."""
    ranked = sorted(tables, key=lambda table: -find_key(table, ids)[1])
    for table in ranked:
        part = propose_catalogue(table, ids, what=what)
        if part is not None:
            parts.append(part)
            return [other for other in tables if other is not table]
    return [*tables]


def _table_of_items(part: Part, tables: Sequence[RawFiles]) -> RawFiles | None:
    names = _item_names(part)
    return next((table for table in tables if names and table.has(names[0])), None)


def _item_names(part: Part) -> list[str]:
    return _mapped(part, "item_id")


def _mapped(part: Part, column: str) -> list[str]:
    """Returns the raw columns that a part maps to a column of the events."""
    for section in part.tables:
        if section.title == "events.columns":
            for entry in section.entries:
                if entry.key == column and not entry.is_open:
                    value = entry.value["first_of"] if isinstance(entry.value, Mapping) else entry.value
                    return [value] if isinstance(value, str) else [*value]
    return []
