"""An assistant uses a served shop by the official client of the Model Context Protocol."""

import asyncio
import contextlib
import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import jsonschema
import pytest
import uvicorn
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests.client.test_client import free_port
from tfrec.agents.http_port import HttpPort, make_app
from tfrec.agents.server import ShopTools, make_server
from tfrec.agents.tools import tool_of
from tfrec.cli import main
from tfrec.client import AnswerLog, RecommenderClient
from tfrec.errors import ConfigError
from tfrec.schema.inputs import OBJECTIVES
from tfrec.schema.signatures import SIGNATURES
from tfrec.serving.server import EmbeddedServer

SHOP = [name for name, signature in SIGNATURES.items() if signature.is_slate and name != "page"]
TITLES = {f"item_{number}": f"Mug no. {number}" for number in range(6)}
TOKEN = "a-word-that-only-tests-know"


@pytest.fixture(scope="module")
def target(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(tiny_models / "shop", folder / "shop")
    with EmbeddedServer(folder, port=0) as server:
        yield f"127.0.0.1:{server.port}"


def in_memory(target, use, *, titles=TITLES, client=None, **settings):
    """Returns what `use(client of MCP)` gives, with the server in the same process."""

    async def run():
        with RecommenderClient(target, **{"deadline": 10, **(client or {})}) as asking:
            async with Client(make_server(ShopTools(asking, titles, **settings))) as assistant:
                return await use(assistant)

    return asyncio.run(run())


def call(target, name, arguments, **settings):
    return in_memory(target, lambda assistant: assistant.call_tool(name, arguments), **settings)


def text_of(result):
    (content,) = result.content
    return content.text


# --- what is offered --------------------------------------------------------------------------------------------------


def test_every_signature_is_a_read_only_tool_with_typed_inputs(target):
    tools = in_memory(target, lambda assistant: assistant.list_tools()).tools
    assert [tool.name for tool in tools] == ["find_items", *SHOP]
    for tool in tools:
        assert tool.annotations.read_only_hint and not tool.annotations.open_world_hint
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        assert tool.input_schema["additionalProperties"] is False
        assert all(schema["description"] for schema in tool.input_schema["properties"].values())
    upsell = next(tool for tool in tools if tool.name == "upsell").input_schema
    assert upsell["required"] == ["item_id"]
    assert upsell["properties"]["objective"]["enum"] == list(OBJECTIVES)
    assert upsell["properties"]["cart_item_ids"]["items"]["type"] == "string"
    assert "pattern" in upsell["properties"]["include_attributes"]["items"]
    assert "pattern" not in upsell["properties"]["same_as_anchor"]["items"]
    assert upsell["properties"]["max_price"]["type"] == "number"
    assert upsell["properties"]["k"]["type"] == "integer"


def test_offers_come_with_title_price_and_reason(target):
    result = call(target, "cross_sell", {"cart_item_ids": ["item_0"], "k": 2}, user_id="item_3")
    assert not result.is_error
    assert result.structured_content["offers"] == [
        {
            "item_id": f"item_{number}",
            "title": f"Mug no. {number}",
            "price": 10.0 + number,
            "reason": f"bought together with Mug no. 3 in {3 + number} orders",
            "chance": pytest.approx(chance, abs=1e-4),
        }
        for number, chance in [(1, 0.2689), (2, 0.1192)]
    ]
    assert result.structured_content["answered_by"] == "shop 1"
    assert result.structured_content["notes"] == []
    assert json.loads(text_of(result)) == result.structured_content


def test_items_are_found_by_words(target):
    result = call(target, "find_items", {"words": "mug 4"})
    assert result.structured_content["items"][0] == {"item_id": "item_4", "title": "Mug no. 4"}


def test_without_titles_there_is_nothing_to_find_by_words(target):
    tools = in_memory(target, lambda assistant: assistant.list_tools(), titles={}).tools
    assert [tool.name for tool in tools] == SHOP
    offer = call(target, "recommend", {"k": 1}, titles={}).structured_content["offers"][0]
    assert (offer["item_id"], offer["title"]) == ("item_0", None)


def test_instructions_reach_the_assistant(target):
    async def read(assistant):
        return assistant.instructions

    assert "never make one up" in " ".join(in_memory(target, read).split())


# --- whose offers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("passed_by", [{"is_adult": 1}, {"at_minute": 30_000_000}])
def test_a_conversation_passes_by_no_rule_of_the_shop(target, passed_by):
    """A shopper says that they are of age, or asks for what is offered next week."""
    refused = call(target, "recommend", passed_by)
    assert refused.is_error and next(iter(passed_by)) in text_of(refused)


def test_the_assistant_names_no_user_unless_it_may(target):
    refused = call(target, "recommend", {"user_id": "item_5"})
    assert refused.is_error and "user_id" in text_of(refused)
    assert "user_id" not in tool_of(SIGNATURES["recommend"], with_user=False)["inputSchema"]["properties"]
    allowed = call(target, "recommend", {"user_id": "item_5", "k": 1}, any_user=True)
    assert "Mug no. 5" in allowed.structured_content["offers"][0]["reason"]


def test_the_shopper_of_the_assistant_cannot_be_replaced(target):
    refused = call(target, "recommend", {"user_id": "item_5"}, user_id="item_3", any_user=True)
    assert refused.is_error


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        pytest.param("upsell", {}, "'item_id' is a required property", id="no item"),
        pytest.param("recommend", {"max_price": "ten"}, "max_price: 'ten' is not of type 'number'", id="type"),
        pytest.param("recommend", {"k": 500}, "k: 500 is greater than the maximum of 50", id="too many"),
        pytest.param("recommend", {"include_attributes": ["red"]}, "'red' does not match", id="no attribute"),
        pytest.param("recommend", {"budget": 5}, "'budget' was unexpected", id="unknown input"),
        pytest.param("upsell", {"item_id": "item_0", "objective": "x"}, "is not one of ['purchase'", id="no choice"),
        pytest.param("similar", {"item_id": "mug"}, "Unknown item ids: mug. Find ids by words", id="unknown item"),
        pytest.param("complete_cart", {"cart_item_ids": ["x", "y"]}, "Unknown item ids: x, y.", id="unknown cart"),
        pytest.param("buy", {}, "There is no tool 'buy'. Known: find_items, recommend", id="unknown tool"),
    ],
)
def test_errors_say_what_to_do(target, name, arguments, text):
    result = call(target, name, arguments)
    assert result.is_error
    assert text in text_of(result)


def test_an_unknown_item_in_a_cart_is_noted(target):
    result = call(target, "complete_cart", {"cart_item_ids": ["item_0", "x"], "k": 1})
    assert result.structured_content["notes"] == ["Unknown item ids: x. They were ignored."]
    assert result.structured_content["offers"][0]["item_id"] == "item_1"


def test_a_missing_server_is_named():
    result = call(f"127.0.0.1:{free_port()}", "recommend", {}, client={"deadline": 1})
    assert result.is_error
    assert "No server answers at 127.0.0.1" in text_of(result)


def test_tools_are_listed_before_the_server_is_there():
    tools = in_memory(f"127.0.0.1:{free_port()}", lambda one: one.list_tools(), client={"deadline": 0.5}).tools
    assert [tool.name for tool in tools] == ["find_items", *SHOP]


def test_an_empty_answer_has_its_cause(target, tmp_path):
    with AnswerLog(tmp_path) as log:
        everything = [f"item_{number}" for number in range(6)]
        result = call(target, "complete_cart", {"cart_item_ids": everything}, client={"log": log})
        call(target, "complete_cart", {"cart_item_ids": everything[1:]}, client={"log": log})
    assert result.structured_content["offers"] == []
    assert len(result.structured_content["notes"]) == 1
    logged = [json.loads(line) for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
    assert [line["item_id"] for line in logged] == ["item_0"]


# --- over standard input and output, and over HTTP --------------------------------------------------------------------


def test_the_command_speaks_over_standard_input_and_output(target, tmp_path):
    with (tmp_path / "items.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerows([("item_id", "title"), *TITLES.items()])
    command = ["-m", "tfrec", "mcp", target, "--items", str(tmp_path / "items.csv"), "--log", str(tmp_path / "log")]
    environment = {name: value for name, value in os.environ.items() if name in ("PYTHONPATH", "PATH")}
    started = StdioServerParameters(command=sys.executable, args=command, env=environment)

    async def use():
        async with Client(started) as assistant:
            tools = await assistant.list_tools()
            result = await assistant.call_tool("recommend", {"k": 2, "max_price": 11})
            return [tool.name for tool in tools.tools], result

    names, result = asyncio.run(use())
    assert names == ["find_items", *SHOP]
    assert [offer["title"] for offer in result.structured_content["offers"]] == ["Mug no. 0", "Mug no. 1"]
    (file,) = (tmp_path / "log").iterdir()
    logged = [json.loads(line) for line in file.read_text().splitlines()]
    assert {line["placement"] for line in logged} == {"assistant"}
    assert {line["slate_id"] for line in logged} == {result.structured_content["recommendation_id"]}


@contextlib.contextmanager
def over_http(target, **settings) -> Iterator[str]:
    import threading

    with socket.socket() as listening, RecommenderClient(target, deadline=10) as asking:
        listening.bind(("127.0.0.1", 0))
        number = listening.getsockname()[1]
        app = make_app(make_server(ShopTools(asking, TITLES)), HttpPort("127.0.0.1", number, **settings))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        until = time.monotonic() + 20
        while not server.started and time.monotonic() < until:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{number}/mcp"
        finally:
            server.should_exit = True
            thread.join()


def test_tools_are_called_over_http(target):
    async def use(url):
        async with Client(url) as assistant:
            return await assistant.call_tool("recommend", {"k": 1})

    with over_http(target) as url:
        assert asyncio.run(use(url)).structured_content["offers"][0]["item_id"] == "item_0"
        foreign = httpx2.post(url, json={}, headers={"Origin": "https://elsewhere.example"})
        assert foreign.status_code == 403  # a page in the shopper's browser cannot call what listens on loopback


def test_requests_without_the_token_are_refused(target):
    with over_http(target, token=TOKEN) as url:
        assert httpx2.post(url, json={}).status_code == 401
        assert httpx2.post(url, json={}, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert httpx2.post(url, json={}, headers={"Authorization": f"Bearer {TOKEN}"}).status_code not in (401, 403)


def test_others_need_a_token():
    with pytest.raises(ConfigError, match="Without a token"):
        HttpPort("0.0.0.0", 8600)
    with pytest.raises(ConfigError, match="at least 16"):
        HttpPort("0.0.0.0", 8600, token="short")


@pytest.mark.parametrize(
    ("options", "name"),
    [
        pytest.param([], "TFREC_MCP_TOKEN", id="usual variable"),
        pytest.param(["--token-env", "MY_TOKEN"], "MY_TOKEN", id="variable of that name"),
    ],
)
def test_the_command_names_the_variable_that_the_token_is_read_from(options, name, monkeypatch, capsys):
    monkeypatch.delenv(name, raising=False)
    assert main(["mcp", "localhost:8500", "--http", "0.0.0.0:8600", *options]) == 2
    assert f"Set {name} (make one: " in capsys.readouterr().err


def test_the_tools_load_nothing_heavy():
    code = "import sys, tfrec.agents.server, tfrec.agents.http_port, tfrec.cli.mcp; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"tensorflow", "pandas", "pyarrow", "scipy", "sklearn"}.isdisjoint(loaded)
