"""What the client does when the learned model does not answer: the same request to the fall-back, once, in time."""

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from tests.client.test_client import aborting, faked, free_port  # noqa: F401
from tfrec import errors
from tfrec.client import RecommenderClient
from tfrec.schema import wire
from tfrec.serving.server import EmbeddedServer

GOOD = wire.PredictResponse(outputs={"y": wire.to_tensor_proto(np.array([[1.0]]))}).SerializeToString()


def answering(asked: list[Any], **by_servable: Any) -> Any:
    """A server that answers each servable by a function, and notes what was asked."""

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        message = wire.PredictRequest.FromString(request)
        asked.append((message, context.time_remaining()))
        return by_servable[message.model_spec.name](request, context)

    return answer


def good(request: bytes, context: grpc.ServicerContext) -> bytes:
    return GOOD


def test_a_shop_before_its_first_training_is_answered_by_the_fallback(tiny_models: Path, tmp_path: Path):
    shutil.copytree(tiny_models / "shop", tmp_path / "fallback")
    with (
        EmbeddedServer(tmp_path, port=0, poll_seconds=0.1) as server,
        RecommenderClient(f"127.0.0.1:{server.port}", deadline=10, fallback="fallback") as client,
    ):
        offers = client.cross_sell(cart_item_ids=["item_0"], k=2)
        assert (offers.item_ids.tolist(), offers.servable) == (["item_1", "item_2"], "fallback")
        assert repr(offers).startswith("Offers (fallback 1):")
        with pytest.raises(errors.ServableNotLoadedError, match="retrieval"):
            client.ask("retrieve", {"user_id": "u"})
        shutil.copytree(tiny_models / "shop", tmp_path / "unfinished")
        (tmp_path / "unfinished").rename(tmp_path / "shop")
        client.wait_until_ready(timeout=20)
        assert client.cross_sell(cart_item_ids=["item_0"], k=2).servable == "shop"


def test_another_name_than_shop_may_be_asked(tiny_models: Path, tmp_path: Path):
    shutil.copytree(tiny_models / "shop", tmp_path / "fallback")
    with (
        EmbeddedServer(tmp_path, port=0) as server,
        RecommenderClient(f"127.0.0.1:{server.port}", deadline=10, servable="fallback") as client,
    ):
        assert client.similar(item_id="item_0", k=1).servable == "fallback"


@pytest.mark.parametrize(
    ("code", "details"),
    [
        ("NOT_FOUND", "Servable not found"),
        ("UNAVAILABLE", "restarting"),
        ("RESOURCE_EXHAUSTED", "Server Threadpool Exhausted"),
        ("INTERNAL", ""),
        ("INVALID_ARGUMENT", "Unrecognized servable version label: stable"),
    ],
    ids=lambda value: value if value.isupper() else "",
)
def test_the_same_request_goes_to_the_fallback_once_by_its_newest_version(faked: Any, code: str, details: str):  # noqa: F811
    asked: list[Any] = []
    target = faked(answering(asked, shop=aborting(grpc.StatusCode[code], details), fallback=good))
    with RecommenderClient(target, deadline=5, fallback="fallback", version_label="stable") as client:
        assert client.ask("similar", {"item_id": "a", "k": 3})["y"].tolist() == [[1.0]]
    first, second = (message for message, _ in asked)
    assert [message.model_spec.name for message in (first, second)] == ["shop", "fallback"]
    assert first.model_spec.version_label == "stable"
    assert second.model_spec.WhichOneof("version_choice") is None
    assert second.inputs == first.inputs


@pytest.mark.parametrize(
    ("code", "expected"),
    [("INVALID_ARGUMENT", errors.RequestRefusedError), ("UNIMPLEMENTED", errors.ServingError)],
)
def test_a_wrong_request_is_reported_and_not_sent_to_the_fallback(faked: Any, code: str, expected: type):  # noqa: F811
    asked: list[Any] = []
    target = faked(answering(asked, shop=aborting(grpc.StatusCode[code], "wrong"), fallback=good))
    with RecommenderClient(target, fallback="fallback") as client, pytest.raises(expected):
        client.similar(item_id="a")
    assert len(asked) == 1


def test_a_slow_model_leaves_the_fallback_its_share_of_the_deadline(faked: Any):  # noqa: F811
    asked: list[Any] = []
    release = threading.Event()

    def slow(request: bytes, context: grpc.ServicerContext) -> bytes:
        release.wait(10)
        return GOOD

    with RecommenderClient(
        faked(answering(asked, shop=slow, fallback=good)), deadline=2.0, fallback="fallback", fallback_after=0.25
    ) as client:
        started = time.monotonic()
        assert client.ask("similar", {})["y"].tolist() == [[1.0]]
        assert 0.4 < time.monotonic() - started < 1.5
    assert asked[0][1] <= 0.5
    assert asked[1][1] <= 1.55
    release.set()


def test_both_failures_are_reported_within_one_deadline(faked: Any):  # noqa: F811
    asked: list[Any] = []
    missing = aborting(grpc.StatusCode.NOT_FOUND, "Servable not found")
    with (
        RecommenderClient(faked(answering(asked, shop=missing, fallback=missing)), fallback="fallback") as client,
        pytest.raises(errors.ServableNotLoadedError, match=r"shop/similar.*The fall-back failed too.*fallback/similar"),
    ):
        client.similar(item_id="a")
    assert len(asked) == 2
    with RecommenderClient(f"127.0.0.1:{free_port()}", fallback="fallback") as client:
        started = time.monotonic()
        with pytest.raises(errors.ServerUnreachableError):
            client.similar(item_id="a")
        assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "settings", [{"fallback": "shop"}, {"fallback": ""}, {"fallback_after": 1.0}, {"servable": ""}]
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]):
    with pytest.raises(errors.ConfigError, match=r"`(fallback|servable)"):
        RecommenderClient("localhost:8500", **settings)
