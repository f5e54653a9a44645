"""The widget shows a slate of a served shop in a browser, and sends the collector what was seen and clicked."""

import contextlib
import functools
import http.server
import json
import os
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pandas as pd
import pytest
import uvicorn

from tests.client.test_client import free_port
from tests.deployment.browser import Browser, program, running_browser
from tests.serving.requests import put
from tfrec.collect.collector import Collector
from tfrec.collect.endpoint import EndpointConfig, make_app
from tfrec.collect.event_check import EventRules
from tfrec.collect.open_target import open_target
from tfrec.schema.signatures import REASONS
from tfrec.serving.server import EmbeddedServer

WIDGET = Path(__file__).parents[2] / "serving" / "widget"
TOKEN = "a-word-that-only-tests-know"
DOT = (
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'>"
    "<rect width='1' height='1' fill='teal'/></svg>"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if program() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing: .ci/install_examples")
        pytest.skip("no Chromium")
    with running_browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of the demo page, with a catalogue of the tiny shop."""
    folder = tmp_path_factory.mktemp("pages")
    for name in ("demo.html", "offers.js"):
        shutil.copy(WIDGET / name, folder / name)
    items = {
        f"item_{number}": {"title": f"Mug no. {number}", "url": f"#mug-{number}", "image": DOT, "alt": "a teal mug"}
        for number in range(5)  # item_5 is served, and left the shop meanwhile
    }
    (folder / "items.json").write_text(json.dumps(items), encoding="utf-8")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def shop(tiny_models: Path, pages: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    put(tiny_models, folder, "shop", "1", source="shop/1")
    with EmbeddedServer(folder, port=0, rest_port=0, allow_origins=[pages]) as server:
        yield f"http://127.0.0.1:{server.rest_port}"


@contextlib.contextmanager
def collecting(folder: Path, origin: str) -> Iterator[str]:
    collector = Collector(open_target(str(folder), EventRules()), EventRules())
    app = make_app(collector, EndpointConfig(token=TOKEN, allow_origins=(origin,)))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            collector.close()


def kept(folder: Path, part: str) -> pd.DataFrame:
    files = sorted((folder / part).glob("*.parquet"))
    frame = pd.concat([pd.read_parquet(file) for file in files]) if files else pd.DataFrame({"more": [], "item_id": []})
    return frame.join(pd.DataFrame([json.loads(text) for text in frame["more"]], index=frame.index), rsuffix="_more")


def address(pages: str, **asked: str) -> str:
    return f"{pages}/demo.html?{urlencode(asked)}"


def test_a_slate_is_shown_as_a_list_that_screen_readers_understand(browser: Browser, pages: str, shop: str):
    page = browser.open(address(pages, server=shop, signature="cross_sell", cart="item_0", heading="Goes with it"))
    assert page.wait_for("document.body?.dataset.offers") == "4"
    page.wait_for("document.querySelectorAll('img').length && [...document.images].every((one) => one.complete)")
    if folder := os.environ.get("TFREC_PICTURES"):
        page.save_picture(Path(folder) / "widget.png")
    shown = page.accessible()
    assert ("heading", "Goes with it") in shown
    assert ("list", "Goes with it") in shown
    assert [role for role, _ in shown].count("listitem") == 4
    links = [name for role, name in shown if role == "link"]
    assert links[0] == "a teal mug Mug no. 1 €11.00"
    assert [name for role, name in shown if role == "heading"][2:] == [f"Mug no. {number}" for number in range(1, 5)]
    assert ("image", "a teal mug") in shown
    assert "bought together with  in 4 orders" in page.value("document.querySelector('li p').textContent")


def test_what_was_seen_and_clicked_reaches_the_collector(browser: Browser, pages: str, shop: str, tmp_path: Path):
    with collecting(tmp_path / "collected", pages) as collector:
        asked = {"server": shop, "collector": collector, "token": TOKEN}
        page = browser.open(address(pages, **asked), width=330, height=760)  # one column: two items are in sight
        page.wait_for("document.body?.dataset.offers")
        slate = page.value("document.querySelector('li').dataset.recommendationId")
        sent = "performance.getEntriesByType('resource').filter(({name}) => name.includes('/events')).length"
        assert page.wait_for(f"{sent} >= 1")
        page.value("document.querySelectorAll('li')[4].scrollIntoView()")  # the third flies by
        assert page.wait_for(f"{sent} >= 2")
        page.value("document.querySelectorAll('li')[4].querySelector('a').focus()")
        page.press("Enter")
        assert page.wait_for(f"{sent} >= 3")
        assert page.value("location.hash") == "#mug-4"
    impressions, events = kept(tmp_path / "collected", "impressions"), kept(tmp_path / "collected", "events")
    seen = dict(zip(impressions["item_id"], impressions["position"], strict=True))
    assert seen["item_0"] == 0 and seen["item_4"] == 4
    assert "item_2" not in seen and "item_5" not in seen
    assert set(impressions["slate_id"]) == {slate}
    assert set(impressions["version"]) == {"shop/1"} and set(impressions["placement"]) == {"demo page"}
    (click,) = events.to_dict("records")
    assert (click["event_type"], click["item_id"], click["slate_id"], click["position"]) == ("view", "item_4", slate, 4)


def test_items_in_sight_for_less_than_a_second_are_not_seen(browser: Browser, pages: str, shop: str, tmp_path: Path):
    with collecting(tmp_path / "collected", pages) as collector:
        page = browser.open(address(pages, server=shop, collector=collector, token=TOKEN))
        page.wait_for("document.body?.dataset.offers")
        page.value("document.getElementById('offers').style.display = 'none'")
        page.value("new Promise((resolve) => setTimeout(resolve, 1300))")
        assert page.value("performance.getEntriesByType('resource').every(({name}) => !name.includes('/events'))")
    assert kept(tmp_path / "collected", "impressions").empty


@pytest.mark.parametrize("cause", ["no server", "no such signature", "another page"])
def test_without_offers_the_place_is_hidden(
    browser: Browser, pages: str, shop: str, tiny_models: Path, tmp_path: Path, cause: str
):
    asked = {"server": shop} | ({"signature": "buy"} if cause == "no such signature" else {})
    with contextlib.ExitStack() as stack:
        if cause == "no server":
            asked["server"] = f"http://127.0.0.1:{free_port()}"
        if cause == "another page":
            put(tiny_models, tmp_path, "shop", "1", source="shop/1")
            others = ["https://shop.example"]
            server = stack.enter_context(EmbeddedServer(tmp_path, port=0, rest_port=0, allow_origins=others))
            asked["server"] = f"http://127.0.0.1:{server.rest_port}"
        page = browser.open(address(pages, **asked))
        assert page.wait_for("document.body?.dataset.offers") == "none"
        assert page.value("document.getElementById('offers').hidden")


def test_reasons_are_those_of_the_contract():
    text = (WIDGET / "offers.js").read_text(encoding="utf-8")
    table = re.search(r"export const REASONS = \{\n(.*?)\n\};", text, re.DOTALL)
    assert table is not None
    assert dict(re.findall(r'^  (\w+): "(.*)",$', table[1], re.MULTILINE)) == dict(REASONS)
