"""What holds for the client that waits in a thread and for the one of asyncio: they differ in how they wait alone."""

import asyncio
import inspect
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from tests.client.test_client import aborting, faked, free_port, server  # noqa: F401
from tests.client.test_fallback import answering, good
from tfrec import errors
from tfrec.client import AsyncRecommenderClient, Offers, RecommenderClient
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.server import EmbeddedServer

Run = Callable[..., Any]


def run_waiting(target: str, question: str, *args: Any, times: int = 1, settings: Any = None, **arguments: Any) -> Any:
    with RecommenderClient(target, **(settings or {})) as client:
        return [getattr(client, question)(*args, **arguments) for _ in range(times)][-1]


def run_async(target: str, question: str, *args: Any, times: int = 1, settings: Any = None, **arguments: Any) -> Any:
    async def ask() -> Any:
        async with AsyncRecommenderClient(target, **(settings or {})) as client:
            return [await getattr(client, question)(*args, **arguments) for _ in range(times)][-1]

    return asyncio.run(ask())


@pytest.fixture(params=[run_waiting, run_async], ids=["waiting", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param


def test_questions_are_the_same():
    for name, method in inspect.getmembers(RecommenderClient, inspect.isfunction):
        if not name.startswith("_"):
            assert (
                inspect.signature(method) == inspect.signature(getattr(AsyncRecommenderClient, name)) or name == "close"
            )


def test_offers_of_a_served_shop(server: EmbeddedServer, run: Run):  # noqa: F811
    offers = run(f"127.0.0.1:{server.port}", "cross_sell", cart_item_ids=["item_0"], k=2, settings={"deadline": 10})
    assert isinstance(offers, Offers)
    assert offers.item_ids.tolist() == ["item_1", "item_2"]
    assert len(offers.recommendation_id) == 32
    assert np.isnan(offers.propensities).all()


def test_lines_of_a_cart_come_back_as_raw_outputs(server: EmbeddedServer, run: Run):  # noqa: F811
    target = f"127.0.0.1:{server.port}"
    lines = run(target, "arrange_cart", cart_item_ids=["item_3", "item_1"], settings={"deadline": 10})
    assert lines["item_ids"].tolist() == [["item_1", "item_3"]]


def test_signatures_are_those_of_the_metadata(server: EmbeddedServer, run: Run):  # noqa: F811
    target = f"127.0.0.1:{server.port}"
    named = sorted(name for name, one in SIGNATURES.items() if one.servable == "shop")
    assert run(target, "signatures", settings={"deadline": 10}) == named
    settings = {"deadline": 10, "servable": "absent"}
    assert run(target, "signatures", settings=settings | {"fallback": "shop"}) == named
    with pytest.raises(errors.ServableNotLoadedError):
        run(target, "signatures", settings=settings)


def test_failures_name_the_cause(run: Run):
    with pytest.raises(errors.ServerUnreachableError):
        run(f"127.0.0.1:{free_port()}", "similar")
    with pytest.raises(errors.ServerUnreachableError):
        run(f"127.0.0.1:{free_port()}", "wait_until_ready", 0.2)
    with pytest.raises(errors.SchemaError):
        run("127.0.0.1:1", "similar", k="many")


@pytest.mark.parametrize(("retries", "expected"), [(0, 1), (3, 4)])
def test_an_unavailable_server_is_asked_again_as_often_as_said(faked: Any, run: Run, retries: int, expected: int):  # noqa: F811
    asked: list[Any] = []
    target = faked(answering(asked, shop=aborting(grpc.StatusCode.UNAVAILABLE, "restarting")))
    with pytest.raises(errors.ServerUnreachableError):
        run(target, "similar", settings={"deadline": 5, "retries": retries})
    assert len(asked) == expected


def test_no_retry_begins_after_the_deadline(faked: Any, run: Run):  # noqa: F811
    asked: list[Any] = []
    target = faked(answering(asked, shop=aborting(grpc.StatusCode.UNAVAILABLE, "restarting")))
    start = time.monotonic()
    with pytest.raises(errors.ServerUnreachableError):
        run(target, "similar", settings={"deadline": 0.4, "retries": 1_000})
    assert time.monotonic() - start < 1
    assert len(asked) < 7  # pauses double


def test_a_slow_request_is_sent_a_second_time_and_the_first_reply_counts(faked: Any, run: Run):  # noqa: F811
    release, asked = threading.Event(), []

    def first_hangs(request: bytes, context: grpc.ServicerContext) -> bytes:
        if len(asked) == 1:
            release.wait(10)
        return good(request, context)

    target = faked(answering(asked, shop=first_hangs))
    start = time.monotonic()
    found = run(target, "ask", "similar", {}, settings={"deadline": 5, "hedge_after": 0.1})
    release.set()
    assert found["y"].tolist() == [[1.0]]
    assert 0.1 < time.monotonic() - start < 2
    assert len(asked) == 2


def test_a_fast_reply_needs_no_second_request_and_one_that_fails_waits_for_the_other(faked: Any, run: Run):  # noqa: F811
    asked: list[Any] = []
    run(faked(answering(asked, shop=good)), "ask", "similar", {}, settings={"deadline": 5, "hedge_after": 2})
    assert len(asked) == 1
    asked.clear()

    def second_fails(request: bytes, context: grpc.ServicerContext) -> bytes:
        if len(asked) == 2:
            context.abort(grpc.StatusCode.INTERNAL, "no")
        threading.Event().wait(0.4)
        return good(request, context)

    target = faked(answering(asked, shop=second_fails))
    found = run(target, "ask", "similar", {}, settings={"deadline": 5, "hedge_after": 0.1})
    assert (found["y"].tolist(), len(asked)) == ([[1.0]], 2)


def test_outputs_that_are_not_wanted_are_not_sent(server: EmbeddedServer, run: Run):  # noqa: F811
    target = f"127.0.0.1:{server.port}"
    found = run(target, "ask", "similar", {"k": 2}, outputs=["item_ids", "prices"], settings={"deadline": 10})
    assert {name: values.tolist() for name, values in found.items()} == {
        "item_ids": [["item_0", "item_1"]],
        "prices": [[10.0, 11.0]],
    }
    with pytest.raises(errors.SchemaError, match="'prices'"):
        run(target, "ask", "similar", {}, outputs=["price"])


def test_a_closed_client_says_so(run: Run):
    async def ask_closed() -> None:
        client = AsyncRecommenderClient("127.0.0.1:1")
        await client.close()
        await client.similar()

    with pytest.raises(errors.ClientClosedError):
        asyncio.run(ask_closed())


@pytest.mark.parametrize(
    "settings",
    [
        {"deadline": float("inf")},
        {"deadline": "1"},
        {"log": "answers"},
        {"explore": 0.5},
        {"experiment": "new"},
        {"history": "redis://localhost"},
        {"breaker": 3},
        {"best_sellers": 5},
        {"version": True},
        {"servable": "\ud800"},
        {"max_age": float("inf")},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [RecommenderClient, AsyncRecommenderClient])
def test_a_part_that_is_none_is_refused_at_once(kind: Any, settings: dict[str, Any]):
    with pytest.raises(errors.ConfigError, match=f"`{next(iter(settings))}`"):
        kind("127.0.0.1:1", **settings)


def test_a_target_has_a_port():
    with pytest.raises(errors.ConfigError, match="host:port"):
        RecommenderClient("localhost")


@pytest.mark.parametrize("number", [np.float32, np.float16, np.float64, np.int64])
def test_deadlines_are_any_kind_of_number(server: EmbeddedServer, run: Run, number: Any):  # noqa: F811
    settings = {"deadline": number(10), "hedge_after": number(5), "fallback_after": np.float32(0.5)}
    assert len(run(f"127.0.0.1:{server.port}", "similar", k=1, settings=settings)) == 1


@pytest.mark.parametrize(
    ("question", "arguments", "message"),
    [
        ("ask", ("similar", None), "dictionary"),
        ("ask", ("similar", []), "dictionary"),
        ("ask", (None, {}), "None"),
        ("wait_until_ready", (float("nan"),), "timeout"),
    ],
)
def test_an_argument_that_is_none_is_named(run: Run, question: str, arguments: Any, message: str):
    with pytest.raises((errors.SchemaError, errors.ConfigError), match=message):
        run("127.0.0.1:1", question, *arguments)


def test_names_of_outputs_and_servables_are_lists(run: Run):
    with pytest.raises(errors.SchemaError, match="takes a list"):
        run("127.0.0.1:1", "ask", "similar", {}, outputs="item_ids")
    with pytest.raises(errors.ConfigError, match="takes a list"):
        run("127.0.0.1:1", "wait_until_ready", servables="shop")


def test_an_async_client_belongs_to_one_event_loop(server: EmbeddedServer):  # noqa: F811
    client = AsyncRecommenderClient(f"127.0.0.1:{server.port}", deadline=10)

    async def ask() -> int:
        return len(await client.similar(k=1))

    assert asyncio.run(ask()) == 1
    with pytest.raises(errors.ClientClosedError, match=r"asyncio\.run"):
        asyncio.run(ask())


def test_a_replaced_connection_ends_its_calls_first(faked: Any):  # noqa: F811
    """A call may take longer than a connection is old."""

    def answer(request: Any, context: Any) -> Any:
        if len(waiting) < 2:
            waiting.append(request)
            is_free.wait(20)
        return good(request, context)

    waiting: list[Any] = []
    is_free = threading.Event()
    target = faked(answer)
    with RecommenderClient(target, deadline=20, max_age=1) as client:
        slow = [threading.Thread(target=lambda: answers.append(client.ask("similar", {"k": 1}))) for _ in range(2)]
        answers: list[Any] = []
        for thread in slow:
            thread.start()
        while len(waiting) < 2:
            time.sleep(0.01)
        for _ in range(3):
            time.sleep(1.1)
            client.ask("similar", {"k": 1})
        is_free.set()
        for thread in slow:
            thread.join()
    assert len(answers) == 2


def test_a_connection_is_replaced_when_it_is_old(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    opened: list[Any] = []
    insecure_channel = grpc.insecure_channel

    def opening(*args: Any, **settings: Any) -> grpc.Channel:
        opened.append(insecure_channel(*args, **settings))
        return opened[-1]

    monkeypatch.setattr(grpc, "insecure_channel", opening)
    now = time.monotonic()
    with RecommenderClient(f"127.0.0.1:{server.port}", deadline=10, max_age=30) as client:
        for later in (0, 20, 40, 80, 120):
            monkeypatch.setattr("tfrec.client.connection.time.monotonic", lambda later=later: now + later)
            assert len(client.similar(k=1)) == 1
    assert len(opened) == 4


def test_a_client_that_was_used_is_refused_after_a_fork_and_one_that_was_not_works(server: EmbeddedServer):  # noqa: F811
    with RecommenderClient(f"127.0.0.1:{server.port}", deadline=10) as used:
        used.similar(k=1)
        read, write = os.pipe()
        process = os.fork()
        if not process:
            try:
                used.similar(k=1)
            except errors.ClientClosedError as error:
                os.write(write, str(error).encode())
            os._exit(0)
        os.waitpid(process, 0)
        os.close(write)
        assert b"was used before the process was forked" in os.read(read, 1_000)
        assert len(used.similar(k=1)) == 1
