"""Turns a recipe into a prepared folder: read, check, clean, cut, split, publish."""

import logging
from pathlib import Path

from tfrec.errors import SourceError
from tfrec.ingest.fingerprints import describe_files, fingerprint
from tfrec.ingest.prepared import PREPARED, Manifest, Prepared, read_manifest, read_prepared
from tfrec.ingest.privacy import key_check
from tfrec.ingest.raw_files import locate_files
from tfrec.ingest.recipes import find_recipe, read_recipe
from tfrec.ingest.timestamps import moment_in_utc
from tfrec.ingest.write_shop import write_shop
from tfrec.publish import check_folder, publishing

logger = logging.getLogger(__name__)


def prepare_shop(
    recipe: str | Path,
    out: str | Path,
    *,
    until: str | None = None,
    data_home: str | Path | None = None,
    force: bool = False,
    trust_times: bool = False,
) -> Prepared:
    """Returns the shop that `recipe` describes, prepared in the folder `out`.

    The folder appears in one step when all is done; an interruption leaves what was there before. When it is already
    there from equal recipe, files and `until`, it is reused.

    Args:
        recipe: name or path, see `find_recipe`.
        out: folder to be written.
        until: nothing from this moment on enters training (a date is midnight on the shop's clock); takes the place of
            the recipe's `test_from`.
        data_home: folder with the raw files; else `TFREC_DATA_HOME`, else the recipe's folder, or the current
            one for a recipe of the package.
        force: prepare again even if nothing changed.
        trust_times: a raw file of the same size and time as before is the same, and is not read to compare its content.

    Raises:
        RecipeError: the recipe is not understood, or its split leaves nothing to train on.
        SourceError: a raw file is missing, empty, of another format, or more than half of its dates cannot be read; or
            `out` holds what tfrec did not write there, or any of the raw files.
    """
    out = Path(out)
    written = read_recipe(find_recipe(recipe))
    end = moment_in_utc(until, time_zone=written.recipe.events.time_zone) if until else None
    files = locate_files(written, data_home=Path(data_home) if data_home is not None else None)
    inputs = [written.path, *files.all, *([Path(data_home)] if data_home is not None else [])]
    present = _manifest_or_none(out)
    if present is None:  # else it may be up to date, and nothing is written
        check_folder(out, PREPARED, inputs=inputs)
    sources = describe_files(files.all, known=present.sources if present and trust_times else ())
    settings = {"until": str(end or ""), "key": key_check(files.key) if files.key else ""}
    mark = fingerprint(written.text, sources, settings=settings)
    if present is not None and present.fingerprint == mark and not force:
        logger.info("%s is up to date with %s; reused", out, written.path)
        return read_prepared(out)
    with publishing(out, PREPARED, inputs=inputs) as work:
        manifest = write_shop(written.recipe, files, work, until=end, sources=sources, fingerprint=mark)
    logger.info("Prepared %s: %s", out, _summary(manifest))
    return read_prepared(out)


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
        f"{manifest.test_events:,} in test from {manifest.test_from}; {beside}"
        f"{sum(manifest.rejected.values()):,} of {manifest.rows:,} rows set aside"
    )
