"""Checks whether a prepared folder is what its recipe, raw files and program would give."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from tfrec.errors import SourceError
from tfrec.ingest.prepared import FORMAT_VERSION, SourceFile
from tfrec.sources.locate import RawFile
from tfrec.sources.remote_files import RemoteFile


def describe_files(paths: Sequence[RawFile], *, trusted: Sequence[SourceFile] = ()) -> tuple[SourceFile, ...]:
    """Returns size, time and SHA-256 of each file.

    Args:
        paths: the files.
        trusted: earlier descriptions: a file of equal path, size and time is not read again.

    Raises:
        SourceError: a file cannot be read.
    """
    trusted_files = {(source.path, source.size, source.mtime_ns): source for source in trusted}
    result = []
    for path in paths:
        if isinstance(path, RemoteFile):  # its store states whether it changed: it need not be read
            result.append(SourceFile(path.url, path.size, 0, path.version))
            continue
        state = path.stat()
        key = (str(path.absolute()), state.st_size, state.st_mtime_ns)
        if key in trusted_files:
            result.append(trusted_files[key])
            continue
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror}. Correct its permissions.") from error
        result.append(SourceFile(*key, digest))
    return tuple(result)


def fingerprint(recipe_text: str, sources: Sequence[SourceFile], *, settings: Mapping[str, str]) -> str:
    """Returns a digest of everything that a prepared folder depends on; where the files lie is no part of it."""
    parts = {
        "format": FORMAT_VERSION,
        "recipe": recipe_text,
        "files": [source.sha256 for source in sources],
        **settings,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
