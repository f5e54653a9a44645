"""Metrics of the embedded server, by the names that dashboards and alerts of `serving/` refer to."""

import os
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from tests.serving.requests import call, put, request_to, strings, until
from tfrec.schema import wire
from tfrec.serving.known_ids import write_known_ids
from tfrec.serving.metrics import ServingMetrics
from tfrec.serving.server import EmbeddedServer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server(tiny_models: Path, tmp_path: Path) -> Iterator[EmbeddedServer]:
    for name in ("shop", "plain"):
        put(tiny_models, tmp_path, name, "1", source=f"{name}/1")
    with EmbeddedServer(tmp_path, port=0, rest_port=0) as running:
        yield running


def page(server: EmbeddedServer) -> str:
    address = f"http://127.0.0.1:{server.rest_port}/monitoring/prometheus/metrics"
    with urllib.request.urlopen(address, timeout=10) as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return response.read().decode()


def value(server: EmbeddedServer, name: str, **labels: str) -> float:
    """The sum over all series of a name that have the labels."""
    total = 0.0
    for found, inside, number in re.findall(r"^([a-z_:]+)(?:\{(.*)\})? (\S+)$", page(server), re.MULTILINE):
        if found == name and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', inside)).items():
            total += float(number)
    return total


def ask(server: EmbeddedServer, **spec: Any) -> str:
    asked = {"signature": "similar", "inputs": {"user_id": strings("u", "v")}, **spec}
    request = request_to("shop", **asked)
    return call(server.port, wire.PREDICTION_SERVICE, "Predict", request)[0]


def test_requests_are_counted_by_outcome(server: EmbeddedServer):
    assert [ask(server), ask(server), ask(server, inputs={"x": strings("a")}), ask(server, version=9)] == [
        "OK", "OK", "INVALID_ARGUMENT", "NOT_FOUND",
    ]  # fmt: skip
    count = ":tensorflow:serving:request_count"
    for status, expected in (("OK", 2), ("INVALID_ARGUMENT", 1), ("NOT_FOUND", 1)):
        assert value(server, count, model_name="shop", status=status) == expected
    assert value(server, "tfrec_requests_total", servable="shop", signature="similar", code="OK") == 2
    assert value(server, ":tensorflow:serving:request_latency_count", model_name="shop", entrypoint="GRPC") == 2
    assert value(server, ":tensorflow:serving:request_latency_bucket", model_name="shop", le="+Inf") == 2
    assert value(server, ":tensorflow:serving:runtime_latency_count", model_name="shop") == 2
    assert value(server, "tfrec_rows_total", signature="similar") == 4


def test_a_deadline_that_passes_is_counted_as_such(server: EmbeddedServer):
    slow = request_to("plain", "slow", inputs={"rounds": wire.to_tensor_proto(np.array(10**8, np.int32))})
    assert call(server.port, wire.PREDICTION_SERVICE, "Predict", slow, timeout=0.3)[0] == "DEADLINE_EXCEEDED"
    until(lambda: value(server, ":tensorflow:serving:request_count", model_name="plain") == 1)
    assert value(server, ":tensorflow:serving:request_count", status="DEADLINE_EXCEEDED") == 1


def test_names_that_callers_make_up_do_not_grow_the_page(server: EmbeddedServer):
    for number in range(5):
        call(server.port, wire.PREDICTION_SERVICE, "Predict", request_to(f"made_up_{number}", f"nope_{number}"))
        call(server.port, wire.PREDICTION_SERVICE, "Predict", request_to("shop", f"nope_{number}"))
    assert "made_up" not in page(server) and "nope" not in page(server)
    assert value(server, ":tensorflow:serving:request_count", model_name="other", status="NOT_FOUND") == 5
    assert value(server, "tfrec_requests_total", servable="shop", signature="other") == 5


def test_slates_that_are_short_or_empty_are_counted(server: EmbeddedServer):
    """The shop has six items."""
    numbers = wire.to_tensor_proto(np.array([6, 7, 0], np.int32))
    assert ask(server, inputs={"user_id": strings("a", "b", "c"), "k": numbers}) == "OK"
    assert value(server, "tfrec_short_slates_total", servable="shop") == 1
    assert value(server, "tfrec_empty_slates_total", servable="shop") == 0


def test_a_page_is_short_of_what_its_widgets_ask_for_together(server: EmbeddedServer):
    """Pages of this shop have `k` items, whatever their widgets ask for."""
    k = wire.to_tensor_proto(np.array([2, 2], np.int32))
    assert ask(server, signature="page", inputs={"user_id": strings("a", "b"), "k": k}) == "OK"
    assert value(server, "tfrec_short_slates_total", servable="shop", signature="page") == 2  # six for three widgets
    inputs = {
        "user_id": strings("a", "b"),
        "widgets": wire.to_tensor_proto(np.array([["similar", "recommend"], ["similar", ""]], object)),
        "widget_sizes": wire.to_tensor_proto(np.array([[1, 0], [0, 0]], np.int32)),
        "k": k,
    }
    assert ask(server, signature="page", inputs=inputs) == "OK"
    assert value(server, "tfrec_short_slates_total", servable="shop", signature="page") == 3  # three for the first


def test_ids_that_the_servable_does_not_know_are_counted(tiny_models: Path, tmp_path: Path):
    put(tiny_models, tmp_path, "shop", "1")
    (tmp_path / "shop" / "1" / "assets.extra").mkdir()
    items = [f"item_{number}" for number in range(1000)] + ["Käse"]
    write_known_ids(tmp_path / "shop" / "1", {"items": items, "users": [], "categories": ["All"]})
    cart = wire.to_tensor_proto(np.array([["", "item_7", "item_1000"], ["", "Käse", ""]], object))
    inputs = {"cart_item_ids": cart, "user_id": strings("u", "")}
    with EmbeddedServer(tmp_path, port=0, rest_port=0) as server:
        request = request_to("shop", "complete_cart", inputs=inputs)
        assert call(server.port, wire.PREDICTION_SERVICE, "Predict", request)[0] == "OK"
        for name, alias, expected in (
            ("tfrec_ids_total", "cart_item_ids", 3),
            ("tfrec_unknown_ids_total", "cart_item_ids", 1),
            ("tfrec_ids_total", "user_id", 1),
            ("tfrec_unknown_ids_total", "user_id", 1),
        ):
            assert value(server, name, servable="shop", input=alias) == expected


def test_requests_of_rest_are_counted_apart(server: EmbeddedServer):
    body = b'{"signature_name": "echo_string", "inputs": ["a"]}'
    address = f"http://127.0.0.1:{server.rest_port}/v1/models/plain:predict"
    urllib.request.urlopen(address, body, timeout=10).close()
    assert value(server, ":tensorflow:serving:request_latency_count", model_name="plain", entrypoint="REST") == 1


def test_loads_and_requests_under_way_are_shown(server: EmbeddedServer):
    assert value(server, ":tensorflow:cc:saved_model:load_attempt_count", status="success") == 2
    assert value(server, ":tensorflow:cc:saved_model:load_latency") > 0
    slow = request_to("plain", "slow", inputs={"rounds": wire.to_tensor_proto(np.array(10**8, np.int32))})
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        running = channel.unary_unary(f"/{wire.PREDICTION_SERVICE}/Predict").future(slow.SerializeToString(), timeout=2)
        until(lambda: value(server, "tfrec_requests_running") == 1)
        running.cancel()


@pytest.mark.parametrize("file", ["serving/monitoring/alerts.yml", "serving/monitoring/dashboards/tfrec.json"])
def test_the_metrics_of_dashboards_and_alerts_are_there(server: EmbeddedServer, file: str):
    ask(server)
    text = page(server)
    names = set(re.findall(r":tensorflow:[a-z_:]+", (ROOT / file).read_text()))
    assert names
    assert {name for name in names if f"\n{name}{{" not in text} == set()


def test_a_path_that_is_no_text_does_not_break_the_page():
    metrics = ServingMetrics(lambda: ["shop"])
    metrics.loaded(os.fsdecode(b"/models/caf\xe9/1"), is_loaded=True, seconds=1.0)
    assert "caf" in metrics.page()
