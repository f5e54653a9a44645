"""Reads the request logs of `tfrec serve` back: TFRecord files of `PredictionLog` to `LoggedRequest`s."""

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfrec.errors import ServingError, SourceError
from tfrec.schema import wire
from tfrec.serving.tfrecords import read_tfrecords

logger = logging.getLogger(__name__)

_PATTERN = "*.tfrecord"
_HINT = "Requests are logged by: tfrec serve MODELS --request-log DIR"


@dataclasses.dataclass(frozen=True)
class LoggedRequest:
    """An answered request.

    Attributes:
        servable: its name.
        signature: signature that was asked.
        version: version that answered; 0 = not noted.
        share: of all requests, how many were logged; 1 = not noted.
        inputs: alias → `TensorProto`.
        outputs: alias → `TensorProto`; empty where the answer was not logged.
    """

    servable: str
    signature: str
    version: int
    share: float
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]


def log_files(places: Sequence[Path]) -> list[Path]:
    """Returns the files of logs: those named, and of folders all `*.tfrecord`, by name.

    Raises:
        SourceError: a place is not there, or a folder holds none.
    """
    files: list[Path] = []
    for place in places:
        found = sorted(place.glob(_PATTERN)) if place.is_dir() else [place]
        if not place.exists():
            raise SourceError(f"{place} is not there. {_HINT}")
        if not found:
            raise SourceError(f"{place} holds no logged requests: there is no {_PATTERN} in it. {_HINT}")
        files += found
    return list(dict.fromkeys(files))


def read_logged_requests(file: Path) -> Iterator[LoggedRequest]:
    """Yields the requests of one file; what follows a damaged record is left out, with a warning.

    Raises:
        SourceError: the file cannot be read, or holds something else.
    """
    count = 0
    try:
        for count, record in enumerate(read_tfrecords(file), start=1):
            yield _request_of(record, where=f"Record {count} of {file}")
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{file} cannot be read: {error.strerror or error}.") from error
    except ServingError as error:
        if not count:
            raise SourceError(f"{file} is no log of requests: it is not in TFRecord format. {_HINT}") from error
        logger.warning("%s is damaged after %d requests; what follows there is left out.", file, count)


def _request_of(record: bytes, *, where: str) -> LoggedRequest:
    try:
        log = wire.PredictionLog.FromString(record)
        if not log.HasField("predict_log"):
            raise ValueError("no predict_log")
    except Exception as error:  # protobuf's DecodeError differs between its implementations
        raise SourceError(f"{where} is no logged request (PredictionLog): {error}. {_HINT}") from error
    request, response, noted = log.predict_log.request, log.predict_log.response, log.log_metadata
    spec = request.model_spec
    return LoggedRequest(
        servable=spec.name,
        signature=response.model_spec.signature_name or spec.signature_name or wire.DEFAULT_SIGNATURE,
        version=response.model_spec.version.value or noted.model_spec.version.value,
        share=noted.sampling_config.sampling_rate or 1.0,
        inputs=request.inputs,
        outputs=response.outputs,
    )
