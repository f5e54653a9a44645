"""Rows read from MariaDB, and events collected by a process that is killed: `python -m tests.benchmarks.collecting`.

Starts a MariaDB server of its own. Reads a table of `--rows` rows into the workspace of a preparation and prints rows a
second and the peak memory of the process, also for a quarter of the rows: with constant memory both are alike. Then
collects `--events` lines of JSON into MariaDB and into Parquet files by `tfrec collect`, once without kills and once
killed `--kills` times on the way (`kill -9`); prints events a second of the time that the processes ran, the processor
time of the program (starts included) and of the server, which overlap where cores are free, lost and repeated.
"""

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pyarrow.parquet as pq

from tests.databases import PASSWORD, Server, running_mariadb

_READ = """
import json, resource, sys, time
from pathlib import Path
import ibis
from tfrec.sources import Database, SqlRows, SqlSource, Workspace
url, table, folder = sys.argv[1:]
folder = Path(folder)
began = time.perf_counter()
workspace = Workspace(ibis.duckdb.connect(folder / "tables.duckdb"), folder)
source = SqlSource(SqlRows(Database(url), table=table, key="id"), folder / "chunks")
rows = source.read(workspace, name="raw").table.count().execute()
seconds = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([int(rows), seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
_LOG = (
    "CREATE TABLE {name} (id BIGINT PRIMARY KEY, user_id VARCHAR(32), item_id VARCHAR(32), event_type VARCHAR(16), "
    "timestamp DATETIME(6), order_id VARCHAR(32), session_id VARCHAR(32), quantity DECIMAL(12, 3), "
    "price DECIMAL(12, 4), query VARCHAR(200))"
)
_ROWS = (
    "INSERT INTO {name} SELECT seq, CONCAT('u', seq % 100000), CONCAT('item-', seq % 20000), 'view', "
    "'2024-01-01' + INTERVAL seq SECOND, NULL, CONCAT('s', seq DIV 7), 1, 12.5 + seq % 100, NULL FROM seq_1_to_{rows}"
)


def measure_reading(server: Server, *, rows: int) -> None:
    """Prints rows a second and peak memory."""
    for name, number in (("quarter", rows // 4), ("whole", rows)):
        server.execute("shop", _LOG.format(name=name), _ROWS.format(name=name, rows=number))
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", _READ, server.public_url("shop"), name, folder]
            ran = subprocess.run(command, check=True, capture_output=True, text=True)
        found, seconds, busy, peak = json.loads(ran.stdout.splitlines()[-1])
        assert found == number
        print(
            f"read {found:,} rows in {seconds:.1f} s ({busy:.1f} s of processor time, start included): "
            f"{found / seconds:,.0f} rows/s; peak memory {peak:,.0f} MB"
        )
        server.execute("shop", f"DROP TABLE {name}")


def write_log(folder: Path, *, events: int) -> int:
    """Writes lines of JSON into ten files; returns their number."""
    draw = random.Random(0)
    kinds = ["view"] * 6 + ["cart", "purchase", "impression"]
    for part in range(10):
        with (folder / f"{part:02}.jsonl").open("w", encoding="utf-8") as file:
            for at in range(events // 10):
                event = {
                    "event_id": str(uuid.UUID(int=draw.getrandbits(128))),
                    "event_type": draw.choice(kinds),
                    "timestamp": f"2026-10-{1 + at % 28:02}T{at % 24:02}:{at % 60:02}:00.{at % 1000:03}Z",
                    "user_id": f"u{draw.randrange(100_000)}",
                    "item_id": f"item-{draw.randrange(20_000)}",
                    "session_id": f"s{draw.randrange(1_000_000)}",
                    "price": 9.99 + at % 50,
                }
                file.write(json.dumps(event) + "\n")
    return events // 10 * 10


def processor_seconds(server: Server) -> tuple[float, float]:
    """Returns the processor time of all processes that have ended, and of the server."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    fields = Path(f"/proc/{server.process}/stat").read_text().rpartition(")")[2].split()
    return used.ru_utime + used.ru_stime, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def collect(log: Path, place: str, *, kills: int, pause: float) -> float:
    """Collects all, killed so many times; returns the seconds that processes ran."""
    command = [sys.executable, "-m", "tfrec", "collect", str(log), "--to", place]
    if "://" in place:
        command.append("--create-tables")
    draw = random.Random(1)
    seconds = 0.0
    for _ in range(kills):
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            process.communicate(timeout=pause * (0.5 + draw.random()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        else:
            print("  (all was collected before a kill)")
        seconds += time.perf_counter() - began
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return seconds + time.perf_counter() - began


def measure_collecting(server: Server, *, events: int, kills: int, pause: float) -> None:
    """Prints events a second, and what was lost or is there twice."""
    with tempfile.TemporaryDirectory() as place:
        log = Path(place, "log")
        log.mkdir()
        number = write_log(log, events=events)
        for times in (0, kills):
            server.execute("mysql", "DROP DATABASE shop", "CREATE DATABASE shop CHARACTER SET utf8mb4")
            for name, target in (("MariaDB", server.public_url("shop")), ("Parquet", str(Path(place, f"out-{times}")))):
                before = processor_seconds(server)
                seconds = collect(log, target, kills=times, pause=pause)
                ours, theirs = (
                    1e6 * (now - then) / number for now, then in zip(processor_seconds(server), before, strict=True)
                )
                if name == "MariaDB":
                    counts = "SELECT COUNT(*), COUNT(DISTINCT event_id) FROM (SELECT event_id FROM events UNION ALL "
                    ((rows, ids),) = server.execute("shop", counts + "SELECT event_id FROM impressions) AS kept")
                else:
                    kept = [
                        path for table in ("events", "impressions") for path in Path(target, table).glob("*.parquet")
                    ]
                    found = [text for path in kept for text in pq.read_table(path, columns=["event_id"])[0].to_pylist()]
                    rows, ids = len(found), len(set(found))
                print(
                    f"collected {number:,} events into {name}, killed {times} times: {number / seconds:,.0f} events/s "
                    f"(processor time an event: {ours:.1f} µs, and {theirs:.1f} µs of the server); "
                    f"{number - ids:,} lost, {rows - ids:,} twice"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--events", type=int, default=1_200_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--pause", type=float, default=4.0, help="mean seconds between two kills")
    arguments = parser.parse_args()
    os.environ["DB_PASSWORD"] = PASSWORD
    with running_mariadb("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=1G") as server:
        measure_reading(server, rows=arguments.rows)
        measure_collecting(server, events=arguments.events, kills=arguments.kills, pause=arguments.pause)


if __name__ == "__main__":
    main()
