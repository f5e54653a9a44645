"""Logs of events as lines of JSON, with ids that a test can count."""

import json
import random
import uuid
from pathlib import Path


def make_event(number, **fields):
    """Returns an event whose id depends on `number` alone."""
    event_id = str(uuid.UUID(int=random.Random(number).getrandbits(128)))
    kind = ("view", "cart", "purchase", "impression")[number % 4]
    event = {
        "event_id": event_id,
        "event_type": kind,
        "timestamp": f"2026-10-{1 + number % 28:02}T{number % 24:02}:{number % 60:02}:00.{number % 1000:03}Z",
        "user_id": f"u{number % 97}",
        "item_id": f"LAMP-{number % 31}",
        "session_id": f"s{number // 5}",
    }
    if kind == "purchase":
        event |= {"order_id": f"o{number}", "quantity": 1 + number % 3, "price": 19.9, "currency": "EUR"}
    if kind == "impression":
        event |= {"slate_id": f"sl{number // 40}", "position": number // 4 % 10, "propensity": 0.1}
    return event | fields


def write_log(path: Path, numbers, *, mode="w"):
    """Writes events as lines; returns their ids."""
    events = [make_event(number) for number in numbers]
    with path.open(mode, encoding="utf-8") as file:
        file.writelines(f"{json.dumps(event, ensure_ascii=False)}\n" for event in events)
    return [event["event_id"] for event in events]
