"""Puts other merchandising rules into service: a version in seconds, without training."""

import dataclasses
import time
from pathlib import Path

from tfrec.errors import SourceError
from tfrec.features.merchandising import read_rules
from tfrec.features.rule_tables import RuleTables, compile_rules
from tfrec.ingest.prepared import read_items_and_users, read_manifest
from tfrec.models_folder import RULES, digest_of_code, read_models_manifest, version_of
from tfrec.publish import claiming, replacing
from tfrec.release.place import Place, read_about
from tfrec.release.rule_versions import has_place_for_rules, publish_rules
from tfrec.serving.models_config import FALLBACK, SERVABLES


@dataclasses.dataclass(frozen=True)
class RulesUpdated:
    """Outcome of new rules.

    Attributes:
        models: folder of servables.
        num_rules: number of rules.
        version: version of the servables with these rules; None = they are kept, and the next export has them.
        fallback: version of the fall-back with these rules; None = there is none.
        seconds: time from reading the rules to the published version.
    """

    models: Path
    num_rules: int
    version: int | None
    fallback: int | None
    seconds: float


def update_rules(models: Path, rules: Path, prepared: Path | None = None) -> RulesUpdated:
    """Keeps rules with a folder of models, and publishes versions that differ from the newest by their rules alone.

    Where the shop was prepared again since, or the version was exported by another release, no version can be made so:
    the rules are kept, and `refresh_shop` publishes them.

    Args:
        models: folder that `train_shop` wrote.
        rules: `rules.toml`.
        prepared: folder of the shop as it is now; None = the folder that the models were made from.

    Raises:
        ConfigError: a rule is wrong, see `compile_rules`; nothing was changed.
        SourceError: nothing is trained, or there is no prepared shop.
    """
    began = time.perf_counter()
    manifest = read_models_manifest(models)
    place = prepared or Path(manifest.prepared)
    shop = read_manifest(place)
    items, users = read_items_and_users(place)
    read = read_rules(rules)
    tables = compile_rules(read, items, users, calendar=shop.calendar)
    with claiming(models):
        with replacing(models / RULES) as work:
            work.write_bytes(rules.read_bytes())
        item_ids = items["item_id"].tolist()
        version = version_of(models, manifest.identity)
        is_same = shop.fingerprint == manifest.fingerprint and digest_of_code() == manifest.code
        if not is_same or version is None or not has_place_for_rules(models / "shop" / str(version)):
            return RulesUpdated(models, len(read.rules), None, None, time.perf_counter() - began)
        number = publish_rules(models, (*SERVABLES[1:], SERVABLES[0]), version, tables, item_ids=item_ids)
        fallback = _update_fallback(models, tables, item_ids, shop.fingerprint)
    return RulesUpdated(models, len(read.rules), number, fallback, time.perf_counter() - began)


def _update_fallback(models: Path, tables: RuleTables, item_ids: list[str], fingerprint: str) -> int | None:
    """Publishes the fall-back with the rules where it was made of the same catalogue, and returns its version."""
    versions = Place(models).versions(FALLBACK)
    if not versions:
        return None
    newest = models / FALLBACK / str(versions[-1])
    if read_about(newest).get("fingerprint") != fingerprint or not has_place_for_rules(newest):
        raise SourceError(
            f"{newest} was made from another state of the shop, and does not keep to the new rules, as the models do "
            f"now. Publish it again: tfrec baseline PREPARED --out {models}"
        )
    return publish_rules(models, (FALLBACK,), versions[-1], tables, item_ids=item_ids)
