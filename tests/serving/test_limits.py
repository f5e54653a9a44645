"""No allowed request takes the machine: what is declared is limited before anything of it is allocated."""

import json
import resource
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from tests.serving.requests import call, put, request_to, strings, until
from tfrec.errors import ConfigError, ServingError
from tfrec.schema import wire
from tfrec.schema.inputs import STANDARD_WIDGETS
from tfrec.serving.limits import RequestLimits
from tfrec.serving.saved_model import ABOUT, read_item_counts
from tfrec.serving.server import EmbeddedServer

INVALID_ARGUMENT = 3


def declared(*shape: int) -> dict[str, Any]:
    """An input that declares a shape and holds one value."""
    return {"cart_item_ids": strings("item_1", shape=shape)}


@pytest.mark.parametrize(
    ("shape", "num_items", "message"),
    [
        pytest.param((16_385, 1), 400, "at most 16384", id="too many rows"),
        pytest.param((16_384, 400), 400, "157286400 bytes, but", id="few bytes that declare much"),
        pytest.param((3_000, 400), 400, "MiB of memory", id="few bytes that declare a little less"),
        pytest.param((16_384, 2), 4_000, "MiB of memory", id="many rows of a large catalogue"),
        pytest.param((200, 2), 100_000, "Send at most 134 such rows", id="a larger catalogue"),
        pytest.param((1, 3_000_000), 400, "bytes, but", id="a long row"),
    ],
)
def test_a_request_that_declares_too_much_is_refused(shape: tuple[int, ...], num_items: int, message: str):
    with pytest.raises(ServingError, match=message) as refused:
        RequestLimits().memory(declared(*shape), num_items=num_items)
    assert refused.value.code == INVALID_ARGUMENT


@pytest.mark.parametrize("shape", [(1, 50), (128, 50), (1, 10_000)], ids=["a query", "a batch", "a long list"])
def test_what_shops_ask_is_allowed(shape: tuple[int, ...]):
    assert RequestLimits().memory(declared(*shape), num_items=50_000) < RequestLimits().max_memory


def test_a_batch_of_long_histories_is_allowed():
    """64 users with a thousand events each, of whose carts no such batch would be taken."""
    names = ("history_item_ids", "history_event_types", "history_order_ages", "history_orders")
    histories = {name: strings("item_1", shape=(64, 1001)) for name in names}
    assert RequestLimits().memory(histories, num_items=50_000) < RequestLimits().max_memory / 2


def test_a_page_that_names_no_widgets_counts_a_slate_for_each_standard_one():
    page, slate = (RequestLimits().memory({}, num_items=50_000, is_page=is_page) for is_page in (True, False))
    assert page == slate * len(STANDARD_WIDGETS)


def test_a_cart_to_be_arranged_counts_once_for_each_line():
    carts = {"cart_item_ids": strings("item_1", shape=(64, 15))}
    slates = RequestLimits().memory(carts, num_items=10_000)
    assert RequestLimits().memory(carts, num_items=10_000, is_by_line=True) > 10 * slates
    with pytest.raises(ServingError, match="Send at most"):
        RequestLimits().memory(carts, num_items=50_000, is_by_line=True)


def test_limits_are_positive():
    with pytest.raises(ConfigError, match="positive"):
        RequestLimits(max_memory=0)


def test_the_server_knows_the_catalogue_of_its_servables(tiny_models: Path, tmp_path: Path):
    put(tiny_models, tmp_path, "shop", "1")
    about = tmp_path / "shop" / "1" / ABOUT
    about.parent.mkdir()
    about.write_text('{"items": 1000000}')
    request = request_to("shop", "similar", inputs={"item_id": strings(*["item_0"] * 20)})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with EmbeddedServer(tmp_path, port=0) as server:
        code, details, _ = call(server.port, wire.PREDICTION_SERVICE, "Predict", request)
        assert (code, "over 1000000 items" in details) == ("INVALID_ARGUMENT", True)
        fewer = request_to("shop", "similar", inputs={"item_id": strings(*["item_0"] * 10)})
        assert call(server.port, wire.PREDICTION_SERVICE, "Predict", fewer)[0] == "OK"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB


def test_requests_wait_for_memory_that_others_use(tiny_models: Path, tmp_path: Path):
    """Both need more than half of the memory, so the second waits though a thread is free; a small one fits."""
    put(tiny_models, tmp_path, "plain", "1", source="plain/1")
    slow = request_to("plain", "slow", inputs={"rounds": wire.to_tensor_proto(np.array(10**8, np.int32))})
    slow.inputs["rounds"].tensor_shape.SetInParent()
    echo = request_to("plain", "echo_string", inputs={"x": strings("a")})
    limits = RequestLimits(max_memory=6_000)  # an element takes 4,096
    with (
        EmbeddedServer(tmp_path, port=0, limits=limits, max_threads=4) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        method = channel.unary_unary(f"/{wire.PREDICTION_SERVICE}/Predict")
        running = method.future(slow.SerializeToString(), timeout=2)
        until(lambda: server.num_running == 1)
        assert call(server.port, wire.PREDICTION_SERVICE, "Predict", echo, timeout=0.3)[0] == "DEADLINE_EXCEEDED"
        empty = request_to("plain", "echo_string", inputs={"x": strings(shape=(0,))})
        assert call(server.port, wire.PREDICTION_SERVICE, "Predict", empty, timeout=1)[0] == "OK"
        assert running.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert call(server.port, wire.PREDICTION_SERVICE, "Predict", echo)[0] == "OK"


@pytest.mark.parametrize(
    ("noted", "counted"),
    [
        ({"items": 1_000_000}, (1_000_000, 1_000_000)),
        (
            {"items": 1_000_000, "indexes": {"towers": {}}},
            (1_000_000, 1_000_000),
        ),  # content is compared with all of them
        ({"items": 1_000_000, "indexes": {"towers": {}, "content": {}}}, (1_000_000, 62_500)),
        ({"items": 100_000, "indexes": {"towers": {}, "content": {}}}, (100_000, 8192)),
        ({"items": 300, "indexes": {"towers": {}, "content": {}}}, (300, 300)),
        ({"indexes": {}}, (0, 0)),
        ([], (0, 0)),
    ],
)
def test_a_row_takes_memory_for_the_catalogue_unless_indexes_are_searched(
    tmp_path: Path, noted: object, counted: tuple[int, int]
):
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "tfrec.json").write_text(json.dumps(noted))
    assert read_item_counts(tmp_path) == counted
