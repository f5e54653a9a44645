"""The REST port beyond what was recorded from TF Serving: limits, odd values, and requests beside others."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serving.requests import call, put, request_to
from tfrec.errors import ConfigError, ServingError
from tfrec.schema import wire
from tfrec.serving.cross_origin import CrossOrigin
from tfrec.serving.rest_port import listening_socket
from tfrec.serving.server import EmbeddedServer


@pytest.fixture(scope="module")
def server(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("rest")
    for name in ("shop", "plain", "m"):
        put(tiny_models, folder, name, "1", source=f"{name}/1")
    with EmbeddedServer(folder, port=0, rest_port=0, receive_seconds=0.5) as running:
        yield running


def ask(server: EmbeddedServer, path: str, content: Any = None, *, raw: bytes | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=20)
    body = raw if raw is not None else None if content is None else json.dumps(content).encode()
    try:
        connection.request("GET" if body is None else "POST", path, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def echo(server: EmbeddedServer, dtype: str, value: Any) -> Any:
    return ask(server, "/v1/models/plain:predict", {"signature_name": f"echo_{dtype}", "inputs": value})


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("float32", [[0.1, 3.0], [1e-7, 123456.789]]),
        ("float64", [0.1, 1e300, 2.0]),
        ("int32", [[-1, 2147483647]]),
        ("int64", [-(2**63), 2**63 - 1]),
        ("bool", [True, False]),
        ("uint8", 7),
        ("str", [["", "Käse", '"quoted"']]),
    ],
    ids=str,
)
def test_values_come_back_as_they_were_sent(server: EmbeddedServer, dtype: str, value: Any):
    status, answer = echo(server, "string" if dtype == "str" else dtype, value)
    assert status == 200
    np.testing.assert_array_equal(np.array(answer["outputs"], dtype), np.array(value, dtype))


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        ("int32", [2**31], "Type: Number is not of expected type: int32"),
        ("int32", [1.5], "JSON Value: 1.5 Type: Number is not of expected type: int32"),
        ("float32", [2**25 + 1], "to float without loss of precision."),
        ("float32", ["1"], 'JSON Value: "1" Type: String is not of expected type: float'),
        ("bool", [1], "Type: Number is not of expected type: bool"),
        ("int64", [True], "Type: True is not of expected type: int64"),
        ("string", [None], "Type: Null is not of expected type: string"),
        ("string", [{"b64": "*"}], "Unable to base64 decode"),
        ("int64", [[1], 2], "found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ("int64", [[1, 2], [3]], "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ("int64", [1, [2]], "Encountered list at unexpected level: 1 expected < 1"),
    ],
)
def test_a_value_that_is_no_tensor_is_named(server: EmbeddedServer, dtype: str, value: Any, message: str):
    status, answer = echo(server, dtype, value)
    assert (status, message in answer["error"]) == (400, True), answer


def test_a_signature_of_the_shop_answers_by_rows(server: EmbeddedServer):
    row = {
        "user_id": "u",
        **{name: [""] for name in ("history_item_ids", "history_event_types", "history_orders")},
        "history_order_ages": [0.0],
        "user_segment": "",
        "item_id": "item_0",
        "exclude_item_ids": [""],
        "include_categories": [""],
        **{name: [""] for name in ("include_attributes", "exclude_attributes", "same_as_anchor")},
        "min_price": 0.0,
        "max_price": 1e9,
        "k": 2,
        "diversity": 0.0,
        "diversity_by": "",
        "shown_item_ids": [""],
        "at_minute": 0,
        "is_adult": 0,
    }
    status, answer = ask(server, "/v1/models/shop:predict", {"signature_name": "similar", "instances": [row, row]})
    assert (status, [found["item_ids"] for found in answer["predictions"]]) == (200, [["item_0", "item_1"]] * 2)
    assert answer["predictions"][0]["scores"] == [0.0, -1.0]


def test_a_body_without_end_is_refused(server: EmbeddedServer):
    status, answer = ask(server, "/v1/models/m:predict", raw=b"[" * (17 * 2**20))
    assert (status, "larger than 16777216 bytes" in answer["error"]) == (400, True)


@pytest.mark.parametrize(
    "raw", [b"[" * 200_000, b'{"instances":' + b"[" * 200_000, b"\xff\xfe{}"], ids=lambda raw: str(raw[:12])
)
def test_an_odd_body_is_refused(server: EmbeddedServer, raw: bytes):
    assert ask(server, "/v1/models/m:predict", raw=raw)[0] == 400
    assert ask(server, "/v1/models/m")[0] == 200


LONG_NUMBER = b"1" * 5000


@pytest.mark.parametrize(
    "raw",
    [
        b'{"inputs":' + LONG_NUMBER + b"}",
        b'{"signature_name":"\\ud800","inputs":{}}',
        b'{"signature_name":' + b"[" * 960 + b"]" * 960 + b"}",
        b'{"inputs":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"instances":[' + b"[" * 90 + b'"a"' + b"]" * 90 + b"]}",
    ],
    ids=["endless number", "lone surrogate", "deep name", "deep value", "too many dimensions"],
)
def test_a_body_that_no_tensor_can_hold_is_refused(server: EmbeddedServer, raw: bytes):
    status, answer = ask(server, "/v1/models/m:predict", raw=raw)
    assert status == 400
    assert "embedded server" not in answer["error"]


def test_a_version_of_many_digits_is_refused(server: EmbeddedServer):
    assert ask(server, f"/v1/models/m/versions/{'0' * 5000}1")[0] == 200
    status, answer = ask(server, f"/v1/models/m/versions/{LONG_NUMBER.decode()}")
    assert (status, len(answer["error"]) < 200) == (400, True)


def test_an_error_shows_the_beginning_of_a_large_value(server: EmbeddedServer):
    status, answer = ask(server, "/v1/models/m:predict", {"signature_name": [0] * 1_000_000})
    assert (status, len(answer["error"]) < 3000) == (400, True)


@pytest.mark.parametrize("sent", [b"", b"POST /v1/models/m:pre"], ids=["nothing", "half a line"])
def test_a_request_whose_head_never_comes_is_ended(server: EmbeddedServer, sent: bytes):
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=20) as connection:
        connection.sendall(sent)
        assert connection.recv(1000) == b""


def test_an_answer_is_sent_at_once():
    """Its body is a packet of its own, which must not wait until the head is acknowledged."""
    listening = listening_socket("127.0.0.1", 0)
    with listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_bodies_that_never_come_block_no_other_caller(server: EmbeddedServer):
    head = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    waiting = []
    for _ in range(30):
        waiting.append(socket.create_connection(("127.0.0.1", server.rest_port)))
        waiting[-1].sendall(head)
    assert ask(server, "/v1/models/m:predict", {"instances": ["user_1"]})[0] == 200
    assert call(server.port, wire.PREDICTION_SERVICE, "Predict", request_to(), timeout=2)[0] == "OK"
    assert b"504" in waiting[0].recv(100)
    for connection in waiting:
        connection.close()


def test_no_port_of_rest_is_opened_unasked(tiny_models: Path, tmp_path: Path):
    put(tiny_models, tmp_path, "shop", "1")
    with EmbeddedServer(tmp_path, port=0) as running, pytest.raises(ServingError, match="has no REST port"):
        _ = running.rest_port


def test_a_taken_rest_port_is_an_error(server: EmbeddedServer, tiny_models: Path, tmp_path: Path):
    put(tiny_models, tmp_path, "shop", "1")
    with pytest.raises(ServingError, match=f"Cannot listen on 127.0.0.1:{server.rest_port}"):
        EmbeddedServer(tmp_path, port=0, rest_port=server.rest_port).start()


@pytest.mark.parametrize(
    ("allowed", "origin", "granted"),
    [
        pytest.param([], "https://shop.example", None, id="no page is named"),
        pytest.param(["https://shop.example"], "https://shop.example", "https://shop.example", id="the page named"),
        pytest.param(["https://shop.example"], "https://elsewhere.example", None, id="another page"),
        pytest.param(["https://shop.example"], "null", None, id="a file"),
        pytest.param(["*"], "https://elsewhere.example", "https://elsewhere.example", id="all"),
        pytest.param(["https://shop.example"], None, None, id="no browser"),
    ],
)
def test_pages_that_are_named_may_read_answers(tiny_models: Path, tmp_path: Path, allowed, origin, granted):
    put(tiny_models, tmp_path, "m", "1", source="m/1")
    with EmbeddedServer(tmp_path, port=0, rest_port=0, allow_origins=allowed) as running:
        for method, path in [
            ("GET", "/v1/models/m"),
            ("GET", "/v1/models/absent"),
            ("OPTIONS", "/v1/models/m:predict"),
        ]:
            connection = http.client.HTTPConnection("127.0.0.1", running.rest_port, timeout=20)
            connection.request(method, path, headers={"Origin": origin} if origin else {})
            response = connection.getresponse()
            response.read()
            connection.close()
            assert response.headers["Access-Control-Allow-Origin"] == granted
            assert (response.headers["Vary"] == "Origin") == bool(allowed)
        connection = http.client.HTTPConnection("127.0.0.1", running.rest_port, timeout=20)
        connection.request("GET", "/monitoring/prometheus/metrics", headers={"Origin": origin or ""})
        assert connection.getresponse().headers["Access-Control-Allow-Origin"] is None
        connection.close()


def test_a_page_is_named_by_its_origin():
    with pytest.raises(ConfigError, match="without a path"):
        CrossOrigin(("https://shop.example/page",))
