"""`ServedModels`: a folder of servables to the newest version of each, loaded; follows the folder while it changes.

The rules are TF Serving's. A version is a child of `models/<name>/` whose whole name is a whole number; the highest is
served. A new version is loaded before the old one is unloaded, and unloading waits for the requests under way. A
number whose load failed is never tried again, and changes under a loaded number are never noticed: publish by rename,
under a new number. An empty folder unloads the servable; a missing one changes nothing.
"""

import contextlib
import dataclasses
import functools
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

from tfrec.c_api import load_c_api
from tfrec.errors import ServingError, SourceError
from tfrec.prediction import warm_up
from tfrec.schema.wire import STATES
from tfrec.servable import Servable

_log = logging.getLogger(__name__)

_UNKNOWN, _NOT_FOUND = 2, 5
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


class ServedModels:
    """The loaded versions of a folder of servables. `poll` from one thread; `using` and `statuses` from any.

    Args:
        models_dir: holds `<name>/<version>/saved_model.pb`.
        intra_op_threads: see `Servable.load`.
        inter_op_threads: see `Servable.load`.

    Raises:
        SourceError: `models_dir` is no folder.
    """

    def __init__(self, models_dir: Path, *, intra_op_threads: int = 0, inter_op_threads: int = 0) -> None:
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

    @property
    def names(self) -> list[str]:
        """Names of the servables seen so far."""
        with self._lock:
            return sorted(self._statuses)

    @contextlib.contextmanager
    def using(self, name: str, version: int | None = None) -> Iterator[tuple[Servable, int]]:
        """Gives a loaded servable with its version, and keeps it loaded for the block.

        Args:
            name: of the servable.
            version: None = the newest loaded.

        Raises:
            ServingError: NOT_FOUND, it is not loaded.
        """
        with contextlib.ExitStack() as stack:
            with self._lock:
                loaded = self._loaded.get(name, {})
                found = max(loaded, default=None) if version is None else version
                if found is None or found not in loaded:
                    wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                    raise ServingError(f"Servable not found for request: {wanted}", code=_NOT_FOUND)
                servable = loaded[found]
                stack.enter_context(servable.in_use())
            yield servable, found

    def statuses(self, name: str) -> list[VersionStatus]:
        """Returns all versions of a servable ever seen, the highest first; empty for an unknown name."""
        with self._lock:
            return [status for _, status in sorted(self._statuses.get(name, {}).items(), reverse=True)]

    def is_available(self, name: str) -> bool:
        """Whether a version of the servable is loaded."""
        with self._lock:
            return bool(self._loaded.get(name))

    def load_first(self) -> None:
        """Loads what the folder holds at the start.

        Raises:
            ServingError: there is no servable, or the newest version of one cannot be loaded.
            EnvironmentSetupError: TensorFlow's C library is not installed.
        """
        load_c_api()  # so that its absence is not blamed on a version
        self.poll()
        failed = [
            f"{{{{name: {name} version: {status.version}}} due to error: {status.error_message}}}, "
            for name in self.names
            for status in self.statuses(name)
            if status.error_code
        ]
        if failed:
            text = f"{len(failed)} servable(s) did not become available: {{{''.join(failed)}}}"
            raise ServingError(f"Failed to start server. Error: {text}", code=_UNKNOWN)
        if not self.names:
            raise ServingError(
                f"There is no servable in {self._models_dir}: expected <name>/<version>/saved_model.pb with a whole "
                "number as version. `tfrec export` writes them.",
                code=_NOT_FOUND,
            )

    def poll(self) -> None:
        """Brings what is loaded in line with the folder: loads new versions, then unloads old ones."""
        self._unloading = [thread for thread in self._unloading if thread.is_alive()]
        for name in sorted({*self.names, *self._discovered()}):
            base = self._models_dir / name
            try:
                versions = _versions_in(base)
            except OSError as error:
                if name not in self._missing:
                    _log.warning("%s cannot be read (%s): its loaded version stays.", base, error)
                self._missing.add(name)
                continue
            self._missing.discard(name)
            self._follow(name, versions)

    def close(self) -> None:
        """Unloads everything and waits until the requests under way are answered."""
        for name in self.names:
            self._unload(name, keep=None)
        for thread in self._unloading:
            thread.join()

    def _discovered(self) -> list[str]:
        try:
            entries = sorted(entry for entry in self._models_dir.iterdir() if not entry.name.startswith("."))
            return [entry.name for entry in entries if entry.is_dir() and _versions_in(entry)]
        except OSError as error:
            _log.warning("%s cannot be read (%s): what is loaded stays.", self._models_dir, error)
            return []

    def _follow(self, name: str, versions: dict[int, Path]) -> None:
        if not versions:
            if self.is_available(name):
                _log.warning("%s holds no version any more: %s is unloaded.", self._models_dir / name, name)
            self._unload(name, keep=None)
            return
        aspired = max(versions)
        with self._lock:
            is_loaded = aspired in self._loaded.get(name, {})
            known = self._statuses.get(name, {}).get(aspired)
        if not is_loaded:
            if known is not None and known.error_code:
                return
            if not self._load(name, aspired, versions[aspired]):
                return
        self._unload(name, keep=aspired)

    def _load(self, name: str, version: int, version_dir: Path) -> bool:
        self._set(name, VersionStatus(version, "START"))
        self._set(name, VersionStatus(version, "LOADING"))
        _log.info("Loading %s version %d from %s.", name, version, version_dir)
        servable = None
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
            _log.error("%s version %d cannot be loaded and is not tried again: %s", name, version, text)
            return False
        with self._lock:
            self._loaded.setdefault(name, {})[version] = servable
            self._statuses[name][version] = VersionStatus(version, "AVAILABLE")
        _log.info("%s version %d is available (%d warm-up requests).", name, version, num_warmed)
        return True

    def _unload(self, name: str, *, keep: int | None) -> None:
        with self._lock:
            loaded = self._loaded.get(name, {})
            leaving = {version: loaded.pop(version) for version in sorted(loaded) if version != keep}
            for version in leaving:
                self._statuses[name][version] = VersionStatus(version, "UNLOADING")
        for version, servable in leaving.items():
            thread = threading.Thread(target=self._drain, args=(name, version, servable), daemon=True)
            thread.start()
            self._unloading.append(thread)

    def _drain(self, name: str, version: int, servable: Servable) -> None:
        servable.close()
        with self._lock:
            if self._statuses[name][version].state == "UNLOADING":  # it may have been loaded anew meanwhile
                self._statuses[name][version] = VersionStatus(version, "END")
        _log.info("%s version %d is unloaded.", name, version)

    def _set(self, name: str, status: VersionStatus) -> None:
        with self._lock:
            self._statuses.setdefault(name, {})[status.version] = status


def _versions_in(base: Path) -> dict[int, Path]:
    """Returns version → path of the children of `base` whose whole name is a number of 63 bits."""
    return {
        int(entry.name): entry
        for entry in sorted(base.iterdir())
        if entry.name.isascii() and entry.name.isdigit() and int(entry.name) <= _MAX_VERSION
    }
