"""Labels versions (`stable`, `canary`) in MLflow's registry and in TF Serving's `models.config` alike.

An alias of the registered model is a version label of the server: whoever moves `stable` in the registry moves what
`model_spec.version_label = "stable"` answers, once this has written the file again. The servables of a shop share their
version numbers, so a label moves all three; the `fallback` of `tfrec baseline` is listed beside them, by its newest.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfrec.errors import ConfigError, ServingError, SourceError
from tfrec.publish import check_file, write_text
from tfrec.release.gate import was_refused
from tfrec.release.place import Place
from tfrec.serving.models_config import CONFIG, CONFIG_KIND, FALLBACK, SERVABLES, ServableConfig, serving_config
from tfrec.serving.recommend import has_version, newest_version
from tfrec.tracking.tracked_runs import RunRecord, open_registry, read_record

_WORD = re.compile(r"[a-z][a-z0-9_-]*")
_LINE = re.compile(
    r"model_config_list \{|  config \{|  \}|\}|"
    r'    (name|base_path|model_platform): "[^"]*"|'
    r"    model_version_policy \{ specific \{( versions: \d+)+ \} \}|"
    r'    version_labels \{ key: "[^"]*" value: \d+ \}'
)
_RESERVED = re.compile(r"latest|v\d+")  # MLflow's own words


def label_versions(
    models: Path,
    labels: Mapping[str, int] | None = None,
    *,
    base_path: str | None = None,
    with_newest: bool = True,
    force: bool = False,
) -> dict[str, int]:
    """Writes `MODELS/models.config` and returns label → version, as the registry has it after `labels` were set there.

    Models that were never tracked have no registry: their labels are those given here alone. The file makes TF Serving
    load the labelled versions and the newest. It refuses a label of a version that it has not loaded yet, unless it
    runs with `--allow_version_labels_for_unavailable_models`.

    Args:
        models: folder of servables.
        labels: label → version, set in the registry first; None = only read it.
        base_path: where the server sees the folder; None = where it lies here.
        force: overwrite a `models.config` that was written by hand.
        with_newest: load the newest version too, labelled or not, unless a gate refused it.

    Raises:
        ConfigError: a label is no word of small letters, or is one of MLflow's own (`latest`, `v1`).
        SourceError: a version is not there, or there is neither a label nor a registry, or `models.config` was written
            by hand.
        EnvironmentSetupError: the models were tracked, but MLflow is not installed.
        ServingError: no version is exported, or the registry does not answer.
    """
    labels = dict(labels or {})
    for label in labels:
        if not _WORD.fullmatch(label) or _RESERVED.fullmatch(label):
            raise ConfigError(
                f"A label is a word of small letters, digits, - and _, not `latest` or `v1`; got {label!r}. "
                "Call it e.g. stable or canary."
            )
    force = force or _is_of_earlier_release(models / CONFIG)
    check_file(models / CONFIG, CONFIG_KIND, force=force)
    _check_versions(models, labels)
    record = read_record(models)
    if record is None and not labels:
        raise SourceError(
            f"{models} was never tracked, so no registry has labels for it. Name them (stable=3 canary=4), or track: "
            "tfrec train PREPARED --out MODELS --track"
        )
    versions_of_labels = labels if record is None else _in_registry(record, labels)
    _check_versions(models, versions_of_labels)
    newest_version(models, "shop")  # says what to run where there is none
    place = Place(models)
    good = [number for number in place.whole_versions() if not was_refused(place, number)]
    _write_config(
        models, versions_of_labels, versions=good[-1:] if with_newest else [], base_path=base_path, force=force
    )
    return versions_of_labels


def move_label(models: str | Path, label: str, version: int, *, with_newest: bool = True) -> dict[str, int]:
    """Moves one label, keeps the others and the base path of `models.config`, and returns label → version.

    Args:
        models: folder of servables, or the URL of one; in an object store what no label names is never loaded.
        label: label that is moved.
        version: version that it names afterwards.
        with_newest: see `label_versions`.

    Raises:
        SourceError: as `label_versions`.
    """
    place = Place(models)
    config = place.config()
    shop = config.get("shop", ServableConfig("shop", "shop"))
    labels = {**shop.labels, label: version}
    if place.path is not None:
        return label_versions(place.path, labels, base_path=shop.base or None, with_newest=with_newest)
    base = shop.base or str(place)
    place.write_config(serving_config(labels, versions=[], base_path=base, has_fallback=FALLBACK in config))
    return labels


def serve_fallback_alone(models: Path) -> None:
    """Writes a `models.config` by which the fall-back alone is served: no version of the funnel is good enough."""
    _write_config(models, {}, versions=[], base_path=None)


def _write_config(
    models: Path, labels: Mapping[str, int], *, versions: list[int], base_path: str | None, force: bool = False
) -> None:
    text = serving_config(
        labels,
        versions=versions,
        base_path=base_path or str(models.absolute()),
        has_fallback=has_version(models, FALLBACK),
    )
    write_text(models / CONFIG, text, CONFIG_KIND, force=force)


def _is_of_earlier_release(file: Path) -> bool:
    """Returns whether a file without a mark is as `serving_config` writes it, line by line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    names = {f'    name: "{name}"' for name in SERVABLES}
    return names <= set(lines) and all(_LINE.fullmatch(line) for line in lines)


def _in_registry(record: RunRecord, labels: Mapping[str, int]) -> dict[str, int]:
    """Sets the labels as aliases and returns all aliases as label → version of the servables."""
    client = open_registry(record)
    name = record.registered_model
    try:
        numbers = {
            int(registered.version): registered.tags.get("tfrec.version") for registered in _versions(client, name)
        }
        for label, version in labels.items():
            fitting = [number for number, servables in numbers.items() if servables == str(version)]
            if not fitting:
                raise SourceError(
                    f"Version {version} of the servables is not registered as {name}: it was exported without tracking."
                    " Train with --track, or label a version that was."
                )
            client.set_registered_model_alias(name, label, str(max(fitting)))
        aliases = client.get_registered_model(name).aliases
    except SourceError:
        raise
    except Exception as error:
        raise ServingError(f"The registry at {record.tracking_uri} does not answer: {error}.") from error
    return {
        label: int(servables)
        for label, number in aliases.items()
        if (servables := numbers.get(int(number))) is not None
    }


def _versions(client: Any, name: str) -> list[Any]:
    return client.search_model_versions(f"name='{name}'")


def _check_versions(models: Path, labels: Mapping[str, int]) -> None:
    for label, version in labels.items():
        for servable in SERVABLES:
            if not (models / servable / str(version) / "saved_model.pb").is_file():
                raise SourceError(
                    f"The label {label!r} names version {version}, but {models / servable / str(version)} is not "
                    "there. Label a version that is."
                )
