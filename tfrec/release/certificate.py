"""`Certificate`: what a version of a servable must answer, and of what it was made, kept in its `assets.extra`.

Queries are stored as the client takes them, expectations as the trainer's own graph answered them; hashes identify the
files, data, vocabularies, code and packages they belong to.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfrec.errors import ServingError

CERTIFICATE = Path("assets.extra") / "certificate.json"
FORMAT = 1
_UNSIGNED = "assets.extra"  # what explains a version is not part of it
_PACKAGES = ("tensorflow", "tf-keras", "tensorflow-recommenders", "numpy", "protobuf", "tfrec")


@dataclasses.dataclass(frozen=True)
class CertifiedQuery:
    """One query and its right answer.

    Attributes:
        signature: signature that is asked.
        arguments: input name → value or list, without padding; what is left out takes its default.
        item_ids: expected items, best first.
        scores: their scores.
    """

    signature: str
    arguments: Mapping[str, Any]
    item_ids: tuple[str, ...]
    scores: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Certificate:
    """Proof of one version of one servable.

    Attributes:
        servable: its name.
        version: its number.
        queries: typical queries of each of its signatures.
        files: path inside the version's folder → SHA-256.
        data: fingerprint of the prepared shop.
        vocabularies: name → SHA-256 of its tokens in order.
        code: SHA-256 of the package's sources.
        packages: name → version, of what wrote the graph.
        num_users: number of users that the version stores; -1 = written before it was noted.
        format: format of this file.
    """

    servable: str
    version: int
    queries: tuple[CertifiedQuery, ...]
    files: Mapping[str, str]
    data: str
    vocabularies: Mapping[str, str]
    code: str
    packages: Mapping[str, str]
    num_users: int = -1
    format: int = FORMAT

    def to_json(self) -> str:
        """Returns the certificate as it is stored."""
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n"


def read_certificate(folder: Path) -> Certificate:
    """Returns the certificate of a version folder.

    Raises:
        ServingError: it has none, or one that cannot be read.
    """
    path = folder / CERTIFICATE
    try:
        return parse_certificate(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ServingError(
            f"{folder} has no {CERTIFICATE}: it was exported by an older tfrec. Export it again: tfrec export MODELS"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ServingError(f"{path} cannot be read: {error}. Export the version again: tfrec export MODELS") from error


def parse_certificate(text: str) -> Certificate:
    """Returns a certificate from its JSON text.

    Raises:
        ValueError: it is of another format.
        KeyError: a field is missing.
        TypeError: a field is unknown.
    """
    content = json.loads(text)
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']}, but this tfrec reads format {FORMAT}")
    queries = tuple(
        CertifiedQuery(
            query["signature"], query["arguments"], tuple(query["item_ids"]), tuple(map(float, query["scores"]))
        )
        for query in content.pop("queries")
    )
    return Certificate(**content, queries=queries)


def hash_files(folder: Path) -> dict[str, str]:
    """Returns relative path → SHA-256 of the files that a server loads: hidden ones and `assets.extra` are left out."""
    hashes = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        if not name.startswith((f"{_UNSIGNED}/", ".")):
            with file.open("rb") as stream:
                hashes[name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return hashes


def hash_code() -> str:
    """Returns the SHA-256 of this package's sources."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        digest.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def hash_tokens(tokens: Any) -> str:
    """Returns the SHA-256 of texts in their order."""
    return hashlib.sha256("\0".join(map(str, tokens)).encode("utf-8", "surrogateescape")).hexdigest()


def package_versions() -> dict[str, str]:
    """Returns the versions of the packages that decide what a graph answers."""
    hashes = {}
    for name in _PACKAGES:
        try:
            hashes[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return hashes
