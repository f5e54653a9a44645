"""The embedded server answers as TF Serving 2.20 does: codes and messages recorded from its own core, and hot swaps.

`tf_serving_golden.json` holds what TF Serving's core (ServerCore, Predict, metadata, status) answered on a model built
like `tiny_models.build_m`. `compare` says how far messages can be compared: those of kernels name graph nodes.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serving.requests import call, request_to, strings
from tfrec.errors import ConfigError, ServingError, SourceError
from tfrec.schema import wire
from tfrec.serving.limits import RequestLimits
from tfrec.serving.prediction import predict
from tfrec.serving.servable import Servable
from tfrec.serving.server import EmbeddedServer

GOLDEN = json.loads(Path(__file__).with_name("tf_serving_golden.json").read_text())

# Cases of TF Serving that are answered differently on purpose, and why.
LEFT_OUT = "no exported signature classifies or regresses: UNIMPLEMENTED with a text that says what to call"
INTENDED_DIFFERENCES = {
    "RunOptions timeout_ms=1": "races with the clock; the test of an endless run covers time outs",
    **{case["case"]: LEFT_OUT for case in GOLDEN if case["group"] == "Classify/Regress/MultiInference"},
}


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


def metadata_of(name: str = "m", *fields: str, **spec: Any) -> Any:
    request = wire.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.CopyFrom(request_to(name, **spec).model_spec)
    return request


def status_of(name: str, **spec: Any) -> Any:
    return wire.GetModelStatusRequest(model_spec=request_to(name, **spec).model_spec)


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


@pytest.fixture(scope="module")
def models(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name in ("m", "shop", "plain"):
        shutil.copytree(tiny_models / name, folder / name)
    (folder / "no_version").mkdir()
    (folder / "no_version" / "v1").mkdir()
    return folder


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[EmbeddedServer]:
    names = ("m", "plain", "shop")
    config = [f'config {{ name: "{name}" base_path: "/elsewhere/{name}" }}' for name in names]
    config[0] = config[0].replace(" }", ' version_labels { key: "stable" value: 1 } }')
    file = models.parent / "labels.config"
    file.write_text(f"model_config_list {{ {' '.join(config)} }}", encoding="utf-8")
    with EmbeddedServer(models, port=0, config_file=file) as running:
        yield running


def replayed(group: str) -> Iterator[Any]:
    for case in GOLDEN:
        if case["group"] == group and case["case"] not in INTENDED_DIFFERENCES and case["case"] not in RUN_TIMES:
            yield pytest.param(case, id=case["case"])


def compare(case: dict[str, str], code: str, details: str) -> None:
    assert code == case["code"], details
    if case.get("compare", "whole") == "whole":
        assert details == case["message"]


@pytest.mark.parametrize("case", replayed("Predict"))
def test_predict_answers_as_tf_serving(server: EmbeddedServer, case: dict[str, str]):
    code, details, _ = call(server.port, wire.PREDICTION_SERVICE, "Predict", PREDICT[case["case"]])
    compare(case, code, details)


@pytest.mark.parametrize("case", replayed("GetModelMetadata"))
def test_metadata_answers_as_tf_serving(server: EmbeddedServer, case: dict[str, str]):
    code, details, _ = call(server.port, wire.PREDICTION_SERVICE, "GetModelMetadata", METADATA[case["case"]])
    compare(case, code, details)


@pytest.mark.parametrize("case", replayed("GetModelStatus"))
def test_status_answers_as_tf_serving(server: EmbeddedServer, case: dict[str, str]):
    code, details, _ = call(server.port, wire.MODEL_SERVICE, "GetModelStatus", STATUS[case["case"]])
    compare(case, code, details)


@pytest.mark.parametrize("name", RUN_TIMES)
def test_time_limits_answer_as_tf_serving(models: Path, name: str):
    case = next(case for case in GOLDEN if case["case"] == name)
    num_rows, timeout_ms = RUN_TIMES[name]
    request = request_to(inputs={"user_id": strings(*["user_1"] * num_rows)})
    with Servable.load(models / "m" / "1") as servable:
        try:
            predict(servable, request, version=1, limits=RequestLimits(max_rows=num_rows), timeout_ms=timeout_ms)
            code, details = "OK", ""
        except ServingError as error:
            code, details = {4: "DEADLINE_EXCEEDED"}[error.code], error.details
    compare(case, code, details)


def test_every_golden_case_is_replayed_or_differs_on_purpose():
    known = {"Predict": {**PREDICT, **RUN_TIMES}, "GetModelMetadata": METADATA, "GetModelStatus": STATUS}
    left = [
        case["case"]
        for case in GOLDEN
        if case["case"] not in known.get(case["group"], {}) and case["case"] not in INTENDED_DIFFERENCES
    ]
    assert left == []


@pytest.mark.parametrize(
    ("service", "method"),
    [
        (wire.PREDICTION_SERVICE, "Classify"),
        (wire.PREDICTION_SERVICE, "Regress"),
        (wire.PREDICTION_SERVICE, "MultiInference"),
        (wire.MODEL_SERVICE, "HandleReloadConfigRequest"),
        ("tensorflow.serving.SessionService", "SessionRun"),
    ],
)
def test_what_is_left_out_says_so(server: EmbeddedServer, service: str, method: str):
    code, details, _ = call(server.port, service, method, b"")
    assert code == "UNIMPLEMENTED"
    assert method in details or "Method not found" in details


def test_the_answer_names_version_and_signature_and_uses_typed_fields(server: EmbeddedServer):
    _, _, content = call(server.port, wire.PREDICTION_SERVICE, "Predict", request_to(label="stable"))
    response = wire.PredictResponse.FromString(content)
    assert (response.model_spec.name, response.model_spec.signature_name) == ("m", "serving_default")
    assert response.model_spec.version.value == 1
    assert len(response.outputs["scores"].float_val) == 10
    assert not response.outputs["scores"].tensor_content
    assert wire.to_ndarray(response.outputs["item_ids"]).shape == (1, 10)


def test_metadata_holds_the_signatures_with_their_defaults(server: EmbeddedServer):
    _, _, content = call(server.port, wire.PREDICTION_SERVICE, "GetModelMetadata", metadata_of("shop", "signature_def"))
    response = wire.GetModelMetadataResponse.FromString(content)
    assert response.metadata["signature_def"].type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    signatures = wire.SignatureDefMap.FromString(response.metadata["signature_def"].value).signature_def
    assert "__saved_model_init_op" in signatures
    assert wire.to_ndarray(signatures["similar"].defaults["k"]).tolist() == [10]


def test_a_request_that_would_exhaust_the_memory_is_refused(server: EmbeddedServer):
    for shape in [(10_000_000,), (16_000, 10**9), (10**9, 10**9, 10**9), (1,) * 300, (2**62, 2**62, 0)]:
        request = request_to("plain", "echo_string", inputs={"x": strings("a", shape=shape)})
        code, _, _ = call(server.port, wire.PREDICTION_SERVICE, "Predict", request)
        assert code == "INVALID_ARGUMENT"


def test_undecodable_bytes_do_not_hurt_the_server(server: EmbeddedServer):
    assert call(server.port, wire.PREDICTION_SERVICE, "Predict", b"\xff" * 20)[0] == "INTERNAL"
    assert call(server.port, wire.PREDICTION_SERVICE, "Predict", request_to())[0] == "OK"


def test_a_deadline_ends_the_run_on_the_server_too(server: EmbeddedServer):
    request = request_to("plain", "slow", inputs={"rounds": wire.to_tensor_proto(np.array(10**8, np.int32))})
    assert call(server.port, wire.PREDICTION_SERVICE, "Predict", request, timeout=0.3)[0] == "DEADLINE_EXCEEDED"
    # An endless run would keep the servable in use, and `stop` would wait for it for ever.


@pytest.mark.parametrize(("service", "status"), [("", 1), ("shop", 1), ("PredictionService", 1), ("nope", None)])
def test_health_follows_the_servables(server: EmbeddedServer, service: str, status: int | None):
    code, _, content = call(server.port, wire.HEALTH_SERVICE, "Check", wire.HealthCheckRequest(service=service))
    if status is None:
        assert code == "NOT_FOUND"
    else:
        assert wire.HealthCheckResponse.FromString(content).status == status


def test_a_taken_port_is_an_error(server: EmbeddedServer, models: Path):
    with pytest.raises(ServingError, match="Cannot listen on"):
        EmbeddedServer(models, port=server.port).start()


def test_it_listens_on_loopback_only(server: EmbeddedServer):
    sockets = [
        line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]
    ]
    listening = [local for _, local, _, state, *_ in sockets if state == "0A" and local.endswith(f":{server.port:04X}")]
    assert [local.split(":")[0][-8:] for local in listening] == ["0100007F"]


def test_a_folder_without_servables_says_what_is_expected(tmp_path: Path):
    with pytest.raises(SourceError, match="tfrec export"):
        EmbeddedServer(tmp_path / "missing")
    with pytest.raises(ServingError, match="no servable in"):
        EmbeddedServer(tmp_path, port=0).start()


def test_a_broken_first_version_ends_the_start(models: Path, tmp_path: Path):
    (tmp_path / "q" / "1").mkdir(parents=True)
    with pytest.raises(ServingError, match=r"1 servable\(s\) did not become available: \{\{\{name: q version: 1\}"):
        EmbeddedServer(tmp_path, port=0).start()


@pytest.mark.parametrize(
    "setting", [{"port": -1}, {"port": 70_000}, {"poll_seconds": 0}, {"max_threads": 0}, {"max_waiting": -1}], ids=str
)
def test_a_setting_out_of_range_is_an_error(models: Path, setting: dict[str, int]):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        EmbeddedServer(models, **setting)


# --- as a process -----------------------------------------------------------------------------------------------------

_SERVE = """
import logging, sys
from tfrec.serving.server import EmbeddedServer, serve
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
serve(EmbeddedServer(sys.argv[1], port=0))
assert "tensorflow" not in sys.modules
print("stopped", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_stops_it_gracefully(models: Path, number: signal.Signals):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", _SERVE, models], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    while "Serving m, plain, shop on 127.0.0.1:" not in (line := process.stdout.readline()):
        assert line
    port = int(line.rstrip(".\n").rsplit(":", 1)[1])
    assert call(port, wire.PREDICTION_SERVICE, "Predict", request_to())[0] == "OK"
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.endswith("stopped\n")


_OFFICIAL = """
import sys
import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2, get_model_status_pb2, model_service_pb2_grpc, predict_pb2, prediction_service_pb2_grpc,
)
import tfrec.schema.wire  # both sets of messages in one process

channel = grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}")
prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
request = predict_pb2.PredictRequest()
request.model_spec.name = "shop"
request.model_spec.signature_name = "complete_cart"
request.inputs["cart_item_ids"].CopyFrom(tf.make_tensor_proto([["item_0", "item_3"], ["", ""]]))
request.inputs["k"].CopyFrom(tf.make_tensor_proto(np.array([2, 3], np.int32)))
request.inputs["min_price"].CopyFrom(tf.make_tensor_proto(np.zeros(2, np.float32)))
response = prediction.Predict(request, timeout=10)
item_ids = tf.make_ndarray(response.outputs["item_ids"])
assert item_ids.tolist() == [[b"item_1", b"item_2", b""], [b"item_0", b"item_1", b"item_2"]], item_ids
assert tf.make_ndarray(response.outputs["prices"]).dtype == np.float32

metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
metadata.model_spec.name = "shop"
signatures = get_model_metadata_pb2.SignatureDefMap()
assert prediction.GetModelMetadata(metadata).metadata["signature_def"].Unpack(signatures)
assert "cross_sell" in signatures.signature_def

status = get_model_status_pb2.GetModelStatusRequest()
status.model_spec.name = "shop"
answer = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(status)
assert answer.model_version_status[0].state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
"""


@pytest.mark.slow
def test_the_official_stubs_understand_it(server: EmbeddedServer):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", _OFFICIAL, str(server.port)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
