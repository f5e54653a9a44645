"""Events over HTTP: kept before they are acknowledged, refused where they are too many, too large or without token."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.collect.logs import make_event
from tfrec.collect.endpoint import EndpointConfig
from tfrec.collect.rate_limit import RateLimit
from tfrec.errors import ConfigError

TOKEN = "a-word-that-only-tests-know"
PAGE = "https://shop.example"


class Endpoint:
    """`tfrec collect --http` as a process of its own."""

    def __init__(self, place, *options):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [
            sys.executable,
            "-m",
            "tfrec",
            "collect",
            "--http",
            f"127.0.0.1:{self.port}",
            "--to",
            place,
            *options,
        ]
        environment = os.environ | {"TFREC_COLLECT_TOKEN": TOKEN}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if self.send(None, path="/health", method="GET")[0] == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(self.stop())

    def send(self, body, *, path="/events", method="POST", token=TOKEN, **headers):
        """Returns status, content and headers of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            given = {"Authorization": f"Bearer {token}"} if token else {}
            sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(
                method, path, sent, given | {name.replace("_", "-"): text for name, text in headers.items()}
            )
            answer = connection.getresponse()
            content = answer.read()
            return (
                answer.status,
                json.loads(content) if content.startswith(b"{") else content,
                dict(answer.getheaders()),
            )
        finally:
            connection.close()

    def stop(self, by=signal.SIGTERM):
        """Returns what the process printed."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        return self.process.communicate(timeout=60)[0]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("endpoint") / "collected"
    running = Endpoint(str(folder), "--allow-origin", PAGE, "--max-bytes", "20000", "--rate", "0")
    yield running
    running.stop()


def test_one_event_a_list_and_lines_are_taken(endpoint):
    lines = b"\n".join(json.dumps(make_event(number)).encode() for number in range(5, 8))
    for body, number in ((make_event(1), 1), ([make_event(2), make_event(3)], 2), (lines, 3)):
        assert endpoint.send(body)[:2] == (202, {"accepted": number, "rejected": []})


def test_a_beacon_is_text_with_its_token_in_the_address(endpoint):
    status, _, headers = endpoint.send(
        make_event(9), path=f"/events?token={TOKEN}", token="", Content_Type="text/plain;charset=UTF-8", Origin=PAGE
    )
    assert status == 202 and headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize("path", ["/events", "/events?token=", "/events?token=wrong", "/events?token=%C3%A4"])
def test_a_request_without_the_token_is_refused(endpoint, path):
    assert endpoint.send(make_event(10), path=path, token="")[0] == 401
    assert endpoint.send(make_event(10), token="another-word")[0] == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"{\n}\n{", 400),
        (b"{}\n{}", 422),
        (b"\xff\xfe", 400),
        (b"[" * 5_000, 400),
        ([make_event(1, item_id="")], 422),
        (b"x" * 20_001, 413),
        (b"[" + b",".join([b"0"] * 1_001) + b"]", 413),
    ],
)
def test_what_holds_no_event_is_refused(endpoint, body, status):
    assert endpoint.send(body)[0] == status


def test_a_body_without_a_length_is_cut_at_the_limit(endpoint):
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=30)
    with contextlib.suppress(OSError):
        connection.request(
            "POST", "/events", iter([b" " * 10_000] * 20), {"Authorization": f"Bearer {TOKEN}"}, encode_chunked=True
        )
    assert connection.getresponse().status == 413
    connection.close()


def test_bad_events_of_a_batch_are_named(endpoint):
    status, answer, _ = endpoint.send([make_event(20), make_event(21, price="dear"), 7])
    assert status == 202
    assert answer == {
        "accepted": 1,
        "rejected": [{"event": 1, "reason": "unreadable price"}, {"event": 2, "reason": "no object"}],
    }


def test_only_named_pages_may_send(endpoint):
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
    allowed = endpoint.send(None, method="OPTIONS", token="", Origin=PAGE, **asked)
    assert allowed[0] == 200 and allowed[2]["access-control-allow-origin"] == PAGE
    assert endpoint.send(None, method="OPTIONS", token="", Origin="https://other.example", **asked)[0] == 400


def test_other_paths_and_methods_are_refused(endpoint):
    assert endpoint.send(make_event(1), path="/")[0] == 404
    assert endpoint.send(None, method="GET")[0] == 405


def test_too_many_requests_of_an_address_are_refused(tmp_path):
    endpoint = Endpoint(str(tmp_path / "collected"), "--rate", "0.1")
    status, _, headers = endpoint.send(make_event(1))
    assert status == 429 or endpoint.send(make_event(2))[0] == 429
    assert status == 202 or int(headers["retry-after"]) > 0
    endpoint.stop()


def test_a_bucket_fills_again():
    now = [0.0]
    limit = RateLimit(2.0, 3, clock=lambda: now[0])
    assert [limit.wait_for("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait_for("b") == 0
    now[0] = 0.5
    assert (limit.wait_for("a"), limit.wait_for("a")) == (0, 0.5)


@pytest.mark.slow
def test_acknowledged_events_survive_a_kill(kept):
    options = ("--create-tables",) if "://" in kept.place else ()
    acknowledged = []
    for round_of in range(2):
        endpoint = Endpoint(kept.place, "--rate", "0", *options)

        def send(number, endpoint=endpoint):
            with contextlib.suppress(OSError, http.client.HTTPException):
                if endpoint.send([make_event(number), make_event(number + 1_000)])[0] == 202:
                    acknowledged.extend(make_event(at)["event_id"] for at in (number, number + 1_000))

        with ThreadPoolExecutor(8) as pool:
            sent = [pool.submit(send, round_of * 100 + number) for number in range(200)]
            while sum(future.done() for future in sent) < 60:
                time.sleep(0.005)
            printed = endpoint.stop(signal.SIGKILL)
        assert TOKEN not in printed
    endpoint = Endpoint(kept.place, *options)
    printed = endpoint.stop()
    assert "0 new events" in printed
    ids = kept.ids()
    assert len(acknowledged) >= 100 and set(acknowledged) <= set(ids) and len(set(ids)) == len(ids)


def test_an_endpoint_without_a_token_has_to_be_asked_for(tmp_path):
    environment = {name: text for name, text in os.environ.items() if name != "TFREC_COLLECT_TOKEN"}
    command = [sys.executable, "-m", "tfrec", "collect", "--http", "127.0.0.1:8080", "--to", tmp_path / "out"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 2 and "TFREC_COLLECT_TOKEN" in ran.stderr and "--no-token" in ran.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"token": "short"}, "at least 16 characters"),
        ({"max_bytes": 0}, "above 0"),
        ({"rate": -1.0}, "`rate` must be 0"),
        ({"allow_origins": ("shop.example",)}, "https://shop.example"),
    ],
)
def test_settings_are_checked(setting, message):
    with pytest.raises(ConfigError, match=message):
        EndpointConfig(**setting)
