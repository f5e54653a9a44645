"""Turns a recipe into a prepared folder in nine steps, from finding its files to describing what was written."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import ibis
from tqdm import tqdm

from tfrec.errors import EmptySourceError, SourceError
from tfrec.ingest.category_tree import CategoryPaths, read_category_paths
from tfrec.ingest.cleaning import merge_order_lines
from tfrec.ingest.events import events_specs, group_events
from tfrec.ingest.exchange_rates import rates_spec
from tfrec.ingest.extras import write_pictures
from tfrec.ingest.facts import facts_spec
from tfrec.ingest.fingerprints import describe_files, describe_rows, fingerprint
from tfrec.ingest.impressions import impressions_spec
from tfrec.ingest.items import (
    collect_embeddings,
    complete_items,
    items_from_events,
    items_spec,
    notes_of_sales,
)
from tfrec.ingest.mangled_ids import notes_of_zeros_in_catalogue
from tfrec.ingest.picture_folder import PictureRows, add_picture_rows, write_picture_folder
from tfrec.ingest.pictures import read_pictures
from tfrec.ingest.preparation import Preparation
from tfrec.ingest.prepared import (
    PREPARED,
    Manifest,
    Prepared,
    read_manifest,
    read_prepared,
    write_manifest,
)
from tfrec.ingest.privacy import key_check, verify_key
from tfrec.ingest.raw_files import locate_files
from tfrec.ingest.read_table import collect_table, read_table
from tfrec.ingest.recipes import RecipeFile, find_recipe, read_recipe
from tfrec.ingest.rejected import (
    CheckedTable,
    count_reasons,
)
from tfrec.ingest.relations import relations_spec
from tfrec.ingest.returns import collect_returns, count_returns, mark_unmatched, match_returns, notes_of_returns
from tfrec.ingest.set_robots_aside import set_robots_aside
from tfrec.ingest.splits import find_moments, keep_orders_whole
from tfrec.ingest.table_sizes import expected_bytes
from tfrec.ingest.table_spec import TableSpec
from tfrec.ingest.timestamps import moment_in_utc
from tfrec.ingest.title_notes import notes_of_titles
from tfrec.ingest.users import complete_users, users_from_events, users_spec
from tfrec.ingest.write_shop import describe_shop, write_files
from tfrec.publish import check_folder, publishing
from tfrec.sources.kept_tables import KeptTables, kept_folder
from tfrec.sources.notes import Note
from tfrec.sources.open_workspace import DUCKDB, check_engine, open_workspace
from tfrec.sources.sql_chunks import chunk_folder, forget_chunks

logger = logging.getLogger(__name__)

_COMPLETED = ("items", "users", "facts", "relations")
"""Tables that stay in memory; impressions may be many, and rates are of use to events alone."""


def prepare_shop(
    recipe: str | Path,
    out: str | Path,
    *,
    until: str | None = None,
    data_home: str | Path | None = None,
    force: bool = False,
    trust_times: bool = False,
    memory: str = "",
    engine: str = DUCKDB,
    describe: Callable[[Path], None] | None = None,
    announce: Callable[[str], None] = logger.info,
) -> Prepared:
    """Returns the shop that `recipe` describes, prepared in the folder `out`; see `prepare_folder`."""
    prepare_folder(
        recipe,
        out,
        until=until,
        data_home=data_home,
        force=force,
        trust_times=trust_times,
        memory=memory,
        engine=engine,
        describe=describe,
        announce=announce,
    )
    return read_prepared(out)


def prepare_folder(
    recipe: str | Path,
    out: str | Path,
    *,
    until: str | None = None,
    data_home: str | Path | None = None,
    force: bool = False,
    trust_times: bool = False,
    memory: str = "",
    engine: str = DUCKDB,
    describe: Callable[[Path], None] | None = None,
    announce: Callable[[str], None] = logger.info,
) -> Manifest:
    """Prepares the shop that `recipe` describes in the folder `out`, and returns its manifest.

    The folder appears in one step when all is done; an interruption leaves what was there before. When it is already
    there from equal recipe, files and `until`, it is reused. Else raw files that are as they were are not parsed
    again: what was read of them lies beside `out` (see `KeptTables`), and the result is that of a whole run.

    Args:
        recipe: name or path, see `find_recipe`.
        out: folder to be written.
        until: nothing from this moment on enters training (a date is midnight on the shop's clock); takes the place of
            the recipe's `test_from`.
        data_home: folder with the raw files; else `TFREC_DATA_HOME`, else the recipe's folder, or the current
            one for a recipe of the package.
        force: prepare again even if nothing changed, and read all files.
        trust_times: a raw file of the same size and time as before is the same, and is not read to compare its content.
        memory: what DuckDB may take, e.g. `4GB`; beyond, tables in between go to the disk. Else 80 % of the machine's.
            Spark's own settings decide on the memory of its driver and executors.
        engine: one of `ENGINES`: `duckdb` runs in this process, `spark` in the Spark application that Spark's own
            configuration names. The result is the same.
        describe: writes further files, such as a report, into a folder that was prepared and does not stand in its
            place yet; what was prepared before is still in `out`.
        announce: receives a line on which files were read, and why.

    Raises:
        ConfigError: `engine` is unknown.
        EnvironmentSetupError: Spark or Java is missing.
        RecipeError: the recipe is not understood, or its split leaves nothing to train on.
        SourceError: a raw file is missing, empty, of another format, or more than half of its dates cannot be read; or
            `out` holds what tfrec did not write there, or any of the raw files, or was prepared under another key of
            pseudonyms and `force` is not set.
    """
    check_engine(engine)
    out, home = Path(out), Path(data_home) if data_home is not None else None
    written = read_recipe(find_recipe(recipe))
    present = _manifest_or_none(out)
    shop = find_inputs(written, out, until=until, data_home=home, present=present, trust_times=trust_times)
    is_whole = present is not None and present.returns is not None  # earlier releases left returns out
    if present is not None and is_whole and present.fingerprint == shop.fingerprint and not force:
        logger.info("%s is up to date with %s; reused", out, written.path)
        return present
    if present is not None and not force and present.key_check:
        verify_key(shop.files.key, present.key_check, of=str(out))
    is_private = shop.files.key is not None
    kept = KeptTables(kept_folder(out), _contents(shop), is_fresh=force, is_private=is_private, recipe=written.text)
    with publishing(out, PREPARED, inputs=shop.inputs) as folder:
        manifest = _take_steps(shop, folder, memory=memory, kept=kept, engine=engine)
        if describe is not None:
            describe(folder)
    forget_chunks(chunk_folder(out))
    if summary := kept.summary():
        announce(summary)
    kept.sweep()
    logger.info("Prepared %s: %s", out, _summary(manifest))
    return manifest


def find_inputs(
    written: RecipeFile,
    out: Path,
    *,
    until: str | None,
    data_home: Path | None,
    present: Manifest | None,
    trust_times: bool,
) -> Preparation:
    """Finds the raw files of a recipe and computes their fingerprint (step 1); arguments as of `prepare_shop`.

    Args:
        written: the recipe.
        out: folder to be written; refused before files are read.
        until: end of training.
        data_home: folder with the raw files.
        present: manifest of what `out` holds, or None.
        trust_times: descriptions of files in `present` may be trusted.

    Raises:
        RecipeError: `until` is no date.
        SourceError: a raw file is missing, empty or unreadable, or `out` holds something else.
    """
    recipe = written.recipe
    end = moment_in_utc(until, time_zone=recipe.time_zone) if until else None
    files = locate_files(written, data_home=data_home, reading=chunk_folder(out))
    inputs = (
        written.path,
        *(file for file in files.all if isinstance(file, Path)),
        *([data_home] if data_home is not None else []),
    )
    if present is None:  # else it may be up to date, and nothing is written
        check_folder(out, PREPARED, inputs=inputs)
    described = describe_files(files.all, trusted=present.sources if present and trust_times else ())
    sources = (*described, *describe_rows(files.states))
    settings = {"until": str(end or ""), "key": key_check(files.key) if files.key else ""}
    if names := files.meant_names:
        settings["names"] = "\n".join(names)
    return Preparation(
        recipe=recipe,
        files=files,
        out=out,
        inputs=inputs,
        until=end,
        sources=sources,
        fingerprint=fingerprint(written.text, sources, settings=settings),
    )


def read_tables(shop: Preparation) -> Preparation:
    """Reads every table that has files, each by its spec (step 2).

    Pictures are written at once, as they need not stay in memory.

    Raises:
        SourceError: a file cannot be read.
    """
    recipe, files = shop.recipe, shop.files
    num_images = write_pictures(read_pictures(files.pictures), shop.folder) if files.pictures else 0
    pictures = PictureRows()
    if recipe.pictures and files.picture_folder:
        pictures = write_picture_folder(files.picture_folder, shop.folder / "images.npy", size=recipe.pictures.size)
        num_images = len(pictures.rows)
    tree = CategoryPaths()
    if recipe.items.category_tree is not None and files.category_tree is not None:
        tree = read_category_paths(recipe.items.category_tree, files.category_tree, shop.workspace)
    tables: dict[str, CheckedTable] = {}
    absent = dict(files.absent)

    def read(*specs: TableSpec) -> None:
        name = specs[0].name
        if name not in files.sources:
            return
        try:
            tables[name] = read_table(specs, files.sources[name], shop.workspace, key=files.key)
        except EmptySourceError as error:
            if not specs[0].section.may_lack(error):
                raise
            absent[name] = error

    read(items_spec(recipe, num_images=num_images, tree=tree, pictures=pictures))
    read(users_spec(recipe))
    read(facts_spec(recipe))
    read(relations_spec(recipe))
    if recipe.rate_table is not None:
        read(rates_spec(recipe, recipe.rate_table))
    read(*events_specs(recipe, rates=tables["rates"].good if "rates" in tables else None))
    read(impressions_spec(recipe))
    return shop.extended(
        tables=tables,
        absent=tuple(_note_of_absent(name, error) for name, error in absent.items()),
        images=num_images,
        picture_rows=pictures,
        category_paths=tree,
    )


def group_good_events(shop: Preparation) -> Preparation:
    """Cuts the good events into sessions and orders (step 3).

    Raises:
        SourceError: no event is good.
    """
    events = shop.tables["events"]
    good, further = group_events(events, shop.recipe, shop.workspace)
    notes = (*events.notes, *further)
    rejected, kept = count_reasons([events]), int(good.count().execute())
    if kept == 0:
        origin = ", ".join(source.origin for source in shop.files.sources["events"])
        hints = "".join(f" {note.text}" for note in notes if not note.code.startswith("most_frequent"))
        raise SourceError(
            f"{origin}: not one of {sum(rejected.values()):,} rows is good ({rejected}). "
            f"Correct [clean] or [events] in the recipe.{hints}"
        )
    return shop.extended(events=good, kept=kept, rejected=rejected, notes=notes)


def split_events(shop: Preparation) -> Preparation:
    """Splits the events by time, orders whole (step 4).

    Raises:
        RecipeError: the split leaves nothing to train on.
    """
    recipe, events = shop.recipe, shop.events
    moments = find_moments(events, recipe.split, until=shop.until, time_zone=recipe.time_zone, has_time=recipe.has_time)
    notes: list[Note] = []
    if shop.until is None:  # else training is what was known at that moment, whatever the log holds of later
        events, notes = keep_orders_whole(
            events, test_from=moments.test_from, workspace=shop.workspace, time_zone=recipe.time_zone
        )
    shop = shop.extended(notes=(*shop.notes, *notes), moments=moments)
    if recipe.clean.duplicates == "merge":
        events = merge_order_lines(events, boundary=moments.test_from)
    boundary = ibis.literal(moments.test_from.to_pydatetime()).cast("timestamp")
    return shop.extended(
        training=events.filter(events["timestamp"] < boundary),
        test=events.filter(events["timestamp"] >= boundary),
    )


def complete_tables(shop: Preparation) -> Preparation:
    """Completes items and users by what the training events know (step 6)."""
    frames = {name: collect_table(shop.tables[name]) for name in _COMPLETED if name in shop.tables}
    tree = shop.category_paths
    items = items_from_events(shop.training, shop.recipe, train_end=shop.moments.test_from, tree=tree)
    users = users_from_events(shop.training)
    items = complete_items(frames["items"], items) if "items" in frames else items
    learned: list[Note] = []
    if shop.recipe.items.category_from_title:
        from tfrec.ingest.title_categories import fill_categories  # scikit-learn takes long to import

        items, learned = fill_categories(items)
    upper_case = shop.recipe.clean.upper_case_ids
    frames["items"], notes = add_picture_rows(items, shop.picture_rows, upper_case=upper_case)
    embeddings = collect_embeddings(shop.tables.get("items"), frames["items"]["item_id"])
    frames["users"] = complete_users(frames["users"], users) if "users" in frames else users
    notes += notes_of_titles(shop.training)
    if "items" in shop.tables:
        both, catalogue = shop.training.union(shop.test), shop.tables["items"].good
        notes += notes_of_zeros_in_catalogue(both, catalogue, columns=shop.recipe.events[0].columns)
    notes = [*tree.notes, *learned, *notes, *notes_of_sales(frames["items"])]
    return shop.extended(frames=frames, embeddings=embeddings, notes=(*shop.notes, *notes))


def match_with_purchases(shop: Preparation) -> Preparation:
    """Matches returns with the purchases that they take back, which stay as they are (step 7)."""
    cleaning, events = shop.recipe.clean, shop.tables["events"]
    taken_back = collect_returns(events.rows, has_repeats=cleaning.duplicates != "reject")
    sold = shop.training.union(shop.test)
    may_differ = cleaning.duplicates == "merge" or shop.recipe.rate_table is not None
    returns, unmatched = match_returns(taken_back, sold, may_differ_in_price=may_differ)
    marked = mark_unmatched(events, unmatched, shop.workspace)
    rejected = shop.rejected if marked is events else count_reasons([marked])
    counts = count_returns(taken_back, returns)
    frames = {**shop.frames, "returns": returns} if len(returns) else shop.frames
    notes = notes_of_returns(counts, shop.rejected)
    return shop.extended(
        tables={**shop.tables, "events": marked},
        rejected=rejected,
        frames=frames,
        return_counts=counts,
        notes=(*shop.notes, *notes),
    )


STEPS: tuple[Callable[[Preparation], Preparation], ...] = (
    read_tables,
    group_good_events,
    split_events,
    set_robots_aside,
    complete_tables,
    match_with_purchases,
    write_files,
    describe_shop,
)
"""What follows `find_inputs`, in order."""


def _take_steps(shop: Preparation, folder: Path, *, memory: str, kept: KeptTables, engine: str) -> Manifest:
    """Writes the prepared shop into the empty `folder`; returns its manifest, which is written last."""
    scratch = folder / "scratch"
    scratch.mkdir()
    expected = expected_bytes(shop.files, shop.sources)
    with open_workspace(scratch, engine=engine, memory=memory, kept=kept, expected=expected) as workspace:
        shop = shop.extended(folder=folder, workspace=workspace)
        with tqdm(total=len(STEPS), unit="step", delay=2.0, disable=None) as progress:
            for step in STEPS:
                progress.set_description(step.__name__.replace("_", " "))
                shop = step(shop)
                progress.update()
    shutil.rmtree(scratch)
    write_manifest(folder, shop.manifest)
    return shop.manifest


def _contents(shop: Preparation) -> dict[str, str]:
    """Returns raw file → digest of its content."""
    files = shop.files.all
    return {str(file): source.sha256 for file, source in zip(files, shop.sources[: len(files)], strict=True)}


def _note_of_absent(table: str, error: EmptySourceError) -> Note:
    return Note("table_absent", 0, f"The shop was prepared without its table of {table}: {error}")


def _manifest_or_none(out: Path) -> Manifest | None:
    try:
        return read_manifest(out)
    except SourceError:
        return None


def _summary(manifest: Manifest) -> str:
    beside = f"{manifest.facts:,} facts; " if manifest.facts else ""
    beside += f"{manifest.relations:,} relations; " if manifest.relations else ""
    return (
        f"{manifest.train_events:,} events of {manifest.users:,} users and {manifest.items:,} items in training, "
        f"{manifest.test_events:,} in test from {manifest.calendar.moment_text(manifest.test_from)}; {beside}"
        f"{sum(manifest.rejected.values()):,} of {manifest.rows:,} rows set aside"
    )
