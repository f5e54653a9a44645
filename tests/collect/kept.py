"""Where tests keep events, and what is there afterwards, for each kind of target."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from tests.databases import Server


class Kept(NamedTuple):
    """A place for events: what `--to` names, and what reads its tables as rows."""

    place: str
    read: Callable[[str], list[dict[str, Any]]]

    def ids(self) -> list[str]:
        """Returns the ids of all events and impressions."""
        return [row["event_id"] for table in ("events", "impressions") for row in self.read(table)]


def in_folder(folder) -> Kept:
    def read(table):
        name = {"rejected_events": "rejected"}.get(table, table)
        return [row for path in sorted(folder.glob(f"{name}/*.parquet")) for row in pq.read_table(path).to_pylist()]

    return Kept(str(folder), read)


def in_database(server: Server) -> Kept:
    def read(table):
        names = [row[0] for row in server.execute("shop", f"SHOW COLUMNS FROM {table}")]
        return [dict(zip(names, row, strict=True)) for row in server.execute("shop", f"SELECT * FROM {table}")]

    return Kept(server.public_url("shop"), read)


@pytest.fixture(params=["mysql", "parquet"])
def kept(request, tmp_path) -> Kept:
    """A place in MariaDB, then one in a folder."""
    if request.param == "parquet":
        return in_folder(tmp_path / "collected")
    return in_database(request.getfixturevalue("shop_database"))
