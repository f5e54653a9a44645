"""`tfrec history`: fills a history store with the events of a prepared shop."""

import argparse
import sys
from pathlib import Path

HELP = "fill a store of users' events, which the client sends with requests"
DESCRIPTION = """\
Puts the latest events of each user, and the segment, into Redis or a database. `tfrec.client` sends them with each
request, so that the servables need not store the users (`tfrec export --users none`), and the shop appends new events
as they happen. Run it again after `tfrec prepare`: what is older than the shop's last event is replaced, later events
stay. Redis needs the extra `history`, a database the extra `sql`.
"""
EXAMPLES = """\
examples:
  tfrec history prepared/my_shop --to redis://localhost:6379/0
  tfrec history prepared/my_shop --to 'mysql://shop:${DB_PASSWORD}@localhost/shop' --create-tables
  tfrec history prepared/my_shop --to redis://localhost:6379/0 --most 300
"""
INTERRUPTED = "Users that were written are whole. Run the same command again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the verb takes."""
    parser.add_argument("prepared", type=Path, metavar="DIR", help="folder that `tfrec prepare` wrote")
    parser.add_argument("--to", required=True, metavar="URL", help="store: redis://..., or a database's URL")
    parser.add_argument("--most", type=int, default=1000, metavar="N", help="events kept of each user, the latest")
    parser.add_argument("--create-tables", action="store_true", help="make the tables that the database lacks")


def run(options: argparse.Namespace) -> None:
    """Fills the store and says how much it holds."""
    from tfrec.client.history.open_store import open_history
    from tfrec.ingest.prepared import read_manifest
    from tfrec.jobs.user_histories import fill_history

    read_manifest(options.prepared)
    sys.stderr.write("Writing users' events ...\n")
    store = open_history(options.to, most=options.most, create_tables=options.create_tables, timeout=60.0)
    try:
        users, events = fill_history(options.prepared, store, most=options.most)
    finally:
        store.close()
    print(f"{users:,} users with {events:,} events.")
