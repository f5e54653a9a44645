"""`tfrec collect` from files, folders and standard input, killed at any moment."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.collect.kept import in_database
from tests.collect.logs import make_event, write_log
from tests.databases import PASSWORD
from tfrec.cli import main


def collect(kept, *arguments):
    options = ("--create-tables",) if "://" in kept.place else ()
    return [sys.executable, "-m", "tfrec", "collect", *map(str, arguments), "--to", kept.place, *options]


def test_files_are_collected_once(kept, tmp_path, capsys):
    log = tmp_path / "log"
    log.mkdir()
    ids = write_log(log / "a.jsonl", range(50))
    with (log / "a.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"event_type": "view"}\nno json\n')
    arguments = collect(kept, log)[3:]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "50 new events, 0 known already, 2 lines rejected" in out and "1 no JSON" in out
    ids += write_log(log / "a.jsonl", range(50, 60), mode="a")
    write_log(log / "b.jsonl", range(55, 65))
    assert main(arguments) == 0
    assert "15 new events, 5 known already, 0 lines rejected" in capsys.readouterr().out
    assert sorted(kept.ids()) == sorted({*ids, *(make_event(number)["event_id"] for number in range(65))})
    assert {row["reason"] for row in kept.read("rejected_events")} == {"missing timestamp", "no JSON"}


def test_a_collector_of_plain_files_starts_without_what_tables_need():
    code = "import sys, tfrec.collect.collector, tfrec.collect.mysql_target\nprint(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "pyarrow", "numpy"} & {*loaded}


@pytest.mark.slow
def test_standard_input_is_collected(kept, tmp_path):
    ids = write_log(tmp_path / "a.jsonl", range(30))
    content = (tmp_path / "a.jsonl").read_bytes()
    for new in (30, 0):
        ran = subprocess.run(collect(kept, "-"), input=content, capture_output=True, check=True)
        assert f"{new} new events, {30 - new} known already".encode() in ran.stdout
    assert sorted(kept.ids()) == sorted(ids)


@pytest.mark.slow
def test_a_collector_that_is_killed_ten_times_loses_nothing_and_keeps_nothing_twice(kept, tmp_path):
    log = tmp_path / "log"
    log.mkdir()
    draw = random.Random(1)
    ids = write_log(log / "000.jsonl", range(60_000))
    kills = 0
    for at in range(10):
        process = subprocess.Popen(collect(kept, log, "--follow", "--poll-seconds", "0.05", "--segment-seconds", "0.3"))
        ids += write_log(log / f"{at // 3 + 1:03}.jsonl", range(60_000 + at * 2_000, 62_000 + at * 2_000), mode="a")
        time.sleep(1.2 + draw.random() * 1.5)  # the start of Python takes half a second
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += process.returncode == -signal.SIGKILL
    ran = subprocess.run(collect(kept, log), capture_output=True, text=True, check=True)
    assert kills == 10, ran.stdout
    found = kept.ids()
    assert len(found) == len(set(found)) == len(ids) and set(found) == set(ids)


@pytest.mark.slow
def test_following_ends_in_good_order(kept, tmp_path):
    log = tmp_path / "log"
    log.mkdir()
    process = subprocess.Popen(collect(kept, log, "--follow"), stdout=subprocess.PIPE, text=True)
    ids = write_log(log / "a.jsonl", range(100))
    until = time.monotonic() + 30
    place = f"{log / 'a.jsonl'}"
    while time.monotonic() < until:
        if "://" in kept.place:
            try:
                if kept.read("collected_files"):
                    break
            except Exception:  # the tables are not there yet
                pass
        elif any(place in path.read_text() for path in tmp_path.glob("collected/journal/*.jsonl")):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert "100 new events" in process.communicate(timeout=30)[0] and process.returncode == 0
    assert sorted(kept.ids()) == sorted(ids)


def test_no_secret_is_printed(shop_database, tmp_path, monkeypatch):
    kept = in_database(shop_database)
    write_log(tmp_path / "a.jsonl", range(3))
    ran = subprocess.run(collect(kept, tmp_path / "a.jsonl", "-v"), capture_output=True, text=True, check=True)
    monkeypatch.setenv("DB_PASSWORD", "Wrong-Secret-2")
    refused = subprocess.run(collect(kept, tmp_path / "a.jsonl", "-v"), capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "Access denied" in refused.stderr
    for printed in (ran.stdout + ran.stderr, refused.stdout + refused.stderr):
        assert PASSWORD not in printed and "Wrong-Secret-2" not in printed and "Traceback" not in printed


def test_user_ids_are_pseudonyms_with_a_key(kept, tmp_path):
    (tmp_path / "key").write_bytes(bytes(range(32)))
    event = make_event(2, user_id="someone@example.org")
    (tmp_path / "a.jsonl").write_text(json.dumps(event) + '\n{"user_id": "someone@example.org"}\n', encoding="utf-8")
    assert main(collect(kept, tmp_path / "a.jsonl", "--key-file", tmp_path / "key")[3:]) == 0
    (row,) = kept.read("events")
    assert len(row["user_id"]) == 32
    assert "someone" not in str(row) + str(kept.read("rejected_events"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Name files, folders or -"),
        (("a.jsonl", "--http", "127.0.0.1:80"), "and not both"),
        (("-", "--follow"), "Standard input"),
        (("--http", "8080"), "HOST:PORT"),
        (("absent.jsonl",), "There is no file or folder absent.jsonl"),
        (("absent.jsonl", "--create-tables"), "a folder has no tables"),
        (("absent.jsonl", "--time-zone", "Mars"), "is unknown"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["collect", *arguments, "--to", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
