"""Replays a certificate against a server or a servable: ids must be equal, scores within 1e-5."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfrec.client import RecommenderClient
from tfrec.errors import ServingError
from tfrec.release.certificate import Certificate, CertifiedQuery, hash_files, read_certificate
from tfrec.release.typical import as_batch
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.servable import Servable

TOLERANCE = 1e-5
"""Largest difference of a score, absolute below 1, relative above."""
_SHOWN = 5

Answer = Callable[[CertifiedQuery], Mapping[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Difference:
    """One thing that is not as certified.

    Attributes:
        servable: name and version that were certified, such as `shop/3`.
        where: signature and number of the query, a file, or `version`.
        expected: what the certificate says.
        found: what is.
    """

    servable: str
    where: str
    expected: str
    found: str


def check_folder(folder: Path, *, servable: str, version: int, loaded: Servable | None = None) -> list[Difference]:
    """Returns how a version folder differs from its certificate; it is loaded and asked as TF Serving would.

    Args:
        folder: holds `saved_model.pb`.
        servable: name that the version is served under.
        version: its number.
        loaded: the folder, loaded already; None = it is loaded for this.

    Raises:
        ServingError: it has no certificate.
        EnvironmentSetupError: TensorFlow's C library is not installed.
    """
    certificate = read_certificate(folder)
    name = f"{servable}/{version}"
    certified = f"{certificate.servable}/{certificate.version}"
    differences = [] if name == certified else [Difference(name, "version", certified, name)]
    differences += _different_files(name, certificate, hash_files(folder))
    if loaded is not None:
        return differences + _replayed(certificate, loaded)
    try:
        with Servable.load(folder, is_graph_rewritten=False) as opened:
            return differences + _replayed(certificate, opened)
    except ServingError as error:
        return [*differences, Difference(name, "load", "a version that loads", str(error))]


def check_server(
    client: RecommenderClient, certificate: Certificate, *, deadline: float | None = None
) -> list[Difference]:
    """Returns how a running server's answers differ from a certificate, its version included.

    Args:
        client: connected, and set to the version or label that is asked.
        certificate: certificate of the version that must answer.
        deadline: seconds a query; None = the client's.

    Raises:
        ServerUnreachableError: no server answers there.
    """
    name = f"{certificate.servable}/{certificate.version}"
    versions: set[int] = set()

    def answer(query: CertifiedQuery) -> Mapping[str, np.ndarray]:
        reply = client.answer(query.signature, query.arguments, deadline=deadline)
        versions.add(reply.version)
        return reply.outputs

    differences = replay(certificate, answer)
    others = sorted(versions - {certificate.version})
    if others:
        differences.insert(0, Difference(name, "version", str(certificate.version), ", ".join(map(str, others))))
    return differences


def replay(certificate: Certificate, answer: Answer) -> list[Difference]:
    """Returns the queries of a certificate that are answered differently.

    Args:
        certificate: gives queries and expected answers.
        answer: outputs `[1, k]` of a query.
    """
    name = f"{certificate.servable}/{certificate.version}"
    differences = []
    for number, query in enumerate(certificate.queries):
        where = f"{query.signature}, query {number}"
        try:
            outputs = answer(query)
        except ServingError as error:
            if isinstance(error, ConnectionError):
                raise
            differences.append(Difference(name, where, _shown(query.item_ids), f"{type(error).__name__}: {error}"))
            continue
        is_offered = (outputs["item_ids"][0] != "") & np.isfinite(outputs["scores"][0])
        item_ids, scores = outputs["item_ids"][0][is_offered], outputs["scores"][0][is_offered]
        if tuple(item_ids.tolist()) != query.item_ids:
            differences.append(Difference(name, where, _shown(query.item_ids), _shown(item_ids)))
            continue
        expected = np.array(query.scores)
        off = np.abs(scores - expected) > TOLERANCE * np.maximum(1.0, np.abs(expected))
        if off.any():
            place = int(off.argmax())
            text = f"score of {item_ids[place]}: {{:.6g}}"
            differences.append(Difference(name, where, text.format(expected[place]), text.format(scores[place])))
    return differences


def _replayed(certificate: Certificate, loaded: Servable) -> list[Difference]:
    return replay(certificate, lambda query: loaded.call(query.signature, _inputs(query)))


def _inputs(query: CertifiedQuery) -> dict[str, np.ndarray]:
    return as_batch(SIGNATURES[query.signature], [query.arguments])


def _different_files(name: str, certificate: Certificate, digests: Mapping[str, str]) -> list[Difference]:
    differences = []
    for file in sorted({*certificate.files, *digests}):
        expected, actual = certificate.files.get(file), digests.get(file)
        if expected != actual:
            differences.append(Difference(name, file, _short(expected), _short(actual)))
    return differences


def _short(digest: str | None) -> str:
    return "no such file" if digest is None else f"sha256 {digest[:12]}"


def _shown(item_ids: Any) -> str:
    shown = ", ".join(list(item_ids)[:_SHOWN])
    return (shown + (", ..." if len(item_ids) > _SHOWN else "")) or "nothing"
