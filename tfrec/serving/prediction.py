"""Answers a `PredictRequest` on a loaded servable, with TF Serving's checks in TF Serving's order.

Warm-up requests, stored beside a version, run through the same function before the version is served.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfrec.errors import SchemaError, ServingError
from tfrec.schema import wire
from tfrec.serving.limits import RequestLimits, parsing_error
from tfrec.serving.servable import Servable

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
_MAX_WARMUP_RECORDS = 1000
_INVALID_ARGUMENT, _UNIMPLEMENTED, _DATA_LOSS = 3, 12, 15


def check_request(servable: Servable, request: Any, limits: RequestLimits) -> int:
    """Returns the bytes that answering a request takes; needs no more time than its sizes do.

    Raises:
        ServingError: the signature is unknown, its inputs are not those that are sent, or the request is too large.
    """
    servable.check_aliases(servable.signature(request.model_spec.signature_name), request.inputs)
    return limits.memory(request.inputs, num_items=servable.num_items)


def predict(
    servable: Servable, request: Any, *, version: int, limits: RequestLimits | None = None, timeout_ms: int = 0
) -> Any:
    """Answers a request on the servable that its model spec was resolved to.

    Args:
        servable: the loaded version.
        request: a `PredictRequest`.
        version: number of the version, for the response.
        limits: what the request may ask for; None = the defaults.
        timeout_ms: the run is given up after so many milliseconds; 0 = never.

    Returns:
        A `PredictResponse` with tensors in typed fields.

    Raises:
        ServingError: with the code and the message of TF Serving.
    """
    check_request(servable, request, limits or RequestLimits())
    signature = servable.signature(request.model_spec.signature_name)
    inputs = {alias: _decoded(alias, request.inputs[alias]) for alias in signature.inputs if alias in request.inputs}
    output_filter = tuple(request.output_filter)
    servable.check_outputs(signature, output_filter)
    servable.check_dtypes(signature, {alias: request.inputs[alias].dtype for alias in inputs})
    outputs = servable.run(signature, inputs, output_filter, timeout_ms=timeout_ms, as_bytes=True)
    response = wire.PredictResponse(
        model_spec=wire.ModelSpec(name=request.model_spec.name, signature_name=signature.name),
        outputs={alias: wire.to_tensor_proto(array) for alias, array in outputs.items()},
    )
    response.model_spec.version.value = version
    return response


def warm_up(servable: Servable, version_dir: Path) -> int:
    """Runs the warm-up requests of a version, if it has any; returns their number.

    They lie in `assets.extra/tf_serving_warmup_requests`: an uncompressed TFRecord file of at most 1,000
    `PredictionLog` messages. Model name and version in them are not looked at.

    Raises:
        ServingError: the file is damaged or too long, or a request fails; the version must not be served then.
    """
    path = version_dir / WARMUP_FILE
    if not path.is_file():
        return 0
    count = 0
    for count, record in enumerate(_read_tfrecords(path), start=1):
        if count > _MAX_WARMUP_RECORDS:
            raise ServingError(
                f"Number of warmup records exceeds the maximum ({_MAX_WARMUP_RECORDS}) at {path}",
                code=_INVALID_ARGUMENT,
            )
        try:
            log = wire.PredictionLog.FromString(record)
        except Exception as error:  # protobuf's DecodeError differs between its implementations
            raise ServingError(f"Failed to parse warmup record: {error} in {path}", code=_INVALID_ARGUMENT) from error
        if not log.HasField("predict_log"):
            raise ServingError(f"Unsupported log_type for warmup: only predict_log is, in {path}", code=_UNIMPLEMENTED)
        predict(servable, log.predict_log.request, version=0)
    return count


def _decoded(alias: str, proto: Any) -> np.ndarray:
    try:
        return wire.to_ndarray(proto)
    except SchemaError as error:
        raise parsing_error(alias) from error


def _read_tfrecords(path: Path) -> Iterator[bytes]:
    """Yields the records of a TFRecord file: length (uint64), its masked CRC, data, masked CRC of the data."""
    content = path.read_bytes()
    start = 0
    while start < len(content):
        head = content[start : start + 12]
        length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else 0
        end = start + 12 + length
        if (
            len(head) < 12
            or end + 4 > len(content)
            or struct.unpack("<I", head[8:])[0] != masked_crc32c(head[:8])
            or struct.unpack("<I", content[end : end + 4])[0] != masked_crc32c(content[start + 12 : end])
        ):
            raise ServingError(
                f"corrupted record at {start} (Is this even a TFRecord file?). Please verify your warmup data is in "
                f"TFRecord format. File: {path}",
                code=_DATA_LOSS,
            )
        yield content[start + 12 : end]
        start = end + 4


def _crc32c_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc32c_table()


def masked_crc32c(content: bytes) -> int:
    """Returns the CRC-32C of `content`, rotated and offset as TFRecord files store it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
