"""Publishes versions from one place to another: validated before they are visible, and never renumbered.

On a file system each version is copied beside its place, loaded and asked there by a fresh process, and renamed. An
object store has no rename, and a copy within the store would show its files one by one just as an upload does. So the
files go under their final names with `saved_model.pb` last (nothing loads a folder without it), after what the store
gives back was loaded and asked; the mark of hashes follows, and `models.config`, which names the versions, comes at the
very end. A server that reads the store itself (TF Serving: gs://) must follow that file, not the newest folder.
"""

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfrec.errors import ServingError, SourceError
from tfrec.publish import check_claim, claiming, publishing
from tfrec.release.certificate import hash_files
from tfrec.release.place import GRAPH, VERSION_FOLDER, Place
from tfrec.release.replay import Difference
from tfrec.release.staged import Staged, check_staged
from tfrec.serving.models_config import CONFIG, FALLBACK, SERVABLES, ServableConfig, serving_config

logger = logging.getLogger(__name__)

_ORDER = (FALLBACK, "retrieval", "ranking", "shop")  # `shop`, which most callers ask, becomes visible last


_SIGNS = (CONFIG, "*/.published")
"""By which a folder is known as one of servables, beside what `claiming` knows."""


@dataclass(frozen=True)
class Publication:
    """Outcome of `publish_versions`.

    Attributes:
        published: servable and version of what is new at the target.
        kept: of what was there already, the same.
        config: whether `models.config` was written there.
    """

    published: tuple[tuple[str, int], ...]
    kept: tuple[tuple[str, int], ...]
    config: bool


def publish_versions(
    source: str | Path, target: str | Path, *, version: int | None = None, base_path: str | None = None
) -> Publication:
    """Copies versions of servables from one place to another; versions that fail verification are not copied.

    Interrupted, nothing new is visible, and the same call begins again.

    Args:
        source: folder of servables, or the URL of one.
        target: the same; made where there is none.
        version: number of the funnel's servables; None = what is in service at the source, `models.config` included.
        base_path: the target as the server sees it, for `models.config`; None = the target itself.

    Raises:
        SourceError: a version is not there, was published there before as another one or withdrawn, or a place cannot
            be read or written; or its disk is full.
        ServingError: a copy does not answer as its certificate says, or has none.
        EnvironmentSetupError: the URL needs a library that is not installed.
    """
    origin, goal = Place(source), Place(target)
    chosen = _chosen(origin, version)
    with contextlib.ExitStack() as stack:
        if goal.path is not None:
            stack.enter_context(writable(goal.path))
        new, kept = copy_versions(origin, goal, chosen)
        config = origin.config() if version is None else {}
        if config:
            goal.write_config(_config_text(config, chosen, base_path or _absolute(goal)))
    return Publication(tuple(new), tuple(kept), bool(config))


def copy_versions(
    origin: Place, goal: Place, chosen: Sequence[tuple[str, int]]
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Copies what is not there yet, all of it or nothing, and returns what is new and what was there; names no labels.

    Raises:
        SourceError, ServingError: as `publish_versions`.
    """
    new, kept = _compared(origin, goal, chosen)
    if new:
        _copy(origin, goal, new)
    return new, kept


def _chosen(origin: Place, version: int | None) -> list[tuple[str, int]]:
    versions = origin.in_service() if version is None else [(name, version) for name in SERVABLES]
    for name, number in versions:
        if number not in origin.versions(name):
            there = ", ".join(map(str, origin.versions(name))) or "none"
            raise SourceError(f"{origin} has no version {number} of `{name}`; there are: {there}. Name one of them.")
    return sorted(versions, key=lambda entry: _ORDER.index(entry[0]) if entry[0] in _ORDER else 0)


def _compared(
    origin: Place, goal: Place, chosen: Sequence[tuple[str, int]]
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Returns what is to be copied and what is there already.

    Raises:
        SourceError: a number stands for something else there, or was withdrawn.
    """
    new, kept = [], []
    for name, number in chosen:
        mark, is_there = goal.mark(name, number), number in goal.versions(name)
        if mark is None and is_there and goal.path is not None:  # exported there, not published
            mark = hash_files(goal.path / name / str(number))
        if mark is None:
            new.append((name, number))
            continue
        if mark != _files(origin, name, number):
            raise SourceError(
                f"{goal} had another {name}/{number} already, and a server never notices a change under a number. "
                "Export again for a new one: tfrec export MODELS"
            )
        if not is_there:
            raise SourceError(
                f"{name}/{number} was withdrawn from {goal}; a number is never used twice. Export again for a new one: "
                "tfrec export MODELS"
            )
        kept.append((name, number))
    return new, kept


def _files(origin: Place, name: str, number: int) -> Mapping[str, str]:
    if origin.path is not None:
        return hash_files(origin.path / name / str(number))
    return origin.mark(name, number) or {}


def _copy(origin: Place, goal: Place, new: Sequence[tuple[str, int]]) -> None:
    if goal.path is None:
        _copy_to_store(origin, goal, new)
        return
    copies = []
    with contextlib.ExitStack() as stack:
        for name, number in reversed(new):  # what is entered first becomes visible last
            work = stack.enter_context(publishing(goal.path / name / str(number), VERSION_FOLDER, is_new=True))
            origin.fetch(name, number, work)
            copies.append(Staged(name, number, work))
        _require_same(goal, check_staged(copies))
    for name, number in new:
        goal.set_mark(name, number, hash_files(goal.path / name / str(number)))


def _copy_to_store(origin: Place, goal: Place, new: Sequence[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory(prefix="tfrec-publish-") as scratch:
        copies = [_uploaded(origin, goal, name, number, Path(scratch)) for name, number in new]
        _require_same(goal, check_staged(copies))
        for copy in copies:
            goal.send(copy.folder, copy.servable, copy.version, [GRAPH])
            goal.set_mark(copy.servable, copy.version, hash_files(copy.folder))


def _uploaded(origin: Place, goal: Place, name: str, number: int, scratch: Path) -> Staged:
    """Sends all files but the graph, and returns what the store gives back, with the graph."""
    sent, back = scratch / "sent" / name / str(number), scratch / "back" / name / str(number)
    origin.fetch(name, number, sent)
    files = sorted(path.relative_to(sent).as_posix() for path in sent.rglob("*") if path.is_file())
    goal.clear(name, number)
    goal.send(sent, name, number, [file for file in files if file != GRAPH])
    back.mkdir(parents=True)
    goal.fetch(name, number, back)
    shutil.copyfile(sent / GRAPH, back / GRAPH)
    return Staged(name, number, back)


def _require_same(goal: Place, differences: Sequence[Difference]) -> None:
    if differences:
        shown = "; ".join(
            f"{difference.servable}, {difference.where}: {difference.found} in place of {difference.expected}"
            for difference in differences[:3]
        )
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise ServingError(
            f"Not published to {goal}: the copies do not answer as certified ({shown}{more}). "
            "See all: tfrec verify MODELS. Then export again: tfrec export MODELS"
        )


def check_target(folder: Path, origin: Place) -> None:
    """Refuses a folder that is not one of servables, or that is what is read; verbs call it before they begin.

    Raises:
        SourceError: versions of the source would be removed with those that are no longer served; or as `check_claim`.
    """
    if origin.path is not None:
        target, read = folder.resolve(), origin.path.resolve()
        if target.is_relative_to(read) or read.is_relative_to(target):
            raise SourceError(f"{folder} is, holds or lies in {origin}, which is read. Name a folder of its own.")
    check_claim(folder, signs=_SIGNS)


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Holds a target folder; whatever fails for want of room is one clear error."""
    try:
        with claiming(folder, signs=_SIGNS):
            yield
    except OSError as error:
        if isinstance(error, SourceError) or error.errno is None:
            raise
        raise SourceError(
            f"{folder} cannot be written: {error.strerror}. Nothing new is visible there. "
            "Make room or name another folder, and run the same command again."
        ) from error


def _config_text(config: Mapping[str, ServableConfig], chosen: Sequence[tuple[str, int]], base_path: str) -> str:
    return serving_config(
        config["shop"].labels if "shop" in config else {},
        versions=[number for name, number in chosen if name == "shop"],
        base_path=base_path,
        has_fallback=FALLBACK in config,
    )


def _absolute(goal: Place) -> str:
    return goal.url if goal.path is None else str(goal.path.absolute())
