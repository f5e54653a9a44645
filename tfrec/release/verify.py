"""Compares a folder, a URL or a running server with the certificates of its versions."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfrec.client import RecommenderClient
from tfrec.errors import ConfigError, SourceError
from tfrec.release.certificate import Certificate, parse_certificate
from tfrec.release.place import GRAPH, Place
from tfrec.release.replay import Difference, check_folder, check_server
from tfrec.serving.models_config import FALLBACK

_SERVER = re.compile(r"(dns:///)?[^/\s]+:\d+")


@dataclass(frozen=True)
class Verified:
    """Outcome of a verification.

    Attributes:
        checked: what was asked, such as `shop/3`.
        num_queries: number of queries that were asked.
        differences: what is not as certified.
    """

    checked: tuple[str, ...]
    num_queries: int
    differences: tuple[Difference, ...]


def is_server(target: str) -> bool:
    """Returns whether a target is `host:port` and there is no folder of that name."""
    return bool(_SERVER.fullmatch(target)) and not Path(target).exists()


def verify_place(
    target: str, *, version: int | None = None, servables: Sequence[str] = (), every: bool = False
) -> Verified:
    """Replays the certificates of versions in a folder or under a URL.

    Args:
        target: a folder of servables, one version's folder, or a URL.
        version: only this number; None = the versions that are in service.
        servables: only these; none = all.
        every: all versions that are there.

    Raises:
        SourceError: there is no such version.
        ServingError: a version has no certificate.
    """
    folder = Path(target)
    if (folder / GRAPH).is_file() and folder.absolute().name.isdigit():
        place = Place(folder.absolute().parent.parent)
        chosen = [(folder.absolute().parent.name, int(folder.absolute().name))]
    else:
        place = Place(target)
        chosen = _chosen(place, version=version, servables=servables, every=every)
    differences: list[Difference] = []
    num_queries = 0
    with tempfile.TemporaryDirectory(prefix="tfrec-verify-") as scratch:
        for name, number in chosen:
            if place.path is not None:
                copy = place.path / name / str(number)
            else:
                copy = Path(scratch) / name / str(number)
                copy.mkdir(parents=True)
                place.fetch(name, number, copy)
            differences += check_folder(copy, servable=name, version=number)
            num_queries += len(_certificate(place, name, number).queries)
    return Verified(tuple(f"{name}/{number}" for name, number in chosen), num_queries, tuple(differences))


def verify_server(
    target: str,
    models: str,
    *,
    version: int | None = None,
    label: str | None = None,
    servables: Sequence[str] = (),
    deadline: float = 10.0,
) -> Verified:
    """Replays certificates against a running server.

    Without a number or a label the server is asked as most callers ask, for its newest version, which must be the
    newest that is in service in `models`.

    Args:
        target: `host:port` of the gRPC port.
        models: folder or URL with the certificates.
        version: number that is asked for.
        label: label that is asked for; `models.config` must name it.
        servables: only these; none = all that are in service.
        deadline: seconds a query.

    Raises:
        ConfigError: version and label are both given.
        SourceError: there is no such version, label or certificate.
        ServerUnreachableError: no server answers there.
    """
    if version is not None and label is not None:
        raise ConfigError(f"Give a version or a label; got {version} and {label!r}.")
    place = Place(models)
    number = version if label is None else _labelled(place, label)
    newest = dict(sorted(_chosen(place, version=number, servables=servables, every=False)))
    differences: list[Difference] = []
    num_queries = 0
    for name, expected in newest.items():
        certificate = _certificate(place, name, expected)
        is_fallback = name == FALLBACK
        with RecommenderClient(
            target,
            deadline=deadline,
            servable=name if is_fallback else "shop",
            version=None if is_fallback else version,
            version_label=None if is_fallback else label,
        ) as client:
            differences += check_server(client, certificate)
        num_queries += len(certificate.queries)
    return Verified(tuple(f"{name}/{expected}" for name, expected in newest.items()), num_queries, tuple(differences))


def _labelled(place: Place, label: str) -> int:
    config = place.config().get("shop")
    if config is None or label not in config.labels:
        labels = ", ".join(sorted(config.labels)) if config else "none"
        raise SourceError(f"{place} has no label {label!r} (it has: {labels}). Label a version: tfrec label MODELS")
    return config.labels[label]


def _chosen(place: Place, *, version: int | None, servables: Sequence[str], every: bool) -> list[tuple[str, int]]:
    versions = place.in_service()
    names = list(dict.fromkeys(name for name, _ in versions))
    if version is not None:
        versions = [(name, version) for name in names if version in place.versions(name)]
        if set(names) - {name for name, _ in versions} - {FALLBACK}:
            raise SourceError(f"{place} has no version {version} of all its servables; choose another.")
        versions = [(name, number) for name, number in versions if name != FALLBACK or FALLBACK in servables]
    elif every:
        versions = [(name, number) for name in names for number in place.versions(name)]
    for name in servables:
        if name not in names:
            raise SourceError(f"{place} has no servable {name!r}; it has: {', '.join(names)}.")
    return [(name, number) for name, number in versions if not servables or name in servables]


def _certificate(place: Place, name: str, number: int) -> Certificate:
    text = place.read_text(f"{name}/{number}/assets.extra/certificate.json")
    if text is None:
        raise SourceError(f"{place}/{name}/{number} has no certificate. Export it again: tfrec export MODELS")
    return parse_certificate(text)
