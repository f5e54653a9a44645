"""Versions put into a served folder, requests to a server, and waiting for what they bring about."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from tfrec.schema import wire
from tfrec.serving.versions import ServedModels


def call(port: int | str, service: str, method: str, request: Any, *, timeout: float = 10.0) -> tuple[str, str, bytes]:
    """Returns code, details and response bytes of one raw call to a port of this machine, or to `host:port`."""
    target = port if isinstance(port, str) else f"127.0.0.1:{port}"
    content = request if isinstance(request, bytes) else request.SerializeToString()
    with grpc.insecure_channel(target, [("grpc.max_receive_message_length", -1)]) as channel:
        try:
            return "OK", "", channel.unary_unary(f"/{service}/{method}")(content, timeout=timeout)
        except grpc.RpcError as error:
            return error.code().name, error.details(), b""


def strings(*values: str | bytes, shape: tuple[int, ...] | None = None) -> Any:
    proto = wire.to_tensor_proto(np.array(list(values), dtype=object))
    if shape is not None:
        del proto.tensor_shape.dim[:]
        for size in shape:
            proto.tensor_shape.dim.add(size=size)
    return proto


def request_to(name: str = "m", signature: str = "", *, inputs: dict[str, Any] | None = None, **spec: Any) -> Any:
    request = wire.PredictRequest(
        model_spec=wire.ModelSpec(name=name, signature_name=signature),
        inputs={"user_id": strings("user_3")} if inputs is None else inputs,
    )
    if "version" in spec:
        request.model_spec.version.value = spec["version"]
    if "label" in spec:
        request.model_spec.version_label = spec["label"]
    request.output_filter.extend(spec.get("output_filter", ()))
    return request


def put(tiny_models: Path, folder: Path, name: str, version: str, *, source: str = "shop/1") -> None:
    """Publishes a version by rename."""
    (folder / name).mkdir(exist_ok=True)
    shutil.copytree(tiny_models / source, folder / name / f".tmp-{version}")
    (folder / name / f".tmp-{version}").rename(folder / name / version)


def until(condition: Callable[[], bool]) -> None:
    stop = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < stop
        time.sleep(0.005)


def states(models: ServedModels, name: str = "shop") -> dict[int, str]:
    return {status.version: status.state for status in models.statuses(name)}


def metadata_of(name: str = "m", *fields: str, **spec: Any) -> Any:
    request = wire.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.CopyFrom(request_to(name, **spec).model_spec)
    return request


def status_of(name: str, **spec: Any) -> Any:
    return wire.GetModelStatusRequest(model_spec=request_to(name, **spec).model_spec)
