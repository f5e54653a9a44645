"""Callers that are slow, gone, or never finish block no other caller."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from tests.serving.requests import call, put, request_to, strings, until
from tfrec.schema import wire
from tfrec.serving import model_services
from tfrec.serving.servable import Servable
from tfrec.serving.server import EmbeddedServer

PREDICT = f"/{wire.PREDICTION_SERVICE}/Predict"
ECHO = request_to("plain", "echo_string", inputs={"x": strings("a")})


@pytest.fixture
def folder(tiny_models: Path, tmp_path: Path) -> Path:
    put(tiny_models, tmp_path, "plain", "1", source="plain/1")
    return tmp_path


@contextlib.contextmanager
def half_sent(port: int, count: int) -> Iterator[list[grpc.Call]]:
    """Opens calls whose message does not come before the block ends."""
    is_over = threading.Event()

    def nothing() -> Iterator[bytes]:
        is_over.wait()
        yield from ()

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.stream_unary(PREDICT)
        calls = [method.future(nothing()) for _ in range(count)]
        try:
            yield calls
        finally:
            is_over.set()
            for started in calls:
                started.cancel()


def slow(rounds: int = 10**8) -> wire.PredictRequest:
    return request_to("plain", "slow", inputs={"rounds": wire.to_tensor_proto(np.array(rounds, np.int32))})


def test_calls_that_never_send_their_message_block_no_other_caller(folder: Path):
    with EmbeddedServer(folder, port=0, max_threads=2, max_waiting=2) as server, half_sent(server.port, 60):
        start = time.monotonic()
        for _ in range(5):
            assert call(server.port, wire.PREDICTION_SERVICE, "Predict", ECHO, timeout=5)[0] == "OK"
            assert call(server.port, wire.HEALTH_SERVICE, "Check", wire.HealthCheckRequest(), timeout=5)[0] == "OK"
        assert time.monotonic() - start < 3


def test_a_call_whose_message_does_not_come_is_ended(folder: Path):
    with EmbeddedServer(folder, port=0, receive_seconds=0.2) as server, half_sent(server.port, 3) as calls:
        assert {waiting.code() for waiting in calls} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        assert all("did not come within 0.2 s" in waiting.details() for waiting in calls)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Signatures of the requests whose computation was begun."""
    names: list[str] = []
    answer = model_services.predict

    def noted(servable: Servable, request: Any, **settings: Any) -> Any:
        names.append(request.model_spec.signature_name)
        return answer(servable, request, **settings)

    monkeypatch.setattr(model_services, "predict", noted)
    return names


def test_health_answers_while_every_thread_computes(folder: Path, begun: list[str]):
    with (
        EmbeddedServer(folder, port=0, max_threads=1, max_waiting=0) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        running = channel.unary_unary(PREDICT).future(slow().SerializeToString(), timeout=1.5)
        until(lambda: begun == ["slow"])
        assert call(server.port, wire.PREDICTION_SERVICE, "Predict", ECHO)[0] == "RESOURCE_EXHAUSTED"
        assert call(server.port, wire.HEALTH_SERVICE, "Check", wire.HealthCheckRequest(), timeout=1)[0] == "OK"
        assert running.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("is_cancelled", [True, False], ids=["cancelled", "deadline passed"])
def test_a_request_whose_caller_is_gone_is_never_begun(folder: Path, begun: list[str], is_cancelled: bool):
    last = request_to("plain", "echo_float32", inputs={"x": wire.to_tensor_proto(np.ones(1, np.float32))})
    with (
        EmbeddedServer(folder, port=0, max_threads=1) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        method = channel.unary_unary(PREDICT)
        running = method.future(slow().SerializeToString(), timeout=1.5)
        until(lambda: begun == ["slow"])
        waiting = method.future(ECHO.SerializeToString(), timeout=None if is_cancelled else 0.2)
        if is_cancelled:
            call(server.port, wire.HEALTH_SERVICE, "Check", wire.HealthCheckRequest())
            waiting.cancel()
        assert waiting.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)
        assert running.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert call(server.port, wire.PREDICTION_SERVICE, "Predict", last)[0] == "OK"
    assert begun == ["slow", "echo_float32"]


def test_a_call_without_a_message_is_an_error_of_its_own(folder: Path):
    with EmbeddedServer(folder, port=0) as server, grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        with pytest.raises(grpc.RpcError) as refused:
            channel.stream_unary(PREDICT)(iter(()), timeout=5)
        assert refused.value.code() is grpc.StatusCode.INTERNAL


def test_the_grace_of_a_stop_is_a_setting(folder: Path, begun: list[str]):
    with (
        EmbeddedServer(folder, port=0, grace=0.1) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        running = channel.unary_unary(PREDICT).future(slow().SerializeToString(), timeout=2)
        until(lambda: begun == ["slow"])
        start = time.monotonic()
        threading.Thread(target=server.stop).start()
        assert running.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
        assert time.monotonic() - start < 1
