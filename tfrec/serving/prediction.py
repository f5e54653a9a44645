"""Answers a `PredictRequest` on a loaded servable, with TF Serving's checks in TF Serving's order.

Warm-up requests, stored beside a version, run through the same function before the version is served.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfrec.errors import SchemaError, ServingError
from tfrec.schema import wire
from tfrec.serving.limits import RequestLimits, parsing_error
from tfrec.serving.saved_model import ServableSignature
from tfrec.serving.servable import Servable
from tfrec.serving.tfrecords import read_tfrecords

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
_MAX_WARMUP_RECORDS = 1000
_INVALID_ARGUMENT, _UNIMPLEMENTED = 3, 12


def check_request(servable: Servable, request: Any, limits: RequestLimits) -> int:
    """Returns the bytes that answering a request takes; needs no more time than its sizes do.

    Raises:
        ServingError: the signature is unknown, its inputs are not those that are sent, or the request is too large.
    """
    signature = servable.signature(request.model_spec.signature_name)
    servable.check_aliases(signature, request.inputs)
    return _memory(servable, signature, servable.given(signature, request.inputs), limits)


def predict(
    servable: Servable, request: Any, *, version: int, limits: RequestLimits | None = None, timeout_ms: int = 0
) -> Any:
    """Answers a request on the servable that its model spec was resolved to.

    Args:
        servable: the loaded version.
        request: a `PredictRequest`.
        version: number of the version, for the response.
        limits: what the request may ask for; None = that was checked before, or the request is our own.
        timeout_ms: the run is given up after so many milliseconds; 0 = never.

    Returns:
        A `PredictResponse` with tensors in typed fields.

    Raises:
        ServingError: with the code and the message of TF Serving.
    """
    signature = servable.signature(request.model_spec.signature_name)
    servable.check_aliases(signature, request.inputs)
    given = servable.given(signature, request.inputs)
    if limits is not None:
        _memory(servable, signature, given, limits)
    inputs = {alias: _decoded(alias, given[alias]) for alias in signature.inputs if alias in given}
    output_filter = tuple(request.output_filter)
    servable.check_outputs(signature, output_filter)
    servable.check_dtypes(signature, {alias: given[alias].dtype for alias in inputs})
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
    for count, record in enumerate(read_tfrecords(path), start=1):
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


def _memory(servable: Servable, signature: ServableSignature, given: Mapping[str, Any], limits: RequestLimits) -> int:
    is_page, is_by_line = "widgets" in signature.inputs, signature.name == "arrange_cart"
    memory = limits.memory(given, num_items=servable.items_of_a_row, is_page=is_page, is_by_line=is_by_line)
    if servable.items_of_a_row == servable.num_items or "k" not in given:
        return memory
    most = min(int(_decoded("k", given["k"]).max(initial=0)), servable.num_items)  # a row holds all that it asks for
    if most <= servable.items_of_a_row:
        return memory
    return limits.memory(given, num_items=most, is_page=is_page, is_by_line=is_by_line)


def _decoded(alias: str, proto: Any) -> np.ndarray:
    try:
        return wire.to_ndarray(proto)
    except SchemaError as error:
        raise parsing_error(alias) from error
