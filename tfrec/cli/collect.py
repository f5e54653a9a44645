"""`tfrec collect`: keeps events of a running shop, each once by its id."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfrec.collect.endpoint import EndpointConfig

HELP = "keep events of a running shop, each once by its id"
DESCRIPTION = """\
Reads events as lines of JSON from files, folders or standard input (-), or receives them over HTTP, checks each, and
keeps them in MySQL, MariaDB or a folder of Parquet files: each once by its event_id, whatever is sent twice and
whenever the process is killed. What is no event is kept apart with the reason. `tfrec prepare` reads what was
collected (recipe `collected`).
"""
EXAMPLES = """\
examples:
  tfrec collect log/ --to collected                     # what is there now, into Parquet files; again for what is new
  tfrec collect log/ --follow --to collected            # and whatever is appended, until Ctrl-C
  zcat old.jsonl.gz | tfrec collect - --to collected
  tfrec collect log/ --follow --to 'mysql://${DB_USER}:${DB_PASSWORD}@db/shop' --create-tables
  TFREC_COLLECT_TOKEN=... tfrec collect --http 127.0.0.1:8080 --to collected --allow-origin https://shop.example

an event:
  {"event_id": "7f0c...", "event_type": "purchase", "timestamp": "2026-11-29T10:00:00Z", "user_id": "u7",
   "item_id": "LAMP-7", "order_id": "1001", "quantity": 2, "price": 19.9}
"""
INTERRUPTED = "What was read is kept. Run the same command again to go on from there."
_TOKEN = "TFREC_COLLECT_TOKEN"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="FILE",
        help="files or folders (.jsonl, .ndjson, also .gz) with an event a line; - = standard input",
    )
    parser.add_argument(
        "--to",
        required=True,
        metavar="PLACE",
        help="folder for Parquet files, or URL of MySQL or MariaDB, in which ${NAME} is a variable of the environment",
    )
    parser.add_argument(
        "--follow", action="store_true", help="go on for what is appended, and for new files in folders"
    )
    parser.add_argument(
        "--poll-seconds", type=float, default=1.0, metavar="S", help="seconds between two looks at files"
    )
    parser.add_argument("--create-tables", action="store_true", help="make the tables that are missing in the database")
    parser.add_argument(
        "--time-zone", default="UTC", metavar="ZONE", help="zone of times without an offset, such as Europe/Berlin"
    )
    parser.add_argument(
        "--derive-ids",
        action="store_true",
        help="give an event without event_id one made of its content: equal events count once",
    )
    parser.add_argument(
        "--drop-unknown", action="store_true", help="drop fields that are not known, in place of keeping them"
    )
    parser.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="file of the secret that turns user ids into pseudonyms before they are kept "
        "(make one: head -c 32 /dev/urandom > FILE)",
    )
    parser.add_argument(
        "--segment-seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="age at which events of a folder become a Parquet file, or earlier when there are many",
    )
    parser.add_argument(
        "--window-days",
        type=float,
        default=0.0,
        metavar="N",
        help="days for which a folder knows the ids of its events; 0 = forever, at 16 bytes of memory an event",
    )
    http = parser.add_argument_group("over HTTP")
    http.add_argument("--http", metavar="HOST:PORT", help="receive events at http://HOST:PORT/events")
    http.add_argument(
        "--token-env", default=_TOKEN, metavar="NAME", help="environment variable of the token that requests must bring"
    )
    http.add_argument("--no-token", action="store_true", help="receive events from everyone who reaches the port")
    http.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="URL",
        help="page that may send events; several times; * = all",
    )
    http.add_argument("--max-bytes", type=int, default=262_144, metavar="N", help="bytes of the largest request")
    http.add_argument(
        "--rate", type=float, default=20.0, metavar="N", help="requests a second of one address; 0 = no limit"
    )
    http.add_argument(
        "--trusted-proxies",
        default="",
        metavar="IPS",
        help="addresses of proxies whose X-Forwarded-For names the sender, separated by commas; * = all",
    )


def run(options: argparse.Namespace) -> None:
    """Collects and prints the counts."""
    from tfrec.collect.collector import Collector, collect_files, collect_stream
    from tfrec.collect.event_check import EventRules
    from tfrec.collect.open_target import open_target
    from tfrec.errors import ConfigError

    if bool(options.sources) == bool(options.http):
        raise ConfigError("Name files, folders or - (standard input), or an address with --http, and not both.")
    if "-" in options.sources and (len(options.sources) > 1 or options.follow):
        raise ConfigError("Standard input (-) is read alone, until it ends.")
    endpoint = _endpoint(options) if options.http else None
    rules = EventRules(options.time_zone, options.derive_ids, not options.drop_unknown, _key(options.key_file))
    target = open_target(
        options.to,
        rules,
        create_tables=options.create_tables,
        segment_seconds=options.segment_seconds,
        window_days=options.window_days,
    )
    collector = Collector(target, rules)
    is_stopped = _stopped_by_signals() if options.follow else (lambda: False)
    try:
        if endpoint is not None:
            from tfrec.collect.endpoint import serve_events

            logging.getLogger("tfrec").setLevel(logging.INFO)  # a server's log is its output
            host, _, port = options.http.rpartition(":")
            collected = serve_events(collector, endpoint, host=host.strip("[]"), port=int(port))
        elif options.sources == ["-"]:
            collected = collect_stream(sys.stdin.buffer, collector)
        else:
            collected = collect_files(
                [Path(name) for name in options.sources],
                collector,
                follow=options.follow,
                poll_seconds=options.poll_seconds,
                stopped=is_stopped,
            )
    finally:
        collector.close()
    rejected = sum(collected.rejected.values())
    print(f"{collected.new:,} new events, {collected.repeated:,} known already, {rejected:,} lines rejected")
    for reason, count in collected.rejected.most_common():
        print(f"  {count:>10,} {reason}")
    if collector.dropped:
        print(f"Unknown fields of {collector.dropped:,} events were dropped.")


def _endpoint(options: argparse.Namespace) -> "EndpointConfig":
    from tfrec.collect.endpoint import EndpointConfig
    from tfrec.errors import ConfigError

    host, _, port = options.http.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"The address must be HOST:PORT, such as 127.0.0.1:8080; got {options.http!r}.")
    token = os.environ.get(options.token_env, "")
    if not token and not options.no_token:
        raise ConfigError(
            f"Requests must bring a token, which is read from the environment: set {options.token_env} (make one: "
            "head -c 24 /dev/urandom | base64), or receive events from everyone with --no-token."
        )
    return EndpointConfig(
        token="" if options.no_token else token,
        allow_origins=tuple(options.allow_origin),
        max_bytes=options.max_bytes,
        rate=options.rate,
        trusted_proxies=options.trusted_proxies,
    )


def _key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    from tfrec.ingest.privacy import read_key

    return read_key(path)


def _stopped_by_signals() -> Callable[[], bool]:
    """Returns whether SIGTERM or Ctrl-C has come, which end the work in good order."""
    has_come = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal has_come
        has_come = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return lambda: has_come
