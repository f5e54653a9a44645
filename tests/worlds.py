"""Small shops whose answers are known, as `Shop` values without files: orders and visits as lists of item names.

Example:
    shop = make_shop([*bought("ann", 0, "camera", "card"), *viewed("bob", 1, "card", "camera")])
"""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tfrec.features.shop import Shop, encode_shop
from tfrec.ingest.prepared import Manifest, Prepared
from tfrec.schema.tables import (
    EVENT_COLUMNS,
    FACT_COLUMNS,
    ITEM_COLUMNS,
    OPTIONAL_ITEM_COLUMNS,
    RELATION_COLUMNS,
    USER_COLUMNS,
    Tables,
    conform,
)

START = pd.Timestamp("2024-01-01")
START_HOUR = START.timestamp() / 3600.0

Rows = list[dict[str, Any]]


def bought(user: str, day: float, *items: str, order: str = "") -> Rows:
    """Returns the lines of one order, all of one moment; an order of a guest (`user=""`) needs its number."""
    order_id = order or f"{user}@{day}"
    return [{"user_id": user, "day": day, "item_id": item, "order_id": order_id} for item in items]


def viewed(user: str, day: float, *items: str, session: str = "", kind: str = "view") -> Rows:
    """Returns the events of one visit, a minute apart."""
    session_id = session or f"{user}#{day}"
    return [
        {
            "user_id": user,
            "day": day + minute / 1440.0,
            "item_id": item,
            "event_type": kind,
            "session_id": session_id,
        }
        for minute, item in enumerate(items)
    ]


def make_tables(
    rows: Rows,
    items: dict[str, dict[str, Any]] | None = None,
    *,
    unit: str = "s",
    segments: dict[str, str] | None = None,
    facts: Iterable[tuple[str, str, str]] = (),
    friends: Iterable[tuple[str, str]] = (),
) -> Tables:
    """Returns checked tables; moments are rounded to `unit`, items default to those that occur, by name.

    `segments` are of users, whether they occur or not; `friends` know one another.
    """
    frame = pd.DataFrame(rows)
    frame["timestamp"] = (START + pd.to_timedelta(frame.pop("day"), unit="D")).dt.round(unit).astype("datetime64[us]")
    if "event_type" not in frame:
        frame["event_type"] = "purchase"
    frame["event_type"] = frame["event_type"].fillna("purchase")
    frame = conform(frame.sort_values("timestamp", kind="stable", ignore_index=True), EVENT_COLUMNS, table="events")
    if items is None:
        items = {item: {} for item in sorted(set(frame["item_id"]))}
    catalogue = pd.DataFrame([{"item_id": item, "image_index": -1, **about} for item, about in items.items()])
    stated = {name: kind for name, kind in OPTIONAL_ITEM_COLUMNS.items() if name in catalogue.columns}
    users = pd.DataFrame({"user_id": sorted({*frame["user_id"], *(segments or {})} - {""})})
    if segments is not None:
        users["segment"] = [segments.get(user, "") for user in users["user_id"]]
    return Tables(
        frame,
        conform(catalogue, {**ITEM_COLUMNS, **stated}, table="items"),
        conform(users, USER_COLUMNS, table="users", extra=True),
        conform(pd.DataFrame(list(facts), columns=list(FACT_COLUMNS)), FACT_COLUMNS, table="facts"),
        _both_ways(list(friends)),
    )


def make_shop(
    rows: Iterable[dict[str, Any]],
    items: dict[str, dict[str, Any]] | None = None,
    *,
    images: np.ndarray | None = None,
    test_from_day: float | None = None,
    unit: str = "s",
    segments: dict[str, str] | None = None,
    facts: Iterable[tuple[str, str, str]] = (),
    friends: Iterable[tuple[str, str]] = (),
) -> Shop:
    """Returns a shop whose training ends at `test_from_day`; by default a minute after the last event."""
    tables = make_tables(list(rows), items, unit=unit, segments=segments, facts=facts, friends=friends)
    if test_from_day is None:
        test_from = tables.events["timestamp"].iloc[-1] + pd.Timedelta(minutes=1)
    else:
        test_from = START + pd.Timedelta(days=test_from_day)
    prepared = Prepared(
        path=Path("nowhere"),
        manifest=_manifest(test_from, tables),
        train=tables.until(test_from),
        test=tables.since(test_from),
        images=images,
    )
    return encode_shop(prepared)


def _both_ways(friends: list[tuple[str, str]]) -> pd.DataFrame:
    pairs = [*friends, *((other, user) for user, other in friends)]
    table = pd.DataFrame(pairs, columns=["user_id", "other_id"]).assign(weight=1.0)
    return conform(table, RELATION_COLUMNS, table="relations")


def checkerboard(num_users: int = 24, num_items: int = 12, *, rounds: int = 6) -> tuple[Shop, dict[str, str]]:
    """Even users buy even items, odd users odd ones, so do guests; user `u` never bought the item withheld from `u`.

    Returns the shop and each user's withheld item: the only one of the user's colour that is new to the user.
    """
    rng = np.random.default_rng(0)
    rows, withheld = [], {}
    for user in range(num_users):
        colour = [item for item in range(num_items) if item % 2 == user % 2]
        hidden = colour[(user // 2) % len(colour)]
        withheld[f"u{user}"] = f"i{hidden}"
        rest = [item for item in colour if item != hidden]
        for turn in range(rounds):
            basket = rng.permutation(rest)[: 3 + turn % 3]
            rows += bought(f"u{user}", turn * 7 + user / 100, *(f"i{item}" for item in basket))
            guests = rng.permutation(colour)[:4]
            rows += bought("", turn * 7 + 1 + user / 100, *(f"i{item}" for item in guests), order=f"g{user}-{turn}")
    items = {f"i{item}": {"price": 1.0 + item} for item in range(num_items)}
    return make_shop(rows, items), withheld


def indices(shop: Shop, *items: str) -> list[int]:
    """Returns the item indices of names."""
    return shop.vocabularies.items.encode(list(items)).tolist()


_numbers = itertools.count()


def _manifest(test_from: pd.Timestamp, tables: Tables) -> Manifest:
    texts = ("recipe", "validation_from", "until", "description", "source_url", "licence")
    counts = (
        "rows", "kept", "merged", "train_events", "test_events", "train_orders", "test_orders", "users", "items",
        "images",
    )  # fmt: skip
    return Manifest(
        format_version=1,
        fingerprint=f"world {next(_numbers)}",
        sources=(),
        time_zone="UTC",
        has_time=True,
        test_from=test_from.isoformat(),
        currency="EUR",
        rejected={},
        catalogue_rejected={},
        extras={},
        **dict.fromkeys(texts, ""),
        **dict.fromkeys(counts, 0),
    )
