"""What was shown is kept: whole lines that the collector takes, none lost at an orderly end."""

import datetime as dt
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.client.best_seller_files import write_best_sellers
from tests.client.test_client import free_port
from tfrec.client import AnswerLog, Experiment, Exploration, RecommenderClient
from tfrec.client.history import HistoryEvent, UserPast
from tfrec.collect.event_check import EventCheck, EventRules
from tfrec.errors import ConfigError, SourceError


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_best_sellers(tmp_path_factory.mktemp("models"))


def asking(models: Path, log: AnswerLog, **settings: Any) -> RecommenderClient:
    """A client without a server: its answers come at once."""
    return RecommenderClient(f"127.0.0.1:{free_port()}", best_sellers=models, log=log, retries=0, **settings)


def test_a_line_holds_what_was_shown_to_whom_and_why(models: Path, tmp_path: Path):
    with (
        AnswerLog(tmp_path / "log", placement="cart page") as log,
        asking(models, log, experiment=Experiment("e", shares={"new": 1.0}), explore=Exploration()) as client,
    ):
        offers = client.complete_cart(user_id=["ü", "w"], cart_item_ids=[["lamp"], ["mug", "x"]], k=[2, 1])
        client.complete_cart(k=0)
    lines = lines_of(tmp_path / "log")
    assert [line["item_id"] for line in lines] == [item for item in offers.item_ids.ravel() if item]
    assert [line["position"] for line in lines] == [0, 1, 0]
    assert [line["user_id"] for line in lines] == ["ü", "ü", "w"]
    ids = [one.recommendation_id for one in offers.queries()]
    assert [line["slate_id"] for line in lines] == [ids[0], ids[0], ids[1]]
    assert [line["propensity"] for line in lines] == [chance for chance in offers.propensities.ravel() if chance > 0]
    assert [{line[name] for line in lines} for name in ("signature", "version", "arm", "placement", "event_type")] == [
        {"complete_cart"},
        {"best_sellers/3"},
        {"new"},
        {"cart page"},
        {"impression"},
    ]
    assert json.loads(lines[2]["request"]) == {"cart_item_ids": ["mug", "x"], "k": 1}  # what was left out is not there
    assert "request" not in lines[1]
    check = EventCheck(EventRules())
    assert len({check.row_of(line)[0] for line in lines}) == 3


def test_items_of_a_page_are_logged_for_their_widgets(models: Path, tmp_path: Path):
    with AnswerLog(tmp_path / "log") as log, asking(models, log) as client:
        page = client.page(item_id="bulb", widgets=["similar", "recommend"], widget_sizes=[2, 0], k=3)
    lines = lines_of(tmp_path / "log")
    assert [(line["signature"], line["position"]) for line in lines] == [
        *(("similar", place) for place in range(2)),
        *(("recommend", place) for place in range(2)),
    ]
    assert {line["slate_id"] for line in lines} == {page.recommendation_id}
    assert len({line["event_id"] for line in lines}) == 4


def test_a_users_history_is_not_logged(models: Path, tmp_path: Path):
    class Kept:
        def read(self, user_ids: list[str]) -> list[UserPast]:
            bought = HistoryEvent("mug", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
            return [UserPast((bought,) * 900, "north") for _ in user_ids]

    with AnswerLog(tmp_path / "log") as log, asking(models, log, history=Kept()) as client:
        assert client.recommend(user_id="u", recent_item_ids=["lamp"], k=1).history == "sent"
    request = json.loads(lines_of(tmp_path / "log")[0]["request"])
    assert request["recent_item_ids"] == ["lamp"]
    assert not [name for name in request if name.startswith("history_")]


def test_only_drawn_slates_have_propensities_and_a_long_request_is_left_out(models: Path, tmp_path: Path):
    with AnswerLog(tmp_path) as log, asking(models, log) as client:
        client.recommend(exclude_item_ids=[f"item{number}" for number in range(2_000)], k=1)
    (line,) = lines_of(tmp_path)
    assert "propensity" not in line
    assert line["request"] == ""
    EventCheck(EventRules()).row_of(line)


def test_new_files_begin_when_one_is_large(models: Path, tmp_path: Path):
    with AnswerLog(tmp_path, file_bytes=2_000) as log, asking(models, log) as client:
        for _ in range(10):
            client.recommend()
            log.flush()
    assert len(list(tmp_path.glob("*.jsonl"))) == 5
    assert len({line["event_id"] for line in lines_of(tmp_path)}) == 50


def test_a_full_disk_costs_no_answer_and_only_what_exceeds_the_buffer(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real, is_full = os.pwrite, threading.Event()
    is_full.set()

    def pwrite(file: int, content: Any, offset: int) -> int:
        if is_full.is_set():
            real(file, bytes(content)[:7], offset)  # a part is written before it fails
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, content, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with AnswerLog(tmp_path, buffer_rows=50, flush_seconds=0.01) as log, asking(models, log) as client:
        ids = [client.recommend().recommendation_id for _ in range(14)]
        assert log.dropped == 20
        with pytest.raises(OSError, match="No space"):
            log.flush()
        is_full.clear()
        log.flush()
        ids = [*ids[:10], client.recommend().recommendation_id]
    assert list(dict.fromkeys(line["slate_id"] for line in lines_of(tmp_path))) == ids
    assert log.dropped == 20


def test_an_answer_larger_than_the_buffer_is_kept_and_what_a_close_loses_is_counted(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with AnswerLog(tmp_path, buffer_rows=3) as log, asking(models, log) as client:
        num_shown = len(client.recommend(k=10))
    assert (len(lines_of(tmp_path)), log.dropped) == (num_shown, 0)

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    lost = AnswerLog(tmp_path, flush_seconds=60)
    with asking(models, lost) as client:
        client.recommend(k=10)
        monkeypatch.setattr(os, "pwrite", full)
        lost.close()
    assert lost.dropped == num_shown


def test_a_placement_is_a_text(tmp_path: Path):
    with pytest.raises(ConfigError, match="placement"):
        AnswerLog(tmp_path, placement=b"cart")  # type: ignore[arg-type]


def test_parent_and_child_write_files_of_their_own(models: Path, tmp_path: Path):
    with AnswerLog(tmp_path, flush_seconds=60) as log, asking(models, log) as parent:
        first = parent.recommend(k=1).recommendation_id
        process = os.fork()
        if not process:
            with asking(models, log) as child:
                child.recommend(k=1)
            log.close()
            os._exit(0)
        assert os.waitpid(process, 0)[1] == 0
    slates = [line["slate_id"] for line in lines_of(tmp_path)]
    assert slates.count(first) == 1
    assert len(set(slates)) == len(slates) == 2


@pytest.mark.parametrize(
    "settings", [{"buffer_rows": 0}, {"flush_seconds": -1}, {"file_bytes": 0}, {"flush_seconds": 1e10}]
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, settings: dict[str, Any]):
    with pytest.raises(ConfigError, match="above 0"):
        AnswerLog(tmp_path, **settings)
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="cannot be"):
        AnswerLog(tmp_path / "file" / "log")


_LOAD = """
import os, sys
from tfrec.client import AnswerLog, RecommenderClient
models, folder, ending, port = sys.argv[1:]
log = AnswerLog(folder)
client = RecommenderClient(f"127.0.0.1:{port}", best_sellers=models, log=log, retries=0)
count = os.open(os.path.join(folder, "count"), os.O_CREAT | os.O_RDWR)
for number in range(1, 301 if ending == "exit" else 10**9):
    client.recommend(user_id=f"u{number}")
    os.pwrite(count, b"%12d" % number, 0)
    if number == 300:
        print("loaded", flush=True)
"""


@pytest.mark.parametrize(
    ("ending", "most_lost"), [("exit", 0), ("SIGTERM", 0), ("SIGKILL", 20_000)], ids=["exit", "terminated", "killed"]
)
def test_a_process_under_load_loses_no_more_than_stated(models: Path, tmp_path: Path, ending: str, most_lost: int):
    command = [sys.executable, "-c", _LOAD, str(models), str(tmp_path), ending, str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loaded\n"
        if ending != "exit":
            process.send_signal(signal.Signals[ending])
        code = process.wait(30)
    assert code == (0 if ending == "exit" else -signal.Signals[ending])
    asked = int((tmp_path / "count").read_text())
    lines = lines_of(tmp_path)  # every line is whole
    assert asked * 5 - most_lost <= len(lines) <= (asked + 1) * 5
    assert len({line["event_id"] for line in lines}) == len(lines)
