"""The embedded server answers as TF Serving 2.20 does: codes and messages recorded from its own core.

`tf_serving_golden.json` holds what TF Serving's core (ServerCore, Predict, metadata, status, REST) answered on a model
built like `tiny_models.build_m`. `compare` says how far messages can be compared: those of kernels name graph nodes.

`TFREC_SERVING_TARGET=HOST:8500,HOST:8501` (gRPC, REST) asks a running TF Serving instead, which must serve `m`
version 1 of `python tests/tiny_models.py FOLDER` under the label `stable`.
"""

import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.serving.requests import call, metadata_of, put, request_to, status_of, strings
from tfrec.errors import ServingError
from tfrec.schema import wire
from tfrec.serving.limits import RequestLimits
from tfrec.serving.prediction import predict
from tfrec.serving.servable import Servable
from tfrec.serving.server import EmbeddedServer

GOLDEN = json.loads(Path(__file__).with_name("tf_serving_golden.json").read_text())

RACING = "RunOptions timeout_ms=1"
"""Races with the clock; the test of an endless run covers time outs."""


def two(**inputs: Any) -> Any:
    return request_to(signature="two_inputs", inputs=inputs)


def numbers(dtype: str, *values: int, content: bytes | None = None) -> Any:
    proto = wire.to_tensor_proto(np.array(values, dtype))
    if content is not None:
        proto.ClearField("int64_val")
        proto.tensor_content = content
    return proto


def with_both_choices(first: dict[str, Any], second: dict[str, Any]) -> bytes:
    """A model spec that holds version and label on the wire; parsers let the last one win."""
    plain = request_to().SerializeToString()
    tail = b"".join(
        wire.PredictRequest(model_spec=request_to(name="", inputs={}, **part).model_spec).SerializeToString()
        for part in (first, second)
    )
    return plain + tail


_UNTYPED = wire.TensorProto(tensor_shape=strings("a").tensor_shape, string_val=[b"a"])
_UNKNOWN_RANK = wire.TensorProto(dtype=7, tensor_shape=wire.TensorShapeProto(unknown_rank=True), string_val=[b"a"])
PREDICT: dict[str, Any] = {
    "no model_spec": wire.PredictRequest(inputs={"user_id": strings("user_3")}),
    "empty name": request_to(""),
    "unknown model": request_to("nope"),
    "unknown version 99": request_to(version=99),
    "version 0": request_to(version=0),
    "version -1": request_to(version=-1),
    "version 1": request_to(version=1),
    "label stable": request_to(label="stable"),
    "unknown label": request_to(label="canary"),
    "empty label ''": request_to(label=""),
    "label, unknown model": request_to("nope", label="stable"),
    "both on wire: version=99 then label=stable (last wins)": with_both_choices({"version": 99}, {"label": "stable"}),
    "both on wire: label=stable then version=99 (last wins)": with_both_choices({"label": "stable"}, {"version": 99}),
    "unknown signature": request_to(signature="nope"),
    "signature __saved_model_init_op": request_to(signature="__saved_model_init_op", inputs={}),
    "no inputs": request_to(inputs={}),
    "wrong alias": request_to(inputs={"uid": strings("a")}),
    "extra alias": request_to(inputs={"user_id": strings("a"), "x": strings("b")}),
    "two_inputs: one missing": two(user_id=strings("a")),
    "two_inputs: same count, one wrong": two(user_id=strings("a"), x=numbers("int64", 1)),
    "two_inputs: none": two(),
    "feed name instead of alias": request_to(inputs={"serving_default_user_id:0": strings("a")}),
    "wrong dtype int64": request_to(inputs={"user_id": numbers("int64", 1)}),
    "int32 for int64": two(user_id=strings("a"), hour=numbers("int32", 1)),
    "scalar": request_to(inputs={"user_id": strings("a", shape=())}),
    "rank2 [1,1]": request_to(inputs={"user_id": strings("a", shape=(1, 1))}),
    "batch mismatch 2 vs 3": two(user_id=strings("a", "b"), hour=numbers("int64", 1, 2, 3)),
    "empty batch [0]": request_to(inputs={"user_id": strings(shape=(0,))}),
    "shape [3], 1 value (broadcast)": request_to(inputs={"user_id": strings("a", shape=(3,))}),
    "shape [3], 2 values": request_to(inputs={"user_id": strings("a", "b", shape=(3,))}),
    "shape [2], 0 values": request_to(inputs={"user_id": strings(shape=(2,))}),
    "shape [1], 2 values": request_to(inputs={"user_id": strings("a", "b", shape=(1,))}),
    "dtype 0 (unset)": request_to(inputs={"user_id": _UNTYPED}),
    "empty TensorProto dtype string (no shape)": request_to(inputs={"user_id": wire.TensorProto(dtype=7)}),
    "dim -1": request_to(inputs={"user_id": strings("a", shape=(-1,))}),
    "unknown_rank": request_to(inputs={"user_id": _UNKNOWN_RANK}),
    "bad tensor_content length": two(user_id=strings("a"), hour=numbers("int64", 1, content=b"123")),
    "unknown string (OOV) ok": request_to(inputs={"user_id": strings("unknown")}),
    "non-utf8 bytes ok": request_to(inputs={"user_id": strings(b"\xff\xfe")}),
    "output_filter known": request_to(output_filter=["scores"]),
    "output_filter unknown": request_to(output_filter=["nope"]),
    "output_filter duplicate": request_to(output_filter=["scores", "scores"]),
    "output_filter tensor name": request_to(output_filter=["StatefulPartitionedCall:0"]),
    "bad filter AND bad input: which first": request_to(inputs={"x": strings("a")}, output_filter=["nope"]),
    "bad signature AND unknown model: which first": request_to("nope", "nope"),
    "long message truncation": request_to(inputs={"x" * 1500: strings("a")}),
}
RUN_TIMES = {
    "RunOptions timeout_ms=0": (1, 0),
    "RunOptions timeout_ms=-5": (1, -5),
    "200k rows, timeout 1ms": (200_000, 1),
}


METADATA = {
    "no model_spec": wire.GetModelMetadataRequest(metadata_field=["signature_def"]),
    "no metadata_field": metadata_of("m"),
    "unsupported field": metadata_of("m", "foo"),
    "signature_def + foo": metadata_of("m", "signature_def", "foo"),
    "unknown model": metadata_of("nope", "signature_def"),
    "unknown version": metadata_of("m", "signature_def", version=9),
    "unknown label": metadata_of("m", "signature_def", label="x"),
    "empty name": metadata_of("", "signature_def"),
    "ok": metadata_of("m", "signature_def"),
}
STATUS = {
    "no model_spec": wire.GetModelStatusRequest(),
    "ok": status_of("m"),
    "unknown model": status_of("nope"),
    "unknown version": status_of("m", version=9),
    "unknown label (ignored)": status_of("m", label="x"),
    "empty name": status_of(""),
}


def classification(name: str = "m", signature: str = "") -> Any:
    return wire.ClassificationRequest(model_spec=request_to(name, signature, inputs={}).model_spec)


def inference() -> Any:
    task = {"model_spec": request_to().model_spec, "method_name": "tensorflow/serving/classify"}
    return wire.MultiInferenceRequest(tasks=[task])


CLASSIFY: dict[str, tuple[str, Any]] = {
    "Classify on predict signature, no input": ("Classify", classification()),
    "Classify on predict signature": ("Classify", classification()),
    "Classify unknown sig": ("Classify", classification(signature="nope")),
    "Classify unknown model": ("Classify", classification("nope")),
    "Classify no spec": ("Classify", wire.ClassificationRequest()),
    "Regress on predict signature": ("Regress", classification()),
    "Regress unknown sig": ("Regress", classification(signature="nope")),
    "MultiInference empty": ("MultiInference", wire.MultiInferenceRequest()),
    "MultiInference predict sig": ("MultiInference", inference()),
}


class Target(NamedTuple):
    """Addresses of the server that is asked."""

    grpc: str
    rest: str


@pytest.fixture(scope="module")
def target(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    if "TFREC_SERVING_TARGET" in os.environ:
        yield Target(*os.environ["TFREC_SERVING_TARGET"].split(","))
        return
    folder = tmp_path_factory.mktemp("golden")
    put(tiny_models, folder, "m", "1", source="m/1")
    (folder / "models.config").write_text(
        'model_config_list { config { name: "m" base_path: "/m" version_labels { key: "stable" value: 1 } } }'
    )
    with EmbeddedServer(folder, port=0, rest_port=0) as server:
        yield Target(f"127.0.0.1:{server.port}", f"127.0.0.1:{server.rest_port}")


def replayed(group: str) -> Iterator[Any]:
    for case in GOLDEN:
        if case["group"] == group and case["case"] not in (RACING, *RUN_TIMES):
            yield pytest.param(case, id=case["case"])


def compare(case: dict[str, str], code: str, details: str) -> None:
    assert code == case["code"], details
    if case.get("compare") == "prefix":
        assert details.startswith(case["message"])
    elif case.get("compare") != "code only":
        assert details == case["message"]


@pytest.mark.parametrize("case", replayed("Predict"))
def test_predict_answers_as_tf_serving(target: Target, case: dict[str, str]):
    code, details, _ = call(target.grpc, wire.PREDICTION_SERVICE, "Predict", PREDICT[case["case"]])
    compare(case, code, details)


@pytest.mark.parametrize("case", replayed("GetModelMetadata"))
def test_metadata_answers_as_tf_serving(target: Target, case: dict[str, str]):
    code, details, _ = call(target.grpc, wire.PREDICTION_SERVICE, "GetModelMetadata", METADATA[case["case"]])
    compare(case, code, details)


@pytest.mark.parametrize("case", replayed("GetModelStatus"))
def test_status_answers_as_tf_serving(target: Target, case: dict[str, str]):
    code, details, _ = call(target.grpc, wire.MODEL_SERVICE, "GetModelStatus", STATUS[case["case"]])
    compare(case, code, details)


@pytest.mark.parametrize("name", RUN_TIMES)
def test_time_limits_answer_as_tf_serving(tiny_models: Path, name: str):
    case = next(case for case in GOLDEN if case["case"] == name)
    num_rows, timeout_ms = RUN_TIMES[name]
    request = request_to(inputs={"user_id": strings(*["user_1"] * num_rows)})
    with Servable.load(tiny_models / "m" / "1") as servable:
        try:
            predict(servable, request, version=1, limits=RequestLimits(max_rows=num_rows), timeout_ms=timeout_ms)
            code, details = "OK", ""
        except ServingError as error:
            code, details = {4: "DEADLINE_EXCEEDED"}[error.code], error.details
    compare(case, code, details)


@pytest.mark.parametrize("case", replayed("Classify/Regress/MultiInference"))
def test_classification_is_refused_as_by_tf_serving(target: Target, case: dict[str, str]):
    method, request = CLASSIFY[case["case"]]
    code, details, _ = call(target.grpc, wire.PREDICTION_SERVICE, method, request)
    compare(case, code, details)


HTTP_STATUS = {"OK": 200, "INVALID_ARGUMENT": 400, "NOT_FOUND": 404}


def shape_of(value: Any) -> Any:
    """JSON without its leaves: the model of the recording had other items and scores."""
    if isinstance(value, dict):
        return {key: shape_of(inner) for key, inner in value.items()}
    return [shape_of(inner) for inner in value] if isinstance(value, list) else type(value)


def rest(target: Target, method: str, path: str, body: str = "") -> tuple[int, str, str]:
    """Returns status, body and content type of one request."""
    connection = http.client.HTTPConnection(target.rest, timeout=20)
    try:
        connection.request(method, path, body.encode())
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers["Content-Type"]
    finally:
        connection.close()


@pytest.mark.parametrize("case", replayed("REST"))
def test_rest_answers_as_tf_serving(target: Target, case: dict[str, str]):
    method, path, body = case["request"].split(" ", 2)
    status, content, content_type = rest(target, method, path, body)
    assert (status, content_type) == (HTTP_STATUS[case["code"]], "application/json")
    if case["code"] != "OK":
        assert content == case["body"]
    elif case["case"] == "metadata":
        found = json.loads(content)["metadata"]["signature_def"]["signature_def"]
        recorded = json.loads(case["body"])["metadata"]["signature_def"]["signature_def"]
        assert found.keys() == recorded.keys()
        for name, signature in found.items():
            assert signature["method_name"] == recorded[name]["method_name"]
            assert signature["inputs"] == recorded[name]["inputs"]
            for alias, output in signature["outputs"].items():
                assert {**output, "name": ""} == {**recorded[name]["outputs"][alias], "name": ""}
    elif "predict" in path:
        assert shape_of(json.loads(content)) == shape_of(json.loads(case["body"]))
        lines = [line.split(":")[0] for line in case["body"].splitlines() if ":" in line or "{" in line]
        assert [line.split(":")[0] for line in content.splitlines() if ":" in line or "{" in line] == lines
    else:
        assert content == case["body"]


def test_every_golden_case_is_replayed():
    known = {
        "Predict": {**PREDICT, **RUN_TIMES, RACING: None},
        "GetModelMetadata": METADATA,
        "GetModelStatus": STATUS,
        "Classify/Regress/MultiInference": CLASSIFY,
    }
    left = [
        case["case"] for case in GOLDEN if case["group"] != "REST" and case["case"] not in known.get(case["group"], {})
    ]
    assert left == []
    assert len(GOLDEN) == 107
