"""Health of a server that probes and balancers act upon."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.serving.requests import call, put, until
from tfrec.schema import wire
from tfrec.serving.health import Health
from tfrec.serving.server import EmbeddedServer

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


def health(server: EmbeddedServer, service: str = "") -> int | str:
    code, _, content = call(server.port, wire.HEALTH_SERVICE, "Check", wire.HealthCheckRequest(service=service))
    return wire.HealthCheckResponse.FromString(content).status if code == "OK" else code


@pytest.fixture
def served(tiny_models: Path, tmp_path: Path) -> Iterator[tuple[EmbeddedServer, Path]]:
    """A shop with its fall-back."""
    for name in ("shop", "fallback"):
        put(tiny_models, tmp_path, name, "1")
    with EmbeddedServer(tmp_path, port=0, poll_seconds=0.02) as server:
        yield server, tmp_path


def watching(server: EmbeddedServer, service: str) -> Iterator[int]:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        request = wire.HealthCheckRequest(service=service).SerializeToString()
        for content in channel.unary_stream(f"/{wire.HEALTH_SERVICE}/Watch")(request, timeout=20):
            yield wire.HealthCheckResponse.FromString(content).status


def empty(folder: Path) -> None:
    for version in folder.iterdir():
        shutil.rmtree(version)


def test_a_server_whose_fallback_answers_is_serving(served: tuple[EmbeddedServer, Path]):
    server, folder = served
    shop = watching(server, "shop")
    assert next(shop) == SERVING
    empty(folder / "shop")
    assert next(shop) == NOT_SERVING
    assert (health(server), health(server, "shop"), health(server, "fallback")) == (SERVING, NOT_SERVING, SERVING)


def test_a_fallback_that_was_taken_away_on_purpose_does_no_harm(served: tuple[EmbeddedServer, Path]):
    server, folder = served
    fallback = watching(server, "fallback")
    assert next(fallback) == SERVING
    empty(folder / "fallback")
    assert next(fallback) == NOT_SERVING
    assert health(server) == SERVING


def test_a_server_that_has_nothing_to_answer_with_is_not_serving(
    served: tuple[EmbeddedServer, Path], tiny_models: Path
):
    server, folder = served
    whole = watching(server, "")
    assert next(whole) == SERVING
    for name in ("shop", "fallback"):
        empty(folder / name)
    assert next(whole) == NOT_SERVING
    put(tiny_models, folder, "shop", "2")
    assert next(whole) == SERVING


def test_a_watcher_of_a_servable_that_is_not_there_yet_sees_it_come(
    served: tuple[EmbeddedServer, Path], tiny_models: Path
):
    server, folder = served
    later = watching(server, "later")
    assert next(later) == SERVICE_UNKNOWN
    assert health(server, "later") == "NOT_FOUND"
    put(tiny_models, folder, "later", "1")
    assert next(status for status in later if status != NOT_SERVING) == SERVING


def test_a_swap_of_versions_is_no_change(served: tuple[EmbeddedServer, Path], tiny_models: Path):
    server, folder = served
    shop = watching(server, "shop")
    assert next(shop) == SERVING
    put(tiny_models, folder, "shop", "2")
    until(lambda: server.models.statuses("shop")[-1].state == "END")
    empty(folder / "shop")
    assert next(shop) == NOT_SERVING  # and not SERVING a second time


def test_watchers_learn_of_a_stop(served: tuple[EmbeddedServer, Path]):
    server, _ = served
    whole = watching(server, "")
    assert next(whole) == SERVING
    start = time.monotonic()
    server.stop(grace=10.0)
    assert list(whole) == [NOT_SERVING]
    assert time.monotonic() - start < 5  # it does not wait for them


def test_a_stop_while_a_status_is_sent_is_reported():
    class Models:
        names = ("shop",)

        def is_available(self, name: str) -> bool:
            return True

    async def statuses() -> list[int]:
        health = Health(Models())
        watch = health.watch("shop")
        first = await anext(watch)
        health.stop()  # the watcher has not come back from sending
        return [first, *[status async for status in watch]]

    assert asyncio.run(statuses()) == [SERVING, NOT_SERVING]
