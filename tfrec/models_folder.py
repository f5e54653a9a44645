"""Names what a folder of models holds, and states its origin.

models/
    rules.toml          the shop's merchandising rules, where it has any
    trained/            weights, feature tables and manifest.json of the newest training
    shop/N  retrieval/N  ranking/N      SavedModels, N counts up
    report/             report.json, report.html
    strategies.json     what `tfrec strategy evaluate` found last
"""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tfrec
from tfrec.errors import SourceError
from tfrec.features.merchandising import read_rules
from tfrec.features.rule_tables import RuleTables, compile_rules
from tfrec.features.shop import Shop, load_shop
from tfrec.ingest.prepared import read_manifest
from tfrec.publish import FolderKind
from tfrec.release.comparison import COMPARISON
from tfrec.release.place import read_about
from tfrec.schema.tables import Tables

MANIFEST = "manifest.json"
RULES = "rules.toml"
"""The shop's merchandising rules, as the latest `tfrec refresh --rules` was given them."""
TRAINED = "trained"
STRATEGIES = "strategies.json"
WORK, _REPORT = ".training", "report"
LEARNING = (
    "errors.py",
    "publish",
    "schema",
    "sources/notes.py",
    "ingest/prepared.py",
    "ingest/return_counts.py",
    "ingest/table_counts.py",
    "ingest/typed_toml.py",
    "features",
    "baselines",
    "serving/known_ids.py",
    "serving/models_config.py",
    "pipelines",
    "models",
    "strategy",
    "training",
)
"""Files and folders that training can reach by imports; another text of any of them is another training."""
SERVED_SETTINGS = ("index", "strategy", "users")
"""Settings that change no weight: new ones are published without a training."""
TRAINED_FOLDER = FolderKind(
    "trained models",
    mark=MANIFEST,
    keys=frozenset({"identity", "fingerprint", "code", "config"}),
    files=(MANIFEST, "weights.*", "meanings.npz", "knowledge.npz", "training.json"),
    is_edited=False,
)


@dataclasses.dataclass(frozen=True)
class ModelsManifest:
    """Origin of a folder of models.

    Attributes:
        prepared: folder of the shop that was trained on.
        fingerprint: fingerprint of that shop.
        code: digest of the code that learns.
        config: training settings.
        identity: digest of the three above.
        seconds: seconds that training took, less what an earlier, interrupted run had done.
        tfrec_version: version of the package.
        learned_from: fingerprint of the shop that the weights learned from; a refresh knows a newer one.
        origin: identity of the models that these were updated from; empty when trained from scratch.
    """

    prepared: str
    fingerprint: str
    code: str
    config: dict[str, Any]
    identity: str
    seconds: float
    tfrec_version: str
    learned_from: str = ""
    origin: str = ""


def read_models_manifest(models: Path) -> ModelsManifest:
    """Returns the origin of a folder of models.

    Raises:
        SourceError: it holds no trained models.
    """
    manifest = find_models_manifest(models)
    if manifest is None:
        raise SourceError(
            f"{models} holds no trained models: there is no {models / TRAINED / MANIFEST}. "
            f"Train first: tfrec train PREPARED --out {models}"
        )
    return manifest


def find_models_manifest(models: Path) -> ModelsManifest | None:
    """Returns the origin of a folder of models; None where it holds no trained models."""
    try:
        return ModelsManifest(**json.loads((models / TRAINED / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def planned_manifest(prepared: Path, config: Any) -> ModelsManifest:
    """Returns the manifest that a training of this shop with these settings (a `TrainingConfig`) will have.

    Raises:
        SourceError: there is no prepared shop.
    """
    fingerprint = read_manifest(prepared).fingerprint
    settings = as_plain(config)
    code = digest_of_code()
    learned = [fingerprint, code, learning_settings(settings)]
    identity = hashlib.sha256(json.dumps(learned, sort_keys=True).encode()).hexdigest()
    return ModelsManifest(
        prepared=str(prepared.absolute()),
        fingerprint=fingerprint,
        code=code,
        config=settings,
        identity=identity,
        seconds=0.0,
        tfrec_version=tfrec.__version__,
        learned_from=fingerprint,
    )


def work_path(models: Path, manifest: ModelsManifest) -> Path:
    """Returns where a training of this shop, these settings and this code keeps what it has finished."""
    return models / WORK / manifest.identity[:16]


def work_folder(models: Path, manifest: ModelsManifest) -> Path:
    """Returns where a training keeps what it has finished; the work of other shops, settings or code there goes."""
    work = work_path(models, manifest)
    if work.parent.is_dir():
        for other in work.parent.iterdir():
            if other != work:
                shutil.rmtree(other, ignore_errors=True)
    return work


def version_of(models: Path, identity: str) -> int | None:
    """Returns the newest version of `shop`, if it comes from the training `identity`."""
    base = models / "shop"
    versions = [entry for entry in base.iterdir() if entry.name.isdigit()] if base.is_dir() else []
    if not versions:
        return None
    newest = max(versions, key=lambda entry: int(entry.name))
    return int(newest.name) if read_about(newest).get("identity") == identity else None


def report_folder(models: Path, *, servable: str = "shop") -> Path:
    """Returns where the report of a folder of models lies unless another place is named."""
    return models / (_REPORT if servable == "shop" else f"{_REPORT}_{servable}")


def prepared_of(models: Path) -> Path:
    """Returns the folder of the shop that models were trained on.

    Raises:
        SourceError: nothing is trained, or the shop is gone.
    """
    prepared = Path(read_models_manifest(models).prepared)
    if not prepared.is_dir():
        raise SourceError(f"{models} was trained on {prepared}, which is gone. Name the shop with --prepared DIR.")
    return prepared


def prepared_of_version(folder: Path) -> Path:
    """Returns the folder of the shop that an exported version was made from.

    Raises:
        SourceError: the version names none, or it is gone.
    """
    prepared = read_about(folder).get("prepared", "")
    if not prepared or not Path(prepared).is_dir():
        raise SourceError(
            f"{folder} was made from {prepared or 'a shop'}, which is gone. Name the shop with --prepared DIR."
        )
    return Path(prepared)


def load_same_shop(manifest: ModelsManifest, prepared: Path | None) -> Shop:
    """Returns the shop that models were trained on.

    Args:
        manifest: origin of the models.
        prepared: folder of the shop; None = where it lay then.

    Raises:
        SourceError: it is gone, or in another state now.
    """
    place = prepared or Path(manifest.prepared)
    if not place.is_dir():
        raise SourceError(f"The models were trained on {place}, which is gone. Name the shop with --prepared DIR.")
    if read_manifest(place).fingerprint != manifest.fingerprint:
        raise SourceError(
            f"The models were trained on another state of the shop than {place} holds now. "
            "Train again: tfrec train PREPARED --out MODELS, or name that shop with --prepared DIR."
        )
    return load_shop(place)


def kept_comparison(models: Path) -> str:
    """Returns the text of the trained models' comparison with the fall-back; "" = none."""
    kept = models / TRAINED / COMPARISON.name
    return kept.read_text(encoding="utf-8") if kept.is_file() else ""


def kept_rules(models: Path, tables: Tables) -> RuleTables | None:
    """Returns the rules of a folder of models for the catalogue of `tables`; None where it has none.

    Names that the catalogue no longer has are passed over: `tfrec refresh --rules` refused those that it never had.

    Raises:
        ConfigError: the file was changed there, and is no longer as it must be.
    """
    if not (models / RULES).is_file():
        return None
    rules = read_rules(models / RULES)
    return compile_rules(rules, tables.items, tables.users, calendar=tables.calendar, ignore_unknown=True)


def learning_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings that a weight may depend on: all but `SERVED_SETTINGS`."""
    return {name: value for name, value in settings.items() if name not in SERVED_SETTINGS}


def as_plain(config: Any) -> dict[str, Any]:
    """Returns a configuration as JSON gives it back."""
    return dict(json.loads(json.dumps(dataclasses.asdict(config))))


def digest_of_code() -> str:
    """Returns the digest of the code that learns: other code may read weights and tables differently."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for name in LEARNING:
        place = package / name
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
