"""Turns located raw files into the files of a prepared folder."""

import logging
import shutil
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd
from tqdm import tqdm

from tfrec.errors import SourceError
from tfrec.ingest.cleaning import merge_order_lines
from tfrec.ingest.events import CheckedEvents, check_events, user_columns
from tfrec.ingest.extras import copy_extras, copy_truth, write_pictures
from tfrec.ingest.facts import read_facts
from tfrec.ingest.items import complete_items, items_from_events, read_catalogue
from tfrec.ingest.notes import Note
from tfrec.ingest.pictures import read_pictures
from tfrec.ingest.prepared import FORMAT_VERSION, Manifest, SourceFile, write_manifest
from tfrec.ingest.raw_files import RawFiles
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.rejected import (
    count_reasons,
    describe_incomplete,
    describe_rejected,
    describe_unreadable,
    write_rejected,
)
from tfrec.ingest.relations import read_relations
from tfrec.ingest.sources import FILE, ROW
from tfrec.ingest.splits import find_moments, keep_orders_whole
from tfrec.ingest.users import complete_users, read_register, users_from_events
from tfrec.schema.tables import EVENT_COLUMNS

logger = logging.getLogger(__name__)

_STEPS = ("catalogue", "events", "split", "items and users", "extras", "done")


def write_shop(
    recipe: Recipe,
    files: RawFiles,
    folder: Path,
    *,
    until: pd.Timestamp | None,
    sources: tuple[SourceFile, ...],
    fingerprint: str,
) -> Manifest:
    """Writes the prepared shop into the empty `folder`; returns its manifest, which is written last.

    Args:
        recipe: what the raw files mean.
        files: where they are.
        folder: work folder; tables in between lie in it and are gone at the end.
        until: end of training in UTC, or None for the recipe's.
        sources: description of the files, for the manifest.
        fingerprint: for the manifest.

    Raises:
        RecipeError: the split leaves nothing to train on.
        SourceError: a file cannot be read, or no row of it is good.
    """
    scratch = folder / "scratch"
    scratch.mkdir()
    connection = ibis.duckdb.connect(scratch / "tables.duckdb")
    try:
        manifest = _write_tables(
            connection, recipe, files, folder, scratch=scratch, until=until, sources=sources, fingerprint=fingerprint
        )
    finally:
        connection.disconnect()
    shutil.rmtree(scratch)
    write_manifest(folder, manifest)
    return manifest


def _write_tables(
    connection: ibis.BaseBackend,
    recipe: Recipe,
    files: RawFiles,
    folder: Path,
    *,
    scratch: Path,
    until: pd.Timestamp | None,
    sources: tuple[SourceFile, ...],
    fingerprint: str,
) -> Manifest:
    progress = tqdm(total=len(_STEPS) - 1, desc=_STEPS[0], unit="step", delay=2.0, disable=None)
    pictures = read_pictures(files.pictures) if files.pictures else None
    num_images = write_pictures(pictures, folder)
    catalogue = read_catalogue(connection, recipe, files.items, num_images=num_images, scratch=scratch)
    register = read_register(connection, recipe, files.users, key=files.key, scratch=scratch)
    facts = read_facts(connection, recipe, files.facts, scratch=scratch)
    relations = read_relations(connection, recipe, files.relations, key=files.key, scratch=scratch)

    _step(progress)
    known_items = catalogue.table if catalogue else None
    events = check_events(connection, recipe, files.events, catalogue=known_items, key=files.key, scratch=scratch)
    events_rejected = _rejected_events(events, recipe, files)
    rejected = count_reasons(events_rejected)
    kept = _count(events.checked.filter(events.checked["reason"].isnull()))
    if kept == 0:
        hints = "".join(f" {note.text}" for note in events.notes if not note.code.startswith("most_frequent"))
        raise SourceError(
            f"{', '.join(map(str, files.events))}: not one of {sum(rejected.values()):,} rows is good ({rejected}). "
            f"Correct [clean] or [events] in the recipe.{hints}"
        )

    _step(progress)
    good = events.good
    moments = find_moments(good, recipe.split, until=until, time_zone=recipe.events.time_zone, has_time=recipe.has_time)
    boundary = ibis.literal(moments.test_from.to_pydatetime()).cast("timestamp")
    split_notes: list[Note] = []
    if until is None:  # else training is what was known at that moment, whatever the log holds of later
        good, split_notes = keep_orders_whole(good, test_from=moments.test_from)
    if recipe.clean.duplicates == "merge":
        good = merge_order_lines(good, boundary=moments.test_from)
    training, test = good.filter(good["timestamp"] < boundary), good.filter(good["timestamp"] >= boundary)
    _write_events(training, folder / "events.parquet")
    _write_events(test, folder / "test_events.parquet")

    _step(progress)
    items = items_from_events(training, recipe, train_end=moments.test_from)
    users = users_from_events(training)
    items = complete_items(catalogue.table, items) if catalogue else items
    users = complete_users(register.table, users) if register else users
    items.to_parquet(folder / "items.parquet", index=False)
    users.to_parquet(folder / "users.parquet", index=False)
    for name, table in (("facts", facts), ("relations", relations)):
        if table:
            table.table.to_parquet(folder / f"{name}.parquet", index=False)
    checked = (catalogue, register, facts, relations)
    others_rejected = [part for table in checked if table for part in table.rejected]
    write_rejected([*events_rejected, *others_rejected], folder / "rejected.parquet")
    incomplete = [
        describe_incomplete(events.raw, events.checked, table="events", hidden=_hidden(recipe, files)),
        *(part for table in checked if table for part in table.incomplete),
    ]
    write_rejected(incomplete, folder / "incomplete.parquet")

    _step(progress)
    extras = copy_extras(files.extras, folder, key=files.key, user_column="".join(user_columns(recipe)[:1]))
    copy_truth(files.truth, folder)
    _step(progress)
    progress.close()
    return Manifest(
        format_version=FORMAT_VERSION,
        recipe=recipe.name,
        fingerprint=fingerprint,
        sources=sources,
        time_zone=recipe.events.time_zone,
        has_time=recipe.has_time,
        test_from=moments.test_from.isoformat(),
        validation_from=moments.validation_from.isoformat(),
        until=until.isoformat() if until is not None else "",
        currency=recipe.currency,
        rows=kept + sum(rejected.values()),
        kept=kept,
        merged=kept - _count(good),
        rejected=rejected,
        catalogue_rejected=count_reasons(others_rejected),
        train_events=_count(training),
        test_events=_count(test),
        train_orders=_num_orders(training),
        test_orders=_num_orders(test),
        users=len(users),
        items=len(items),
        images=num_images,
        extras=extras,
        description=recipe.description,
        source_url=recipe.source_url,
        licence=recipe.licence,
        facts=len(facts.table) if facts else 0,
        relations=len(relations.table) if relations else 0,
        incomplete=count_reasons(incomplete),
        notes=(*events.notes, *split_notes, *(note for table in checked if table for note in table.notes)),
    )


def _rejected_events(events: CheckedEvents, recipe: Recipe, files: RawFiles) -> list[ir.Table]:
    hidden = _hidden(recipe, files)
    return [
        describe_rejected(events.raw, events.checked, table="events", hidden=hidden),
        *describe_unreadable(events.unreadable, table="events", is_hidden=bool(hidden)),
    ]


def _hidden(recipe: Recipe, files: RawFiles) -> tuple[str, ...]:
    """Returns the raw columns with user ids, where these appear under pseudonyms."""
    return tuple(user_columns(recipe)) if files.key else ()


def _write_events(events: ir.Table, path: Path) -> None:
    events.order_by("timestamp", FILE, ROW).select(*EVENT_COLUMNS).to_parquet(path)


def _count(table: ir.Table) -> int:
    return int(table.count().execute())


def _num_orders(events: ir.Table) -> int:
    return int(events.filter(events["order_id"] != "")["order_id"].nunique().execute())


def _step(progress: tqdm) -> None:
    progress.update()
    progress.set_description(_STEPS[int(progress.n)])
