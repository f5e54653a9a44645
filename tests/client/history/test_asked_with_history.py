"""A client with a history store: what it asks a server, and how it marks the answer."""

import datetime as dt
import shutil
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest

from tfrec.client import RecommenderClient
from tfrec.client.history import HistoryEvent, UserPast
from tfrec.schema import wire
from tfrec.serving.server import EmbeddedServer


class Kept:
    """A store of one user, or of none when it is broken."""

    def __init__(self, *, is_broken: bool = False) -> None:
        self.is_broken = is_broken

    def read(self, user_ids: list[str]) -> list[UserPast]:
        if self.is_broken:
            raise ConnectionError("no route")
        then = dt.datetime.now(dt.UTC) - dt.timedelta(hours=2)
        return [
            UserPast((HistoryEvent("item_3", then, order="o1"),)) if one == "u1" else UserPast() for one in user_ids
        ]


@pytest.fixture(scope="module")
def server(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(tiny_models / "shop", folder / "shop")
    with EmbeddedServer(folder, port=0) as running:
        yield running


@pytest.mark.parametrize(
    ("store", "mark"), [(Kept(), "sent"), (Kept(is_broken=True), "missing"), (None, "")], ids=["kept", "broken", "none"]
)
def test_offers_say_whether_the_history_was_sent(server: EmbeddedServer, store: Any, mark: str):
    with RecommenderClient(f"127.0.0.1:{server.port}", history=store, deadline=10.0) as client:
        assert client.recommend(user_id="u1", k=2).history == mark
        assert client.recommend(user_id=["u1", "u2"], k=2).query(1).history == mark
        assert client.recommend(k=2).history == ""
        assert client.recommend(user_id="u1", k=2).item_ids.tolist() == ["item_0", "item_1"]


def test_the_server_gets_the_events_of_each_user():
    seen = []

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        seen.append(wire.PredictRequest.FromString(request))
        context.abort(grpc.StatusCode.NOT_FOUND, "seen")

    running = grpc.server(futures.ThreadPoolExecutor(1))
    handlers = {"Predict": grpc.unary_unary_rpc_method_handler(answer)}
    running.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(wire.PREDICTION_SERVICE, handlers),))
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    with RecommenderClient(f"127.0.0.1:{port}", history=Kept()) as client, pytest.raises(LookupError):
        client.recommend(user_id=["u1", "u2"])
    running.stop(0).wait()
    (request,) = seen
    arrays = {name: wire.to_ndarray(proto) for name, proto in request.inputs.items()}
    assert arrays["history_item_ids"].tolist() == [[b"", b"item_3"], [b"", b""]]
    assert arrays["history_orders"].tolist() == [[b"", b"o1"], [b"", b""]]
    assert arrays["history_order_ages"][0, 1] == pytest.approx(2.0, abs=0.1)
