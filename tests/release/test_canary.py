"""A version under trial: kept, taken back for its answers or its errors, or promoted."""

import datetime
import http.server
import json
import threading
import urllib.parse
from typing import ClassVar

import promql_parser
import pytest

from tests.release.small_models import put_version
from tfrec.cli import main
from tfrec.errors import ServingError, SourceError
from tfrec.release.canary import CanaryConfig, decide
from tfrec.release.follow import follow_place
from tfrec.release.gate import was_refused
from tfrec.release.place import Place
from tfrec.release.publish import publish_versions
from tfrec.serving.models_config import CONFIG, serving_config
from tfrec.serving.server import EmbeddedServer

NOON = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)

pytestmark = pytest.mark.usefixtures("unchecked")


class Prometheus(http.server.BaseHTTPRequestHandler):
    """Answers queries by the job that they name: job → (requests, failed)."""

    counts: ClassVar[dict[str, tuple[float, float]]] = {}

    def do_GET(self):
        (query,) = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["query"]
        promql_parser.parse(query)
        job = query.partition('job="')[2].partition('"')[0]
        value = self.counts[job][1 if "status!=" in query else 0]
        content = json.dumps({"data": {"result": [{"metric": {}, "value": [0, str(value)]}]}}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        """Keeps the test's output clean."""


@pytest.fixture
def prometheus():
    """Its address; both jobs without failures."""
    Prometheus.counts = {"tfrec-serving": (50_000, 10), "tfrec-serving-canary": (2_500, 0)}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Prometheus) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def trial(models, certified, store, tmp_path):
    """URL of a store with stable = 1 and canary = 2, and the address of a server that follows canary."""
    put_version(models, certified, 2)
    (models / CONFIG).write_text(serving_config({"stable": 1, "canary": 2}, versions=[], base_path="/models"))
    publish_versions(models, store)
    follow_place(store, tmp_path / "pod", label="canary")
    with EmbeddedServer(tmp_path / "pod", port=0) as server:
        yield store, f"127.0.0.1:{server.port}"


def labels(url):
    return dict(Place(url).config()["shop"].labels)


def test_a_good_canary_is_kept_and_then_promoted(trial, prometheus):
    url, server = trial
    asked = {"server": server, "prometheus": prometheus}
    assert decide(url, **asked, now=NOON).action == "keep"
    assert decide(url, **asked, now=NOON + datetime.timedelta(hours=23)).action == "keep"
    assert decide(url, **asked, now=NOON + datetime.timedelta(hours=25)).action == "promote"


def test_a_canary_that_no_user_was_sent_to_is_not_promoted(trial, prometheus):
    url, server = trial
    Prometheus.counts["tfrec-serving-canary"] = (3, 0)
    decide(url, server=server, prometheus=prometheus, now=NOON)
    later = NOON + datetime.timedelta(days=9)
    assert decide(url, server=server, prometheus=prometheus, now=later).action == "keep"


def test_a_canary_that_fails_requests_is_taken_back_and_never_taken_for_good_again(trial, prometheus, capsys):
    url, server = trial
    Prometheus.counts["tfrec-serving-canary"] = (2_500, 60)
    words = ["canary", url, "--server", server, "--prometheus", prometheus]
    assert main(words) == 1
    assert labels(url) == {"stable": 1, "canary": 1}
    assert was_refused(Place(url), 2)
    assert "2.40% of its requests fail" in capsys.readouterr().out
    assert main(words) == 0
    assert "Nothing is under trial" in capsys.readouterr().out


def test_failures_that_stable_has_too_are_not_the_canarys(trial, prometheus):
    url, server = trial
    Prometheus.counts = {"tfrec-serving": (50_000, 1_200), "tfrec-serving-canary": (2_500, 60)}
    assert decide(url, server=server, prometheus=prometheus).action == "keep"


def test_a_canary_that_answers_otherwise_than_certified_is_taken_back(trial, tmp_path, capsys):
    url, server = trial
    name = "shop/2/assets.extra/certificate.json"
    content = json.loads(Place(url).read_text(name))
    content["queries"][0]["item_ids"].reverse()
    Place(url).write_text(name, json.dumps(content))
    assert main(["canary", url, "--server", server]) == 1
    assert labels(url) == {"stable": 1, "canary": 1}
    assert "query 0" in capsys.readouterr().out


def test_servers_have_time_to_load_and_not_for_ever(trial):
    url, _ = trial
    asked = {"server": "127.0.0.1:9", "config": CanaryConfig(grace=15)}
    assert decide(url, **asked, now=NOON).reasons == ("not loaded yet",)
    assert decide(url, **asked, now=NOON + datetime.timedelta(minutes=16)).action == "back"


def test_promotion_moves_stable(trial, prometheus, capsys):
    url, server = trial
    since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=30)
    Place(url).write_text(".canary.json", json.dumps({"version": 2, "since": since.isoformat()}))
    assert main(["canary", url, "--server", server, "--prometheus", prometheus]) == 0
    assert labels(url) == {"stable": 2, "canary": 2}
    assert "stable: version 2, which was 1" in capsys.readouterr().out


def test_without_an_answer_of_prometheus_nothing_is_changed(trial):
    url, server = trial
    with pytest.raises(ServingError, match="Nothing was changed"):
        decide(url, server=server, prometheus="http://127.0.0.1:9")
    assert labels(url) == {"stable": 1, "canary": 2}


def test_a_place_without_a_stable_version_is_an_error(models):
    with pytest.raises(SourceError, match="stable"):
        decide(str(models), server="127.0.0.1:9")
