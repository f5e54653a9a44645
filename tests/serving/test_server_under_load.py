"""The embedded server turns away what it cannot take, and answers while versions are swapped."""

import threading
from pathlib import Path

import grpc
import numpy as np
import pytest

from tests.serving.requests import call, put, request_to, states, until
from tfrec.errors import ServingError
from tfrec.schema import wire
from tfrec.serving.server import EmbeddedServer


def test_more_requests_than_may_wait_are_turned_away(tiny_models: Path, tmp_path: Path):
    put(tiny_models, tmp_path, "plain", "1", source="plain/1")
    slow = request_to("plain", "slow", inputs={"rounds": wire.to_tensor_proto(np.array(10**8, np.int32))})
    codes: list[str] = []

    def ask(port: int) -> None:
        codes.append(call(port, wire.PREDICTION_SERVICE, "Predict", slow, timeout=1.0)[0])

    with EmbeddedServer(tmp_path, port=0, max_threads=1, max_waiting=1) as server:
        threads = [threading.Thread(target=ask, args=(server.port,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(codes) == ["DEADLINE_EXCEEDED"] * 2 + ["RESOURCE_EXHAUSTED"] * 3


def test_no_request_fails_while_versions_are_swapped(tiny_models: Path, tmp_path: Path):
    put(tiny_models, tmp_path, "shop", "1")
    failures: list[tuple[str, str]] = []
    seen: set[int] = set()
    is_over = threading.Event()

    with EmbeddedServer(tmp_path, port=0, poll_seconds=0.05) as server:

        def ask() -> None:
            with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                method = channel.unary_unary(f"/{wire.PREDICTION_SERVICE}/Predict")
                request = request_to("shop", "similar", inputs={}).SerializeToString()
                while not is_over.is_set():
                    try:
                        response = wire.PredictResponse.FromString(method(request, timeout=10))
                        seen.add(response.model_spec.version.value)
                    except grpc.RpcError as error:
                        failures.append((error.code().name, error.details()))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for version in (2, 3, 4):
            put(tiny_models, tmp_path, "shop", str(version))
            until(lambda version=version: version in seen)
        is_over.set()
        for thread in threads:
            thread.join()
        until(lambda: states(server.models) == {4: "AVAILABLE", 3: "END", 2: "END", 1: "END"})
    assert failures == []
    assert seen == {1, 2, 3, 4}


def test_a_taken_port_is_found_before_anything_is_loaded(tiny_models: Path, monkeypatch: pytest.MonkeyPatch):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = EmbeddedServer(tiny_models, port=taken.getsockname()[1])
        monkeypatch.setattr(server.models, "load_first", lambda: pytest.fail("models are loaded"))
        with pytest.raises(ServingError, match="Is the port taken"):
            server.start()
    server = EmbeddedServer(tiny_models, host="no.such.host.invalid", port=8500)
    monkeypatch.setattr(server.models, "load_first", lambda: pytest.fail("models are loaded"))
    with pytest.raises(ServingError, match="Check the host"):
        server.start()
