"""Large batches are sent as several requests, and answered as one."""

import threading
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from tests.client.test_client import client, faked, free_port, server  # noqa: F401
from tfrec import errors
from tfrec.client import RecommenderClient
from tfrec.schema import wire
from tfrec.serving.server import EmbeddedServer


def test_a_batch_is_answered_alike_in_one_request_and_in_several(server: EmbeddedServer):  # noqa: F811
    carts = [[f"item_{row % 6}", "item_2"][: 1 + row % 2] for row in range(23)]
    sizes = [1 + row % 5 for row in range(23)]
    with (
        RecommenderClient(f"127.0.0.1:{server.port}", deadline=10) as whole,
        RecommenderClient(f"127.0.0.1:{server.port}", deadline=10, max_rows=4) as parted,
    ):
        one = whole.cross_sell(cart_item_ids=carts, k=sizes)
        many = parted.cross_sell(cart_item_ids=carts, k=sizes)
        short = parted.cross_sell(cart_item_ids=carts[:5], k=[1, 1, 1, 1, 5])  # the first part is narrower
    for name in ("item_ids", "prices", "reasons", "reason_item_ids", "reason_counts"):
        assert getattr(one, name).tolist() == getattr(many, name).tolist()
    for name in ("scores", "probabilities"):
        np.testing.assert_allclose(getattr(one, name), getattr(many, name), rtol=1e-6)
    assert short.item_ids[0].tolist()[1:] == [""] * 4
    assert np.isneginf(short.scores[0, 1:]).all()


def answered(version: int, request: Any) -> bytes:
    rows = request.inputs["item_id"].tensor_shape.dim[0].size
    response = wire.PredictResponse(outputs={"scores": wire.to_tensor_proto(np.full((rows, 1), float(version)))})
    response.model_spec.version.value = version
    return response.SerializeToString()


def test_rows_of_one_batch_are_never_of_two_versions(faked: Any):  # noqa: F811
    """The server swaps versions between the first and the second part."""
    sizes: list[int] = []

    def answer(content: bytes, context: grpc.ServicerContext) -> bytes:
        request = wire.PredictRequest.FromString(content)
        sizes.append(request.inputs["item_id"].tensor_shape.dim[0].size)
        assert not request.output_filter
        return answered(1 if len(sizes) == 1 else 2, request)

    with RecommenderClient(faked(answer), deadline=5, max_rows=2) as asking:
        found = asking.answer("similar", {"item_id": ["a", "b", "c", "d", "e"], "k": 1})
    assert sizes == [2, 2, 1, 2]
    assert (found.version, found.outputs["scores"].tolist()) == (2, [[2.0]] * 5)


def test_versions_that_never_settle_are_an_error(faked: Any):  # noqa: F811
    count = iter(range(1, 1000))
    target = faked(lambda content, context: answered(next(count), wire.PredictRequest.FromString(content)))
    with (
        RecommenderClient(target, deadline=5, max_rows=1) as asking,
        pytest.raises(errors.ServingError, match="several versions answered"),
    ):
        asking.ask("similar", {"item_id": ["a", "b"], "k": 1})


def test_all_parts_share_one_deadline(faked: Any):  # noqa: F811
    never = threading.Event()

    def answer(content: bytes, context: grpc.ServicerContext) -> bytes:
        never.wait(0.2)
        return answered(1, wire.PredictRequest.FromString(content))

    with RecommenderClient(faked(answer), deadline=0.5, max_rows=1) as asking:
        assert len(asking.ask("similar", {"item_id": ["a", "b"], "k": 1})["scores"]) == 2
        start = time.monotonic()
        with pytest.raises(errors.DeadlineExceededError, match=r"no answer in 0\.(5|49\d*) s"):
            asking.ask("similar", {"item_id": list("abcdefgh"), "k": 1})
        assert time.monotonic() - start < 1


def test_a_closed_client_says_so(server: EmbeddedServer):  # noqa: F811
    closed = RecommenderClient(f"127.0.0.1:{server.port}")
    closed.close()
    for ask in (lambda: closed.similar(item_id="item_0"), closed.wait_until_ready):
        with pytest.raises(errors.ClientClosedError, match=r"is closed\. Make a new one"):
            ask()


def test_a_server_that_comes_back_is_found_at_once(tiny_models: Path):
    port = free_port()
    with RecommenderClient(f"127.0.0.1:{port}", deadline=1, breaker=None) as asking:
        until = time.monotonic() + 3  # long enough for pauses between attempts to grow
        while time.monotonic() < until:
            with pytest.raises(errors.ServingError):
                asking.similar(item_id="item_0", deadline=0.3)
        with EmbeddedServer(tiny_models, port=port):
            start = time.monotonic()
            while True:
                try:
                    asking.similar(item_id="item_0", deadline=0.2)
                    break
                except errors.ServingError:
                    assert time.monotonic() - start < 1.5
