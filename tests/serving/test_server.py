"""The embedded server: what its answers hold, its settings, its start and its end."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.serving.requests import call, metadata_of, request_to, strings
from tfrec.errors import ConfigError, ServingError, SourceError
from tfrec.schema import wire
from tfrec.serving.server import EmbeddedServer


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


@pytest.mark.parametrize("host", ["nope.invalid", "203.0.113.7"], ids=["no name", "another machine's"])
def test_a_host_of_no_address_here_is_found_out_before_models_are_loaded(tmp_path: Path, host: str):
    with pytest.raises(ServingError, match=r"Check the host|none of this machine's addresses"):
        EmbeddedServer(tmp_path, host=host, port=0).start()


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
    "setting",
    [
        {"port": -1},
        {"port": 70_000},
        {"poll_seconds": 0},
        {"max_threads": 0},
        {"max_waiting": -1},
        {"rest_port": -1},
        {"grace": -1},
        {"receive_seconds": 0},
        {"poll_seconds": float("inf")},
        {"grace": 1e10},
    ],
    ids=str,
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
