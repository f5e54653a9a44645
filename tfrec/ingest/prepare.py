"""Turns a recipe into a prepared folder: read, check, clean, cut, split, publish."""

import logging
import shutil
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.errors import SourceError
from tfrec.ingest.catalogue import read_items, read_users
from tfrec.ingest.events import check_events
from tfrec.ingest.fingerprints import describe_files, fingerprint
from tfrec.ingest.prepared import (
    FORMAT_VERSION,
    Manifest,
    Prepared,
    SourceFile,
    read_manifest,
    read_prepared,
    write_manifest,
)
from tfrec.ingest.privacy import key_check
from tfrec.ingest.raw_files import RawFiles, locate_files
from tfrec.ingest.recipes import RecipeFile, find_recipe, read_recipe
from tfrec.ingest.rejected import count_reasons, describe_rejected, describe_unreadable, write_rejected
from tfrec.ingest.sources import FILE, ROW
from tfrec.ingest.splits import find_moments
from tfrec.ingest.timestamps import moment_in_utc
from tfrec.publish import publishing
from tfrec.schema.tables import EVENT_COLUMNS

log = logging.getLogger(__name__)

_ROW_GROUP = 1 << 17


def prepare_shop(
    recipe: str | Path,
    out: str | Path,
    *,
    until: str | None = None,
    data_home: str | Path | None = None,
    force: bool = False,
) -> Prepared:
    """Returns the shop that `recipe` describes, prepared in the folder `out`.

    The folder appears in one step when all is done; an interruption leaves what was there before. When it is already
    there from equal recipe, files and `until`, it is reused.

    Args:
        recipe: name or path, see `find_recipe`.
        out: folder to be written.
        until: nothing from this moment on enters training (a date is midnight on the shop's clock); takes the place of
            the recipe's `test_from`.
        data_home: folder with the raw files; else `TFREC_DATA_HOME`, else the recipe's folder.
        force: prepare again even if nothing changed.

    Raises:
        RecipeError: the recipe is not understood, or its split leaves nothing to train on.
        SourceError: a raw file is missing, empty, of another format, or more than half of its dates cannot be read.
    """
    out = Path(out)
    written = read_recipe(find_recipe(recipe))
    end = moment_in_utc(until, time_zone=written.recipe.events.time_zone) if until else None
    files = locate_files(written, data_home=Path(data_home) if data_home is not None else None)
    known = _manifest_or_none(out)
    sources = describe_files(files.all, known=known.sources if known else ())
    dials = {"until": str(end or ""), "key": key_check(files.key) if files.key else ""}
    mark = fingerprint(written.text, sources, dials=dials)
    if known is not None and known.fingerprint == mark and not force:
        log.info("%s is up to date with %s; reused", out, written.path)
        return read_prepared(out)
    with publishing(out) as work:
        scratch = work / "scratch"
        scratch.mkdir()
        connection = ibis.duckdb.connect(scratch / "tables.duckdb")
        try:
            manifest = _write(connection, written, files, work, scratch=scratch, end=end, sources=sources, mark=mark)
        finally:
            connection.disconnect()
        shutil.rmtree(scratch)
        write_manifest(work, manifest)
    log.info("Prepared %s: %s", out, _summary(manifest))
    return read_prepared(out)


def _write(
    connection: ibis.BaseBackend,
    written: RecipeFile,
    files: RawFiles,
    work: Path,
    *,
    scratch: Path,
    end: pd.Timestamp | None,
    sources: tuple[SourceFile, ...],
    mark: str,
) -> Manifest:
    """Writes every table into `work` and returns the manifest."""
    recipe = written.recipe
    events = check_events(connection, recipe, files.events, key=files.key, scratch=scratch)
    hidden = _raw_names(recipe.events.columns["user_id"]) if files.key and "user_id" in recipe.events.columns else ()
    set_aside = [
        describe_rejected(events.raw, events.checked, table="events", hidden=hidden),
        *describe_unreadable(events.unreadable, table="events", is_hidden=bool(hidden)),
    ]
    rejected = count_reasons(set_aside)
    good = events.good
    kept = int(events.checked.filter(events.checked["reason"].isnull()).count().execute())
    if kept == 0:
        raise SourceError(
            f"{', '.join(map(str, files.events))}: not one of {sum(rejected.values()):,} rows is good ({rejected}). "
            "Correct [clean] or the columns in the recipe."
        )
    moments = find_moments(
        good["timestamp"].execute(),
        recipe.split,
        until=end,
        time_zone=recipe.events.time_zone,
        has_time=recipe.has_time,
    )
    boundary = ibis.literal(moments.test_from.to_pydatetime()).cast("timestamp")
    training, test = good.filter(good["timestamp"] < boundary), good.filter(good["timestamp"] >= boundary)
    log.info("Writing tables")
    _write_events(training, work / "events.parquet")
    _write_events(test, work / "test_events.parquet")
    items = read_items(connection, recipe, files.items, training, train_end=moments.test_from, scratch=scratch)
    users = read_users(connection, recipe, files.users, training, key=files.key, scratch=scratch)
    items.table.to_parquet(work / "items.parquet", index=False)
    users.table.to_parquet(work / "users.parquet", index=False)
    write_rejected([*set_aside, *items.rejected, *users.rejected], work / "rejected.parquet")
    return Manifest(
        format_version=FORMAT_VERSION,
        recipe=recipe.name,
        fingerprint=mark,
        sources=sources,
        time_zone=recipe.events.time_zone,
        has_time=recipe.has_time,
        test_from=moments.test_from.isoformat(),
        validation_from=moments.validation_from.isoformat(),
        until=end.isoformat() if end is not None else "",
        currency=recipe.currency,
        rows=kept + sum(rejected.values()),
        kept=kept,
        merged=kept - int(good.count().execute()),
        rejected=rejected,
        catalogue_rejected=count_reasons([*items.rejected, *users.rejected]),
        train_events=int(training.count().execute()),
        test_events=int(test.count().execute()),
        train_orders=_num_orders(training),
        test_orders=_num_orders(test),
        users=len(users.table),
        items=len(items.table),
        images=0,
        extras={},
        description=recipe.description,
        source_url=recipe.source_url,
        licence=recipe.licence,
    )


def _write_events(events: ir.Table, path: Path) -> None:
    events.order_by("timestamp", FILE, ROW).select(*EVENT_COLUMNS).to_parquet(path)


def _raw_names(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def _num_orders(events: ir.Table) -> int:
    return int(events.filter(events["order_id"] != "")["order_id"].nunique().execute())


def _manifest_or_none(out: Path) -> Manifest | None:
    try:
        return read_manifest(out)
    except SourceError:
        return None


def _summary(manifest: Manifest) -> str:
    return (
        f"{manifest.train_events:,} events of {manifest.users:,} users and {manifest.items:,} items in training, "
        f"{manifest.test_events:,} in test from {manifest.test_from}; "
        f"{sum(manifest.rejected.values()):,} of {manifest.rows:,} rows set aside"
    )
