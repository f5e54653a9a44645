"""Pulls published versions into the folder that one server reads: verified first, then labelled.

TF Serving refuses a `models.config` that moves a label to a version it has not loaded, the whole file with it. So the
versions are named first, and the label moves when the server has loaded them.
"""

from dataclasses import dataclass
from pathlib import Path

from tfrec.client import RecommenderClient
from tfrec.errors import SourceError
from tfrec.release.place import Place
from tfrec.release.publish import check_target, copy_versions, writable
from tfrec.serving.models_config import CONFIG, FALLBACK, SERVABLES, serving_config

STABLE = "stable"


@dataclass(frozen=True)
class Followed:
    """Outcome of `follow_place`.

    Attributes:
        version: version of the funnel; None = the fall-back alone is in service.
        pulled: servable and version of what is new in the folder.
        removed: of what was removed from it.
    """

    version: int | None
    pulled: tuple[tuple[str, int], ...]
    removed: tuple[tuple[str, int], ...]


def follow_place(
    source: str,
    folder: Path,
    *,
    label: str = STABLE,
    server: str | None = None,
    base_path: str | None = None,
    load_timeout: float = 300.0,
) -> Followed:
    """Makes a folder hold what a label of `source` names, and the fall-back; the version before stays beside it.

    Args:
        source: where versions are published: a folder, or a URL.
        folder: folder of one server.
        label: label whose version is served, under this label alone; a place without it gives its `stable` version.
        server: `host:port` of the running server that reads `folder`; None = it is not started yet.
        base_path: `folder` as the server sees it; None = as it is here.
        load_timeout: seconds that the server has to load a version.

    Raises:
        SourceError: `source` names nothing to serve, or a version that is not there whole; or cannot be read.
        ServingError: a copy does not answer as certified, or the server does not load it; the old one stays in service.
    """
    origin, goal = Place(source), Place(folder)
    check_target(folder, origin)
    version, chosen = _wanted(origin, label)
    with writable(folder):
        before = goal.config().get("shop")
        old = dict(before.labels).get(label) if before else None
        pulled, _ = copy_versions(origin, goal, chosen)
        has_fallback = any(name == FALLBACK for name, _ in chosen)
        base = base_path or str(folder.absolute())

        def write(labels: dict[str, int], versions: list[int]) -> None:
            text = serving_config(labels, versions=versions, base_path=base, has_fallback=has_fallback)
            if goal.read_text(CONFIG) is None or text not in (goal.read_text(CONFIG) or ""):
                goal.write_config(text)

        if server is not None and version is not None and old not in (None, version):
            write({label: old} if old is not None else {}, [version])
            with RecommenderClient(server, version=version) as client:
                client.wait_until_ready(load_timeout, servables=SERVABLES)
        write({} if version is None else {label: version}, [])
        removed = _remove_others(goal, keep={*chosen, *((name, old) for name in SERVABLES if old is not None)})
    return Followed(version, tuple(pulled), tuple(removed))


def _wanted(origin: Place, label: str) -> tuple[int | None, list[tuple[str, int]]]:
    """Returns the version that a label names, and servable and version of all that is to be served."""
    config = origin.config()
    labels = config["shop"].labels if "shop" in config else {}
    version = labels.get(label, labels.get(STABLE))
    if version is None and labels:
        names = ", ".join(sorted(labels))
        raise SourceError(f"{origin}/{CONFIG} has neither a label {label!r} nor {STABLE!r}; it has: {names}.")
    chosen = [(FALLBACK, number) for number in origin.versions(FALLBACK)[-1:]] if FALLBACK in config else []
    if version is not None:
        chosen += [(name, version) for name in ("retrieval", "ranking", "shop")]
    for name, number in chosen:
        if number not in origin.versions(name):
            raise SourceError(
                f"{origin}/{CONFIG} names {name}/{number}, which is not there whole. Publish it again: tfrec publish"
            )
    if not chosen:
        raise SourceError(f"{origin} names nothing to serve. Publish a version there: tfrec publish MODELS --to URL")
    return version, chosen


def _remove_others(goal: Place, *, keep: set[tuple[str, int]]) -> list[tuple[str, int]]:
    """Removes what is neither served nor the version before."""
    others = [
        (name, number)
        for name in (*SERVABLES, FALLBACK)
        for number in goal.versions(name)
        if (name, number) not in keep and (name != FALLBACK or number < goal.versions(FALLBACK)[-2])
    ]
    for name, number in others:
        goal.forget(name, number)
    return others
