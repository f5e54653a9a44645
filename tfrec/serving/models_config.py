"""`models.config`, TF Serving's own file of servables, versions and labels: written, and read as `ServableConfig`s."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf import text_format

from tfrec.errors import ServingError, SourceError
from tfrec.schema import wire

CONFIG = "models.config"
"""Its name in a folder of servables, where `tfrec label` writes it."""

CONFIG_KIND = "versions and labels"
"""What the file's first line names it, so that one written by hand is not overwritten."""

SERVABLES = ("shop", "retrieval", "ranking")
"""Servables of a trained funnel, which share their version numbers."""

BATCH_SIZES = (1, 8, 32)
"""`allowed_batch_sizes` of a `batching.config`: merged requests are filled up to one of them, and warm-up asks each."""

_INVALID_ARGUMENT = 3
_HOW = "Write it with: tfrec label MODELS stable=N"

FALLBACK = "fallback"
"""Servable of a baseline: the signatures of `shop`, answered without a trained model."""


@dataclasses.dataclass(frozen=True)
class ServableConfig:
    """What is served under a name.

    Attributes:
        name: as requests call it.
        folder: name of the folder of its versions: the last part of the file's base path, which is that of the machine
            that TF Serving runs on.
        specific: the versions that are served; None = the newest `latest`.
        latest: number of newest versions; 0 = all.
        labels: label → version.
        base: folder of all servables as the server sees it: the base path without its last part.
    """

    name: str
    folder: str
    specific: frozenset[int] | None = None
    latest: int = 1
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    base: str = ""

    def wanted(self, versions: Iterable[int]) -> list[int]:
        """Returns those of the versions that are to be loaded, ascending."""
        there = sorted(versions)
        if self.specific is not None:
            return [version for version in there if version in self.specific]
        return there[-self.latest :]


def serving_config(
    labels: Mapping[str, int], *, versions: Iterable[int], base_path: str, has_fallback: bool = False
) -> str:
    """Returns a `ModelServerConfig` in protobuf's text form for `tensorflow_model_server --model_config_file`.

    Args:
        labels: label → version.
        versions: loaded beside the labelled ones; the highest of all answers requests without a label. Without any
            version the funnel is left out.
        base_path: folder of the servables as the server sees it.
        has_fallback: name the `fallback` of `tfrec baseline` too: always its newest version, without labels.
    """
    loaded = sorted({*labels.values(), *versions})
    blocks = []
    for name in SERVABLES if loaded else ():
        lines = [
            f'    name: "{name}"',
            f'    base_path: "{base_path.rstrip("/")}/{name}"',
            '    model_platform: "tensorflow"',
            f"    model_version_policy {{ specific {{ {' '.join(f'versions: {version}' for version in loaded)} }} }}",
            *(f'    version_labels {{ key: "{label}" value: {labels[label]} }}' for label in sorted(labels)),
        ]
        blocks.append("\n".join(["  config {", *lines, "  }"]))
    if has_fallback:
        lines = [
            f'    name: "{FALLBACK}"',
            f'    base_path: "{base_path.rstrip("/")}/{FALLBACK}"',
            '    model_platform: "tensorflow"',
        ]
        blocks.append("\n".join(["  config {", *lines, "  }"]))
    return "\n".join(["model_config_list {", *blocks, "}"]) + "\n"


def read_serving_config(file: Path) -> dict[str, ServableConfig]:
    """Returns name → config of a file in protobuf's text form (`ModelServerConfig`), as TF Serving reads it.

    Raises:
        SourceError: the file cannot be read, names a servable twice, or is of a kind that TF Serving refuses.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file} cannot be read ({error}). {_HOW}") from error
    return parse_serving_config(text, where=str(file))


def parse_serving_config(text: str, *, where: str) -> dict[str, ServableConfig]:
    """Returns the same of a text; `where` it stands is named in errors.

    Raises:
        SourceError: as `read_serving_config`.
    """
    try:
        message = text_format.Parse(text, wire.ModelServerConfig())
    except text_format.ParseError as error:
        raise SourceError(f"{where} is no ModelServerConfig: {error}. {_HOW}") from error
    try:
        configs = configs_of(message.model_config_list)
    except ServingError as error:
        raise SourceError(f"{where}: {error.details}") from error
    if not configs:
        raise SourceError(f"{where} names no servable. {_HOW}")
    return configs


def configs_of(model_config_list: Any) -> dict[str, ServableConfig]:
    """Returns name → config of a `ModelConfigList` message.

    Raises:
        ServingError: INVALID_ARGUMENT, with TF Serving's message: a servable is listed twice, by a relative path, or
            by one that names no folder.
    """
    configs: dict[str, ServableConfig] = {}
    for entry in model_config_list.config:
        if entry.name in configs:
            raise ServingError(
                f"Illegal to list model {entry.name} multiple times in config list", code=_INVALID_ARGUMENT
            )
        path = entry.base_path
        if not PurePosixPath(path).is_absolute() and "://" not in path:
            raise ServingError(
                f"Expected model {entry.name} to have an absolute path or URI; got base_path()={path}",
                code=_INVALID_ARGUMENT,
            )
        folder = PurePosixPath(path).name
        if folder in ("", ".."):
            raise ServingError(
                f"Expected the base path of model {entry.name} to end in the name of a folder; got base_path()={path}",
                code=_INVALID_ARGUMENT,
            )
        policy = entry.model_version_policy
        choice = policy.WhichOneof("policy_choice")
        configs[entry.name] = ServableConfig(
            name=entry.name,
            folder=folder,
            specific=frozenset(policy.specific.versions) if choice == "specific" else None,
            latest=0 if choice == "all" else max(policy.latest.num_versions, 1),
            labels=dict(entry.version_labels),
            base=path.rstrip("/").rpartition("/")[0],
        )
    return configs
