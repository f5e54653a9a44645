"""Makes typical queries of each signature from a shop's last days, without TensorFlow."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from tfrec.client.queries import build_inputs
from tfrec.schema.signatures import SIGNATURES, Signature
from tfrec.schema.tables import Tables

NUM_QUERIES = 8
"""Queries of each signature that a certificate holds."""
_LATEST = 20_000  # events looked at: the last days of most shops
_MOST_IN_CART, _MOST_EVENTS, _NUM_CANDIDATES = 6, 6, 20

Arguments: TypeAlias = Mapping[str, Any]
"""One query as the client takes it: input name → value, or list of values; what is left out takes its default."""


def typical_queries(train: Tables, *, num_queries: int = NUM_QUERIES) -> dict[str, list[Arguments]]:
    """Returns signature name → queries made of the latest carts, visits, users and items of the training period.

    Every third query is a guest's. Queries of one signature differ where the log is large enough.

    Args:
        train: events up to the moment that the models know.
        num_queries: number of queries of each signature.
    """
    events = train.events
    latest = events[(events["event_type"] != "impression") & (events["item_id"] != "")].tail(_LATEST)
    carts, visits = _carts(latest), _visits(latest)
    often = latest["item_id"].value_counts(sort=True).index.astype(str).tolist()
    user_ids = latest["user_id"][latest["user_id"] != ""].drop_duplicates(keep="last")[::-1].tolist()
    parts = (carts or [[item] for item in often], visits, often, user_ids)
    return {
        name: [_query(signature, number, *parts) for number in range(num_queries)]
        for name, signature in SIGNATURES.items()
    }


def as_batch(signature: Signature, queries: Sequence[Arguments]) -> dict[str, np.ndarray]:
    """Returns queries as the inputs `[B, ...]` of one request, every input present, a row per query."""
    arguments = {
        spec.name: [query.get(spec.name, spec.padding if spec.rank == 1 else []) for query in queries]
        for spec in signature.inputs
    }
    return build_inputs(signature, arguments)[0]


def _query(
    signature: Signature,
    number: int,
    carts: Sequence[list[str]],
    visits: Sequence[dict[str, Any]],
    items: Sequence[str],
    users: Sequence[str],
) -> Arguments:
    """Returns one query; carts for what completes them, visits in every second of the others."""
    chosen: dict[str, Any] = {"item_id": _at(items, number)}
    if users and number % 3 != 2:
        chosen["user_id"] = _at(users, number)
    if carts and (signature.name in ("complete_cart", "cross_sell", "arrange_cart") or number % 2):
        chosen["cart_item_ids"] = _at(carts, number)
    if visits and (signature.name == "recommend" or number % 2 == 0):
        chosen |= _at(visits, number)
    shift = number % max(len(items), 1)
    chosen["candidate_item_ids"] = [*items[shift:], *items[:shift]][:_NUM_CANDIDATES]
    return {spec.name: chosen[spec.name] for spec in signature.inputs if spec.name in chosen}


def _at(values: Sequence[Any], number: int) -> Any:
    return values[number % len(values)]


def _carts(latest: pd.DataFrame) -> list[list[str]]:
    """Returns the latest orders without their last item, no two alike, the latest first."""
    lines = latest[(latest["event_type"] == "purchase") & (latest["order_id"] != "")]
    orders = lines.drop_duplicates(["order_id", "item_id"]).groupby("order_id", sort=False)["item_id"].agg(list)
    carts = {tuple(items[:-1][:_MOST_IN_CART]) for items in orders.iloc[::-1].head(200) if len(items) > 1}
    return [list(cart) for cart in sorted(carts, key=lambda cart: (len(cart) % 3, cart))]


def _visits(latest: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns what the latest sessions would send along, the latest first; empty in a log without sessions."""
    events = latest[latest["session_id"] != ""]
    visits = []
    for _, visit in list(events.groupby("session_id", sort=False))[-50:][::-1]:
        visit = visit.tail(_MOST_EVENTS)
        hours = (visit["timestamp"].iloc[-1] - visit["timestamp"]) / pd.Timedelta(hours=1)
        visits.append(
            {
                "recent_item_ids": visit["item_id"].astype(str).tolist(),
                "recent_event_types": visit["event_type"].astype(str).tolist(),
                "recent_ages": [round(float(hour), 3) for hour in hours],
            }
        )
    return visits
