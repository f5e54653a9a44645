"""`ServedModels`: a folder of servables to the newest version of each, loaded; follows the folder while it changes.

The rules are TF Serving's. A version is a child of `models/<name>/` whose whole name is a whole number; the highest is
served. A new version is loaded before the old one is unloaded, and unloading waits for the requests under way. Changes
under a loaded number are never noticed: publish by rename, under a new number. An empty folder unloads the servable; a
missing one changes nothing. One rule is kinder than TF Serving's, which never tries a number again whose load failed:
here it is tried again when its files have changed, and rested for one look, so that a folder that is copied in place
is served once it is whole.

With a `models.config` what it names is served, in the versions that it names, and its labels name versions; the file
is followed too, also one that comes while the server runs. One that names only versions that are not there changes
nothing, which is kinder than TF Serving, too. As with `--allow_version_labels_for_unavailable_models`, a new label may
name a version that is not loaded, but no label is moved to one.
"""

import contextlib
import dataclasses
import functools
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

from tfrec.errors import ServingError, SourceError
from tfrec.schema.wire import STATES, is_unicode
from tfrec.serving.c_api import load_c_api
from tfrec.serving.models_config import CONFIG, ServableConfig, read_serving_config
from tfrec.serving.prediction import warm_up
from tfrec.serving.servable import Servable

logger = logging.getLogger(__name__)

_UNKNOWN, _NOT_FOUND, _FAILED_PRECONDITION = 2, 5, 9
_Files: TypeAlias = tuple[tuple[str, int, int], ...]
_MAX_VERSION = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """Where a version stands.

    Attributes:
        version: its number.
        state: a key of `tfrec.schema.wire.STATES`.
        error_code: gRPC status number of a failed load, 0 when fine.
        error_message: what TensorFlow said about it.
    """

    version: int
    state: str
    error_code: int = 0
    error_message: str = ""

    def __post_init__(self) -> None:
        assert self.state in STATES


class LoadListener(Protocol):
    """Is called after an attempt to load a version folder."""

    def __call__(self, path: str, *, is_loaded: bool, seconds: float) -> None:
        """Takes the folder, whether it is loaded, and how long that took."""


class ServedModels:
    """The loaded versions of a folder of servables; any thread may ask.

    Attributes:
        on_change: called after a version came or went, from the thread in which it did.
        on_load: called after each attempt to load a version folder.

    Args:
        models_dir: holds `<name>/<version>/saved_model.pb`.
        config_file: in TF Serving's form; None = `models.config` in the folder, and while there is none the newest
            version of every servable, without labels.
        intra_op_threads: see `Servable.load`.
        inter_op_threads: see `Servable.load`.

    Raises:
        SourceError: `models_dir` is no folder, or the file of versions cannot be read.
    """

    def __init__(
        self,
        models_dir: Path,
        *,
        config_file: Path | None = None,
        intra_op_threads: int = 0,
        inter_op_threads: int = 0,
    ) -> None:
        self._models_dir = Path(models_dir)
        if not self._models_dir.is_dir():
            raise SourceError(
                f"{models_dir} is no folder. Servables lie in models/<name>/<version>/; `tfrec export` writes them."
            )
        self._load_servable = functools.partial(
            Servable.load, intra_op_threads=intra_op_threads, inter_op_threads=inter_op_threads
        )
        self._lock = threading.Lock()
        self._loaded: dict[str, dict[int, Servable]] = {}
        self._statuses: dict[str, dict[int, VersionStatus]] = {}
        self._unloading: list[threading.Thread] = []
        self._missing: set[str] = set()
        self._config_file = self._models_dir / CONFIG if config_file is None else config_file
        self._may_have_none = config_file is None
        self._config = self._file_config = self._read_config()
        self._polling = threading.Lock()
        self._labels: dict[str, dict[str, int]] = {}
        self._failed: dict[tuple[str, int], _Files] = {}  # as they were when their load failed
        self._seen: dict[tuple[str, int], _Files] = {}  # of failed versions, at the last look
        self._unnamed: set[tuple[str, int]] = set()  # reported once
        self._complaints: set[str] = set()  # of the last look, each reported once
        self._complaints_now: set[str] = set()
        self.on_change: Callable[[], None] | None = None
        self.on_load: LoadListener | None = None

    @property
    def names(self) -> list[str]:
        """Names of the servables seen so far."""
        with self._lock:
            return sorted(self._statuses)

    @contextlib.contextmanager
    def using(self, name: str, version: int | None = None) -> Iterator[tuple[Servable, int]]:
        """Gives a loaded servable with its version, and keeps it loaded for the block.

        Args:
            name: name of the servable.
            version: None = the newest loaded.

        Raises:
            ServingError: NOT_FOUND, it is not loaded.
        """
        with contextlib.ExitStack() as stack:
            with self._lock:
                loaded = self._loaded.get(name, {})
                number = max(loaded, default=None) if version is None else version
                if number is None or number not in loaded:
                    wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                    raise ServingError(f"Servable not found for request: {wanted}", code=_NOT_FOUND)
                servable = loaded[number]
                stack.enter_context(servable.in_use())
            yield servable, number

    def statuses(self, name: str) -> list[VersionStatus]:
        """Returns all versions of a servable ever seen, the highest first; empty for an unknown name."""
        with self._lock:
            return [status for _, status in sorted(self._statuses.get(name, {}).items(), reverse=True)]

    def is_available(self, name: str) -> bool:
        """Returns whether a version of the servable is loaded."""
        with self._lock:
            return bool(self._loaded.get(name))

    def version_of(self, name: str, label: str) -> int | None:
        """Returns the version that a label names; None where there is no such label."""
        with self._lock:
            return self._labels.get(name, {}).get(label)

    def load_first(self) -> None:
        """Loads what the folder holds at the start.

        Raises:
            ServingError: there is no servable, or the newest version of one cannot be loaded.
            EnvironmentSetupError: TensorFlow's C library is not installed.
        """
        load_c_api()  # so that its absence is not blamed on a version
        self.poll()
        failed = [
            self._why_not(name) for name in self.names if any(status.error_code for status in self.statuses(name))
        ]
        if failed:
            text = f"{len(failed)} servable(s) did not become available: {{{''.join(failed)}}}"
            raise ServingError(f"Failed to start server. Error: {text}", code=_UNKNOWN)
        absent = sorted(name for name in self._config or {} if not self.is_available(name))
        if absent:
            raise ServingError(
                f"{self._config_file} names {', '.join(absent)}, of which {self._models_dir} holds no such version. "
                "Write the file again: tfrec label",
                code=_NOT_FOUND,
            )
        if not self.names:
            raise ServingError(
                f"There is no servable in {self._models_dir}: expected <name>/<version>/saved_model.pb with a whole "
                "number as version. `tfrec export` writes them.",
                code=_NOT_FOUND,
            )

    def poll(self) -> None:
        """Brings what is loaded in line with the folder: loads new versions, then unloads old ones."""
        with self._polling:
            self._complaints_now = set()
            self._read_config_again()
            self._follow_all()
            self._complaints = self._complaints_now

    def reload(self, configs: Mapping[str, ServableConfig]) -> None:
        """Serves what `configs` names, until the file of versions changes; returns once what is new is loaded.

        Raises:
            ServingError: FAILED_PRECONDITION, a label would be moved to a version that is not loaded; UNKNOWN, a new
                servable cannot be loaded.
        """
        with self._polling:
            for name, config in configs.items():
                for label, version in config.labels.items():
                    with self._lock:
                        is_moved = self._labels.get(name, {}).get(label, version) != version
                        is_there = version in self._loaded.get(name, {})
                    if is_moved and not is_there:
                        raise ServingError(
                            f"Request to assign label to version {version} of model {name}, which is not currently "
                            "available for inference",
                            code=_FAILED_PRECONDITION,
                        )
            new = [name for name in configs if not self.is_available(name)]
            self._config = dict(configs)
            self._follow_all()
            failed = [name for name in new if not self.is_available(name)]
            if failed:
                raise ServingError(
                    f"{len(failed)} model(s) did not become available: {{{''.join(map(self._why_not, failed))}}}",
                    code=_UNKNOWN,
                )

    def _why_not(self, name: str) -> str:
        for status in self.statuses(name):
            if status.error_code:
                return f"{{{{name: {name} version: {status.version}}} due to error: {status.error_message}}}, "
        return f"{{{{name: {name}}} due to error: no version of it in {self._models_dir}}}, "

    def _follow_all(self) -> None:
        self._unloading = [thread for thread in self._unloading if thread.is_alive()]
        for name in sorted({*self.names, *self._discovered()}):
            config = ServableConfig(name, name) if self._config is None else self._config.get(name)
            if config is None:
                self._unload(name, keep=())
                continue
            base = self._models_dir / config.folder
            try:
                versions = _versions_in(base)
            except OSError as error:
                if name not in self._missing:
                    logger.warning("%s cannot be read (%s): its loaded version stays.", base, error)
                self._missing.add(name)
                continue
            self._missing.discard(name)
            self._follow(name, versions, config)
        self._set_labels()

    def close(self) -> None:
        """Unloads everything and waits until the requests under way are answered."""
        for name in self.names:
            self._unload(name, keep=())
        for thread in self._unloading:
            thread.join()

    def _read_config(self) -> dict[str, ServableConfig] | None:
        if self._may_have_none and not self._config_file.exists():
            return None
        return read_serving_config(self._config_file)

    def _read_config_again(self) -> None:
        try:
            config = self._read_config()
        except SourceError as error:
            self._complain(f"{error} What it said before still holds.")
            return
        if config is None and self._file_config is not None:
            self._complain(f"{self._config_file} is gone. What it said before still holds.")
        elif config != self._file_config:
            self._config = self._file_config = config

    def _set_labels(self) -> None:
        complaints = []
        for name, config in (self._config or {}).items():
            with self._lock:
                loaded, old = self._loaded.get(name, {}), self._labels.get(name, {})
                moved = {label: version if version in loaded else old.get(label, version)
                         for label, version in config.labels.items()}  # fmt: skip
                self._labels[name] = moved
            complaints += [
                f"Request to assign label to version {version} of model {name}, which is not currently available for "
                f"inference; {label!r} names version {moved[label]}."
                for label, version in config.labels.items()
                if version not in loaded
            ]
        with self._lock:
            for name in [name for name in self._labels if name not in (self._config or {})]:
                del self._labels[name]
        if complaints:
            self._complain(" ".join(complaints))

    def _complain(self, text: str) -> None:
        if text not in self._complaints | self._complaints_now:
            logger.warning(text)
        self._complaints_now.add(text)

    def _discovered(self) -> list[str]:
        if self._config is not None:
            return sorted(self._config)
        try:
            # A name that is no UTF-8 cannot be asked for.
            entries = sorted(
                entry
                for entry in self._models_dir.iterdir()
                if not entry.name.startswith(".") and is_unicode(entry.name)
            )
            return [entry.name for entry in entries if entry.is_dir() and _versions_in(entry)]
        except OSError as error:
            logger.warning("%s cannot be read (%s): what is loaded stays.", self._models_dir, error)
            return []

    def _follow(self, name: str, versions: dict[int, Path], config: ServableConfig) -> None:
        aspired = config.wanted(versions)
        if not aspired and config.specific and self.is_available(name):
            wanted = ", ".join(map(str, sorted(config.specific)))
            self._complain(
                f"{self._config_file} names version {wanted} of {name}, but {self._models_dir / config.folder} has no "
                "such version: what is loaded stays. Write it again: tfrec label"
            )
            return
        if not aspired:
            if self.is_available(name):
                logger.warning("%s holds no version any more: %s is unloaded.", self._models_dir / config.folder, name)
            self._unload(name, keep=())
            return
        newest = max(versions)
        if newest > aspired[-1] and (name, newest) not in self._unnamed:
            self._unnamed.add((name, newest))
            logger.warning(
                "%s version %d is there, but %s does not name it, so it is not served: write it again (tfrec label).",
                name, newest, self._config_file,
            )  # fmt: skip
        for version in aspired:
            with self._lock:
                is_loaded = version in self._loaded.get(name, {})
                status = self._statuses.get(name, {}).get(version)
            has_failed = status is not None and status.error_code != 0
            if not is_loaded and (not has_failed or self._is_to_be_tried_again(name, version, versions[version])):
                self._load(name, version, versions[version])
        with self._lock:
            has_any = not self._loaded.get(name, {}).keys().isdisjoint(aspired)
        if has_any:  # else the old ones go on answering
            self._unload(name, keep=aspired)

    def _is_to_be_tried_again(self, name: str, version: int, version_dir: Path) -> bool:
        """Returns whether a version's files have changed since its load failed, but not since the last check."""
        files, before = _files_of(version_dir), self._seen.get((name, version))
        self._seen[name, version] = files
        return files != self._failed.get((name, version)) and files == before

    def _load(self, name: str, version: int, version_dir: Path) -> bool:
        self._set(name, VersionStatus(version, "START"))
        self._set(name, VersionStatus(version, "LOADING"))
        logger.info("Loading %s version %d from %s.", name, version, version_dir)
        servable, files, start = None, _files_of(version_dir), time.monotonic()
        try:
            servable = self._load_servable(version_dir)
            num_warmed = warm_up(servable, version_dir)
        except Exception as error:
            if servable is not None:
                servable.close()
            code, text = (
                (error.code, error.details)
                if isinstance(error, ServingError)
                else (_UNKNOWN, f"{type(error).__name__}: {error}")
            )
            self._set(name, VersionStatus(version, "END", code or _UNKNOWN, text))
            self._failed[name, version] = files
            self._report_load(version_dir, is_loaded=False, start=start)
            logger.error(
                "%s version %d cannot be loaded, and is tried again only if its files change: %s", name, version, text
            )
            return False
        with self._lock:
            self._loaded.setdefault(name, {})[version] = servable
            self._statuses[name][version] = VersionStatus(version, "AVAILABLE")
        self._report_load(version_dir, is_loaded=True, start=start)
        self._notify()
        logger.info("%s version %d is available (%d warm-up requests).", name, version, num_warmed)
        return True

    def _unload(self, name: str, *, keep: Collection[int]) -> None:
        with self._lock:
            loaded = self._loaded.get(name, {})
            leaving = {version: loaded.pop(version) for version in sorted(loaded) if version not in keep}
            for version in leaving:
                self._statuses[name][version] = VersionStatus(version, "UNLOADING")
        if leaving:
            self._notify()
        for version, servable in leaving.items():
            thread = threading.Thread(target=self._drain, args=(name, version, servable), daemon=True)
            thread.start()
            self._unloading.append(thread)

    def _drain(self, name: str, version: int, servable: Servable) -> None:
        servable.close()
        with self._lock:
            if self._statuses[name][version].state == "UNLOADING":  # it may have been loaded again meanwhile
                self._statuses[name][version] = VersionStatus(version, "END")
        logger.info("%s version %d is unloaded.", name, version)

    def _report_load(self, version_dir: Path, *, is_loaded: bool, start: float) -> None:
        if self.on_load is not None:
            self.on_load(str(version_dir), is_loaded=is_loaded, seconds=time.monotonic() - start)

    def _notify(self) -> None:
        if self.on_change is not None:
            self.on_change()

    def _set(self, name: str, status: VersionStatus) -> None:
        with self._lock:
            self._statuses.setdefault(name, {})[status.version] = status


def _files_of(folder: Path) -> _Files:
    """Returns name, size and time of change of every file below a folder."""
    files = []
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(OSError):  # it went while we looked
            about = path.stat()
            files.append((str(path.relative_to(folder)), about.st_size, about.st_mtime_ns))
    return tuple(files)


def _versions_in(base: Path) -> dict[int, Path]:
    """Returns version → path of the children of `base` whose whole name is a number of 63 bits."""
    return {
        int(entry.name): entry
        for entry in sorted(base.iterdir())
        if entry.name.isascii() and entry.name.isdigit() and int(entry.name) <= _MAX_VERSION
    }
