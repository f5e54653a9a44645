"""Finds files of object stores (`s3://...`), and brings them here to be read."""

import dataclasses
import hashlib
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from tfrec.errors import EnvironmentSetupError, SourceError, install_hint


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A file of an object store.

    Attributes:
        url: where it lies.
        size: bytes.
        version: changes with its content, as far as the store states it.
    """

    url: str
    size: int
    version: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of its URL."""
        return PurePosixPath(self.url).name


def is_url(name: str) -> bool:
    """Returns whether the name of a file is a URL."""
    return "://" in name


def find_remote(url: str) -> list[RemoteFile]:
    """Returns the files that a URL names: itself, those below it, or those that match its pattern; by name.

    Credentials and endpoint come from the environment, as the store's own tools have them (`AWS_ENDPOINT_URL` ...).

    Raises:
        EnvironmentSetupError: fsspec, or its part for this kind of URL, is not installed.
        SourceError: the store cannot be read.
    """
    store, root = _open_store(url)
    try:
        found = store.glob(root) if any(sign in root for sign in "*?[") else store.find(root)
        infos = [(path, store.info(path)) for path in sorted(found)]
    except (OSError, ValueError) as error:
        raise SourceError(f"{url} cannot be read: {error}. Correct the URL, or the store's credentials.") from error
    return [
        RemoteFile(store.unstrip_protocol(path), int(info.get("size") or 0), _version(info))
        for path, info in infos
        if info.get("type") == "file"
    ]


def bring(file: RemoteFile, folder: Path) -> Path:
    """Returns a copy of the file in `folder`, below the folders of its URL.

    Raises:
        SourceError: it cannot be read.
    """
    store, path = _open_store(file.url)
    target = folder.joinpath(*[part for part in PurePosixPath(path).parts if part not in ("/", "..")])
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with store.open(path, "rb") as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, length=1 << 22)
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error}. Correct the URL, or the store's credentials.") from error
    return target


def _open_store(url: str) -> tuple[Any, str]:
    try:
        import fsspec

        return fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise EnvironmentSetupError(
            f"{url} needs fsspec and its part for this kind of URL ({error}). {install_hint('publish')}."
        ) from error
    except ValueError as error:
        raise SourceError(f"{url} is no URL of a store: {error}. Name a file, or s3://BUCKET/PLACE.") from error


def _version(info: dict[str, Any]) -> str:
    stated = {key: str(info[key]) for key in ("ETag", "etag", "md5Hash", "content_md5") if info.get(key)}
    if not stated:
        stated = {key: str(info[key]) for key in ("LastModified", "mtime", "created", "updated") if info.get(key)}
    return hashlib.sha256(repr((sorted(stated.items()), info.get("size"))).encode()).hexdigest()
