"""Chromium without a window, driven over the DevTools protocol through pipes."""

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def program() -> str | None:
    """Returns the path of a Chromium, or None."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Page:
    """One page of a browser."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser, self._session = browser, session

    def send(self, method: str, **parameters: Any) -> Any:
        return self._browser.send(method, session=self._session, **parameters)

    def value(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression, awaited."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, condition: str, *, milliseconds: int = 15_000) -> Any:
        """Returns the value of an expression as soon as it is true, or its last value after a while."""
        return self.value(
            f"""new Promise((resolve) => {{
              const until = Date.now() + {milliseconds};
              const look = () => {{
                const value = {condition};
                if (value || Date.now() > until) resolve(value); else setTimeout(look, 20);
              }};
              look();
            }})"""
        )

    def press(self, key: str) -> None:
        code = {"Tab": 9, "Enter": 13}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **common, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def accessible(self) -> list[tuple[str, str]]:
        """Returns role and name of each node that assistive technology is shown, in the order of the page."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        by_id = {node["nodeId"]: node for node in nodes}

        def walk(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
            if not node["ignored"]:
                yield node["role"]["value"], node.get("name", {}).get("value", "")
            for child in node.get("childIds", ()):
                yield from walk(by_id[child])

        return list(walk(nodes[0]))

    def save_picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))


class Browser:
    """A running browser."""

    def __init__(self, read: Any, write: Any) -> None:
        self._read, self._write = read, write
        self._numbers = itertools.count(1)

    def send(self, method: str, *, session: str | None = None, **parameters: Any) -> Any:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        self._write.write(json.dumps(message).encode() + b"\0")
        self._write.flush()
        while True:
            answer = json.loads(self._next())
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def open(self, address: str, *, width: int = 900, height: int = 700) -> Page:
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        page = Page(self, self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        page.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        page.send("Emulation.setFocusEmulationEnabled", enabled=True)
        page.send("Page.navigate", url=address)
        return page

    def _next(self) -> bytes:
        message = bytearray()
        while (byte := self._read.read(1)) != b"\0":
            assert byte, "the browser has ended"
            message += byte
        return bytes(message)


@contextlib.contextmanager
def running_browser(profile: Path) -> Iterator[Browser]:
    """Gives a browser of its own profile."""
    to_read, to_write = os.pipe(), os.pipe()
    command = [program(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={profile}", "--remote-debugging-pipe", "--no-first-run"]
    # The pipes must have the numbers 3 and 4 in the browser.
    start = ["bash", "-c", f'exec "$@" 3<&{to_write[0]} 4>&{to_read[1]}', "bash", *map(str, command)]
    process = subprocess.Popen(start, pass_fds=(to_write[0], to_read[1]), stderr=subprocess.DEVNULL)
    os.close(to_write[0])
    os.close(to_read[1])
    try:
        with os.fdopen(to_read[0], "rb") as read, os.fdopen(to_write[1], "wb") as write:
            browser = Browser(read, write)
            yield browser
            browser.send("Browser.close")
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
