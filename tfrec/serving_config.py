"""`models.config`, TF Serving's own file of servables, versions and labels → `ServableConfig`s."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from google.protobuf import text_format

from tfrec.errors import SourceError
from tfrec.schema import wire

CONFIG = "models.config"
"""Its name in a folder of servables, where `tfrec label` writes it."""

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
    """

    name: str
    folder: str
    specific: frozenset[int] | None = None
    latest: int = 1
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def wanted(self, versions: Iterable[int]) -> list[int]:
        """Returns those of the versions that are to be loaded, ascending."""
        there = sorted(versions)
        if self.specific is not None:
            return [version for version in there if version in self.specific]
        return there[-self.latest :]


def read_serving_config(file: Path) -> dict[str, ServableConfig]:
    """Returns name → config of a file in protobuf's text form (`ModelServerConfig`), as TF Serving reads it.

    Raises:
        SourceError: the file cannot be read, names a servable twice, or is of a kind that TF Serving refuses.
    """
    how = "Write it with: tfrec label MODELS stable=N"
    try:
        message = text_format.Parse(file.read_text(encoding="utf-8"), wire.ModelServerConfig())
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file} cannot be read ({error}). {how}") from error
    except text_format.ParseError as error:
        raise SourceError(f"{file} is no ModelServerConfig: {error}. {how}") from error
    found: dict[str, ServableConfig] = {}
    for entry in message.model_config_list.config:
        if entry.name in found:
            raise SourceError(f"{file}: Illegal to list model {entry.name} multiple times in config list")
        path = entry.base_path
        if not PurePosixPath(path).is_absolute() and "://" not in path:
            raise SourceError(
                f"{file}: Expected model {entry.name} to have an absolute path or URI; got base_path()={path}"
            )
        policy = entry.model_version_policy
        choice = policy.WhichOneof("policy_choice")
        found[entry.name] = ServableConfig(
            name=entry.name,
            folder=PurePosixPath(path).name,
            specific=frozenset(policy.specific.versions) if choice == "specific" else None,
            latest=0 if choice == "all" else max(policy.latest.num_versions, 1),
            labels=dict(entry.version_labels),
        )
    if not found:
        raise SourceError(f"{file} names no servable. {how}")
    return found
