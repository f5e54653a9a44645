"""Makes versions with other merchandising rules from published ones, in seconds: their graphs and weights stay."""

import dataclasses
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tfrec.client.best_sellers import FILE, read_best_sellers
from tfrec.features.rule_tables import RULES_FILE, RuleTables
from tfrec.publish import LAST_VERSION, clear_stale, publishing, take_version
from tfrec.release.certificate import CERTIFICATE, hash_files, read_certificate
from tfrec.release.certify import minute_now
from tfrec.release.place import VERSION_FOLDER
from tfrec.serving.models_config import FALLBACK
from tfrec.serving.saved_model import ABOUT

_REWRITTEN = (RULES_FILE, ABOUT, CERTIFICATE, FILE)


def publish_rules(
    models: Path, names: Sequence[str], version: int, rules: RuleTables, *, item_ids: Sequence[str]
) -> int:
    """Publishes the next version of servables, which differs from `version` by its rules alone, and returns its number.

    Files that stay are links to those of the old version where the file system has links. The certificate's queries are
    asked before all rules, so that its answers stay too.

    Args:
        models: folder of servables.
        names: servables that share their version numbers.
        version: number of the version that is copied.
        rules: the rules.
        item_ids: `[N]` items of the catalogue that both were made of.

    Raises:
        ServingError: the version was exported without a place for rules.
    """
    memory = f"{LAST_VERSION}_{FALLBACK}" if FALLBACK in names else LAST_VERSION
    number = take_version(models, names, memory=memory)
    for name in names:
        clear_stale(models / name)
        old = models / name / str(version)
        with publishing(models / name / str(number), VERSION_FOLDER, is_new=True) as work:
            _link(old, work)
            _fill(work, old, number, rules, item_ids)
    return number


def has_place_for_rules(folder: Path) -> bool:
    """Returns whether a version of `shop` or `fallback` was exported by a release that knows rules."""
    return (folder / RULES_FILE).is_file()


def _fill(work: Path, old: Path, number: int, rules: RuleTables, item_ids: Sequence[str]) -> None:
    """Writes what differs from the old version: rules, number, best sellers withheld, certificate."""
    about = json.loads((old / ABOUT).read_text(encoding="utf-8"))
    (work / ABOUT).write_text(json.dumps({**about, "version": number}, indent=2), encoding="utf-8")
    certificate = read_certificate(old)
    if has_place_for_rules(old):
        (work / RULES_FILE).write_bytes(rules.to_bytes())
        withheld = (
            item for item, is_withheld in zip(item_ids, rules.withheld(minute_now())[1:], strict=True) if is_withheld
        )
        sellers = read_best_sellers(old / FILE)
        sellers = dataclasses.replace(sellers, version=number, withheld=frozenset(withheld))
        (work / FILE).write_text(sellers.to_json(), encoding="utf-8")
    certificate = dataclasses.replace(certificate, version=number, files=hash_files(work))
    (work / CERTIFICATE).write_text(certificate.to_json(), encoding="utf-8")


def _link(old: Path, work: Path) -> None:
    """Puts the files that stay into a new version's folder."""
    for file in sorted(old.rglob("*")):
        name = file.relative_to(old)
        if file.is_dir():
            (work / name).mkdir(exist_ok=True)
        elif name not in _REWRITTEN and not name.name.startswith("."):
            try:
                os.link(file, work / name)
            except OSError:
                shutil.copy2(file, work / name)
