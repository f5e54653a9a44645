"""`Place`: a folder of servables on this machine, or under a URL of an object store, by the same few verbs.

    models.config                    versions and labels in service
    shop/3/...                       a version
    shop/.published/3.json           a mark: the hashes of its files; written last, kept for ever
    shop/.withdrawn/3/...            a version that was taken back

In an object store a version counts as there only with its mark, since there is no rename that would show it whole. A
mark outlives its version, so that no number is given twice.
"""

import contextlib
import errno
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tfrec.errors import EnvironmentSetupError, SourceError, install_hint
from tfrec.publish import FolderKind, replacing, write_text
from tfrec.serving.models_config import CONFIG, CONFIG_KIND, FALLBACK, SERVABLES, ServableConfig, parse_serving_config

VERSION_FOLDER = FolderKind("a version of a servable")
ALL_SERVABLES = (*SERVABLES, FALLBACK)
GRAPH = "saved_model.pb"
_MARKS, _WITHDRAWN = ".published", ".withdrawn"


class Place:
    """Where servables lie.

    Args:
        url: a path, `file://...`, or a URL that fsspec knows (`s3://bucket/shop`, `gs://...`). Credentials and endpoint
            come from the environment, as the store's own tools have them (`AWS_ENDPOINT_URL` ...).

    Raises:
        EnvironmentSetupError: fsspec, or what it needs for this kind of URL, is not installed.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = str(url).rstrip("/")
        self.path: Path | None = None
        if "://" not in self.url or self.url.startswith("file://"):
            self.path = Path(self.url.removeprefix("file://"))
            return
        try:
            import fsspec

            self._fs, self._root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except ImportError as error:
            raise EnvironmentSetupError(
                f"{self.url} needs fsspec and its part for this kind of URL ({error}). {install_hint('publish')}."
            ) from error
        except ValueError as error:
            raise SourceError(
                f"{self.url} is no URL of a store: {error}. Name a folder, or s3://BUCKET/PLACE."
            ) from error

    def __str__(self) -> str:
        return self.url

    # --- what is there --------------------------------------------------------------------------------------------

    def versions(self, servable: str) -> list[int]:
        """Returns the numbers of a servable's versions, ascending."""
        if self.path is None:
            names = [name.removesuffix(".json") for name in self._names(f"{servable}/{_MARKS}")]
            gone = set(self._names(f"{servable}/{_WITHDRAWN}"))
            return sorted(int(name) for name in names if name.isdigit() and name not in gone)
        base = self.path / servable
        names = [name for name in self._names(servable) if name.isascii() and name.isdigit()]
        return sorted(int(name) for name in names if (base / name / GRAPH).is_file())

    def whole_versions(self) -> list[int]:
        """Returns the numbers that all servables of a funnel have, ascending."""
        return sorted(set.intersection(*(set(self.versions(servable)) for servable in SERVABLES)))

    def config(self) -> dict[str, ServableConfig]:
        """Returns what `models.config` names; empty where there is none.

        Raises:
            SourceError: it cannot be read, or the store does not answer.
        """
        text = self.read_text(CONFIG)
        return {} if text is None else parse_serving_config(text, where=f"{self}/{CONFIG}")

    def in_service(self) -> list[tuple[str, int]]:
        """Returns servable and version of all that a server which follows this place loads.

        Raises:
            SourceError: there is none.
        """
        names = self.config() or {name: ServableConfig(name, name) for name in ALL_SERVABLES}
        versions = [
            (name, version) for name, one in sorted(names.items()) for version in one.wanted(self.versions(one.folder))
        ]
        if not versions:
            raise SourceError(
                f"{self} holds no version of a servable: expected shop/1/{GRAPH} and its like. "
                "Train one first: tfrec train PREPARED --out MODELS"
            )
        return versions

    def mark(self, servable: str, version: int) -> dict[str, str] | None:
        """Returns file → SHA-256 of a version that was published here, gone or not; None without a mark."""
        text = self.read_text(f"{servable}/{_MARKS}/{version}.json")
        if text is None:
            return None
        files: dict[str, str] = json.loads(text)["files"]
        return files

    # --- bytes ----------------------------------------------------------------------------------------------------

    def read_text(self, name: str) -> str | None:
        """Returns a small file; None where there is none."""
        with self._errors("read"):
            if self.path is not None:
                file = self.path / name
                return file.read_text(encoding="utf-8") if file.is_file() else None
            try:
                content: bytes = self._fs.cat_file(f"{self._root}/{name}")
            except FileNotFoundError:
                return None
            return content.decode("utf-8")

    def write_text(self, name: str, text: str) -> None:
        """Writes a small file: the whole of it or nothing."""
        with self._errors("written"):
            if self.path is None:
                self._fs.pipe_file(f"{self._root}/{name}", text.encode("utf-8"))
                return
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file) as work:
                work.write_text(text, encoding="utf-8")

    def write_config(self, text: str) -> None:
        """Writes `models.config`.

        Raises:
            SourceError: the one in the folder was written by hand.
        """
        if self.path is None:
            self.write_text(CONFIG, text)
            return
        with self._errors("written"):
            write_text(self.path / CONFIG, text, CONFIG_KIND)

    def set_mark(self, servable: str, version: int, files: Mapping[str, str]) -> None:
        """Notes that a version is published whole."""
        text = json.dumps({"servable": servable, "version": version, "files": dict(files)}, indent=1)
        self.write_text(f"{servable}/{_MARKS}/{version}.json", text + "\n")

    def fetch(self, servable: str, version: int, folder: Path) -> None:
        """Copies a version's files into an empty folder of this machine."""
        with self._errors("read"):
            if self.path is not None:
                shutil.copytree(self.path / servable / str(version), folder, dirs_exist_ok=True)
                return
            base = f"{self._root}/{servable}/{version}"
            for name in self._fs.find(base):
                file = folder / str(name)[len(base) + 1 :]
                file.parent.mkdir(parents=True, exist_ok=True)
                self._fs.get_file(name, str(file))

    def send(self, folder: Path, servable: str, version: int, names: list[str]) -> None:
        """Copies files of a version's folder into an object store."""
        with self._errors("written"):
            for name in names:
                self._fs.put_file(str(folder / name), f"{self._root}/{servable}/{version}/{name}")

    def clear(self, servable: str, version: int) -> None:
        """Removes what an interrupted publication left in an object store."""
        with self._errors("written"):
            remaining = self._fs.find(f"{self._root}/{servable}/{version}")
            if remaining:
                self._fs.rm(remaining)

    def withdraw(self, servable: str, version: int) -> str:
        """Moves a version aside, where no server looks, and returns where it then lies."""
        aside = f"{servable}/{_WITHDRAWN}/{version}"
        with self._errors("written"):
            if self.path is not None:
                (self.path / aside).parent.mkdir(exist_ok=True)
                (self.path / servable / str(version)).rename(self.path / aside)
                return f"{self}/{aside}"
            base = f"{self._root}/{servable}/{version}"
            files = sorted(map(str, self._fs.find(base)), key=lambda name: not name.endswith(GRAPH))
            for name in files:
                self._fs.copy(name, f"{self._root}/{aside}{name[len(base) :]}")
            for name in files:  # the graph first: without it nothing there is a version
                self._fs.rm_file(name)
            return f"{self}/{aside}"

    def forget(self, servable: str, version: int) -> None:
        """Removes a version, and its mark, from a folder of this machine that only copies another place."""
        assert self.path is not None
        with self._errors("written"):
            (self.path / servable / _MARKS / f"{version}.json").unlink(missing_ok=True)
            aside = self.path / servable / f".removed-{version}"
            (self.path / servable / str(version)).rename(aside)
            shutil.rmtree(aside)

    def _names(self, folder: str) -> list[str]:
        """Returns the names of a folder's direct children."""
        with self._errors("read"):
            if self.path is not None:
                base = self.path / folder
                return sorted(entry.name for entry in base.iterdir()) if base.is_dir() else []
            try:
                paths = self._fs.ls(f"{self._root}/{folder}", detail=False)
            except FileNotFoundError:
                return []
            return sorted(str(name).rstrip("/").rsplit("/", 1)[1] for name in paths)

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Names the place in errors of the system, or of the store's client, whatever its classes are."""
        try:
            yield
        except SourceError:
            raise
        except OSError as error:
            raise SourceError(_failure_text(self.url, what, error)) from error
        except Exception as error:
            if self.path is not None:
                raise
            raise SourceError(
                f"{self.url} cannot be {what}: {type(error).__name__}: {error}. Check address and credentials."
            ) from error


def _failure_text(url: str, what: str, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"The disk of {url} is full; nothing new is visible there. Make room and run the same command again."
    return f"{url} cannot be {what}: {error.strerror or error}."


def read_about(folder: Path) -> dict[str, Any]:
    """Returns what the `tfrec.json` of a version folder contains; empty where it cannot be read."""
    try:
        about: dict[str, Any] = json.loads((folder / "assets.extra" / "tfrec.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about
