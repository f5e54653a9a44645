"""Computes what the page on a preparation shows, from the written tables and those of the preparation before."""

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from tfrec.errors import SourceError
from tfrec.ingest.prepared import Manifest, read_manifest

_TABLES = ("events", "items", "users")
_SHIFT = 0.01  # of a price; less is rounding
_NUM_SHIFTS = 8
_STEPS = 101  # points of a curve


@dataclasses.dataclass(frozen=True)
class Change:
    """What differs from the preparation before.

    Attributes:
        before: manifest of that preparation.
        new_items: items that it did not have.
        lost_items: items that are no longer there.
        examples_new: titles or ids of some of them.
        examples_lost: likewise.
        shifted: items in both whose price differs by more than 1 %.
        median_ratio: median of new price / old price among them; NaN where there are none.
        shifts: the strongest of them: `item`, `old`, `new`.
    """

    before: Manifest
    new_items: int
    lost_items: int
    examples_new: tuple[str, ...]
    examples_lost: tuple[str, ...]
    shifted: int
    median_ratio: float
    shifts: pd.DataFrame


@dataclasses.dataclass(frozen=True)
class PreparationStudy:
    """What the page on a preparation shows.

    Attributes:
        manifest: contents and origin of the folder.
        ledger: `table`, `reason`, `rows`, and `file` and `row` of the first, most rows first.
        days: `day`, `event_type`, `events` on the shop's clock.
        types: event type → events.
        tails: `items` and `users` → `[101]` share of the events that the most active 0, 1, ... 100 % have.
        prices: `[n]` catalogue prices above 0.
        missing: `table`, `column`, `missing`, `rows`, of columns in which a value is missing.
        change: what differs from the preparation before; None where there is none.
    """

    manifest: Manifest
    ledger: pd.DataFrame
    days: pd.DataFrame
    types: Mapping[str, int]
    tails: Mapping[str, np.ndarray]
    prices: np.ndarray
    missing: pd.DataFrame
    change: Change | None


def study_preparation(folder: Path, *, before: Path | None = None) -> PreparationStudy:
    """Returns what a page shows of the prepared folder.

    Args:
        folder: as `tfrec prepare` writes it.
        before: folder of the preparation before; may be absent or of another format.

    Raises:
        SourceError: `folder` is no prepared shop.
    """
    manifest = read_manifest(folder)
    with tempfile.TemporaryDirectory() as spill, duckdb.connect(config={"temp_directory": spill}) as engine:
        # Files of tfrec's own names, in a folder whose name may hold any sign.
        for table in (*_TABLES, "test_events", "rejected"):
            path = folder / f"{table}.parquet"
            parts = sorted(path.iterdir()) if path.is_dir() else [path]
            engine.from_parquet([str(part) for part in parts]).create_view(f"{table}_file")
        engine.execute(
            "CREATE VIEW log AS SELECT user_id, item_id, event_type, timestamp FROM events_file "
            "UNION ALL SELECT user_id, item_id, event_type, timestamp FROM test_events_file"
        )
        days = _days(engine, manifest)
        return PreparationStudy(
            manifest=manifest,
            ledger=engine.execute(
                'SELECT "table", reason, count(*) AS rows, arg_min(file, row) AS file, min(row) AS row '
                "FROM rejected_file GROUP BY ALL ORDER BY rows DESC, reason"
            ).df(),
            days=days,
            types=days.groupby("event_type")["events"].sum().sort_values(ascending=False).astype(int).to_dict(),
            tails={name: _tail(engine, column) for name, column in (("items", "item_id"), ("users", "user_id"))},
            prices=engine.execute("SELECT price FROM items_file WHERE price > 0").df()["price"].to_numpy(np.float64),
            missing=pd.concat([_missing(engine, table) for table in _TABLES], ignore_index=True),
            change=_change(engine, before) if before is not None else None,
        )


def _days(engine: duckdb.DuckDBPyConnection, manifest: Manifest) -> pd.DataFrame:
    query = (
        "SELECT CAST(timezone(?, timezone('UTC', timestamp)) AS DATE) AS day, event_type, count(*) AS events "
        "FROM log GROUP BY ALL ORDER BY day, event_type"
    )
    return engine.execute(query, [manifest.time_zone]).df()


def _tail(engine: duckdb.DuckDBPyConnection, column: str) -> np.ndarray:
    """Returns `[101]` the share of the events of the most active 0, 1, ... 100 %; empty without any."""
    query = f"SELECT count(*) AS n FROM log WHERE {column} <> '' GROUP BY {column} ORDER BY n DESC"
    counts = engine.execute(query).df()["n"].to_numpy(np.float64)
    if not len(counts):
        return np.zeros(0)
    shares = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    return np.interp(np.linspace(0, len(counts), _STEPS), np.arange(len(counts) + 1), shares)


def _missing(engine: duckdb.DuckDBPyConnection, table: str) -> pd.DataFrame:
    """Returns the columns with missing values; of events, queries and ratings belong to their own types alone."""
    described = engine.execute(f"DESCRIBE {table}_file").df()
    conditions = []
    for name, kind in zip(described["column_name"], described["column_type"], strict=True):
        quoted = '"' + name.replace('"', '""') + '"'
        empty = (
            f" OR {quoted} = ''" if kind == "VARCHAR" else f" OR isnan({quoted})" if kind in ("FLOAT", "DOUBLE") else ""
        )
        relevant = {"query": "search", "rating": "rating", "order_id": "purchase", "price": "purchase"}.get(name, "")
        where = f" AND event_type = '{relevant}'" if relevant and table == "events" else ""
        none = f"({quoted} IS NULL{empty})"
        rows = f"event_type = '{relevant}'" if where else "true"
        conditions.append((name, f"count(*) FILTER ({none}{where})", f"count(*) FILTER ({rows})"))
    if not conditions:
        return pd.DataFrame({"table": [], "column": [], "missing": [], "rows": []})
    counts = engine.execute(
        f"SELECT {', '.join(part for _, *parts in conditions for part in parts)} FROM {table}_file"
    ).fetchall()[0]
    frame = pd.DataFrame(
        {
            "table": table,
            "column": [name for name, *_ in conditions],
            "missing": counts[::2],
            "rows": counts[1::2],
        }
    )
    return frame[frame["missing"] > 0].sort_values("missing", ascending=False)


def _change(engine: duckdb.DuckDBPyConnection, before: Path) -> Change | None:
    try:
        manifest = read_manifest(before)
        engine.from_parquet(str(before / "items.parquet")).create_view("items_before")
    except (SourceError, duckdb.IOException):
        return None
    named = "CASE WHEN title = '' THEN item_id ELSE title END"
    missing = (
        f"SELECT {named} AS name, count(*) OVER () AS number FROM {{here}} "
        "ANTI JOIN {there} USING (item_id) ORDER BY item_id LIMIT 5"
    )
    new = engine.execute(missing.format(here="items_file", there="items_before")).fetchall()
    lost = engine.execute(missing.format(here="items_before", there="items_file")).fetchall()
    shifts = engine.execute(
        "SELECT CASE WHEN new.title = '' THEN item_id ELSE new.title END AS item, old.price AS old, new.price AS new "
        "FROM items_file AS new JOIN items_before AS old USING (item_id) "
        f"WHERE old.price > 0 AND new.price > 0 AND abs(new.price / old.price - 1) > {_SHIFT} "
        "ORDER BY abs(ln(new.price / old.price)) DESC, item_id"
    ).df()
    ratio = shifts["new"] / shifts["old"]
    return Change(
        before=manifest,
        new_items=new[0][1] if new else 0,
        lost_items=lost[0][1] if lost else 0,
        examples_new=tuple(name for name, _ in new),
        examples_lost=tuple(name for name, _ in lost),
        shifted=len(shifts),
        median_ratio=float(ratio.median()),
        shifts=shifts.head(_NUM_SHIFTS),
    )
