"""Worlds of slates, clicks and orders by construction, kept by `tfrec collect`."""

import itertools
import json
from pathlib import Path

import numpy as np

from tfrec.collect.collector import Collector, collect_files
from tfrec.collect.event_check import EventRules
from tfrec.collect.open_target import open_target

DAY = "2026-10-{day:02}T{hour:02}:{minute:02}:00Z"


class World:
    """Collects events; times are days, hours and minutes of October 2026."""

    def __init__(self):
        self.events = []
        self._numbers = itertools.count()

    def add(self, event_type, item_id, *, day=1, hour=12, minute=0, **fields):
        event = {
            "event_id": f"e{next(self._numbers)}",
            "event_type": event_type,
            "timestamp": DAY.format(day=day, hour=hour, minute=minute),
            "item_id": item_id,
        }
        self.events.append(event | fields)

    def show(self, slate_id, items, **fields):
        for position, item_id in enumerate(items):
            self.add("impression", item_id, slate_id=slate_id, position=position, **fields)

    def click(self, slate_id, item_id, **fields):
        self.add("view", item_id, slate_id=slate_id, **fields)

    def buy(self, item_id, *, quantity=1, price=10.0, **fields):
        self.add("purchase", item_id, quantity=quantity, price=price, currency="EUR", **fields)

    def collect(self, folder: Path) -> str:
        """Returns the folder in which `tfrec collect` keeps the events."""
        log = folder / "log.jsonl"
        log.write_text("".join(f"{json.dumps(event)}\n" for event in self.events), encoding="utf-8")
        rules = EventRules()
        collector = Collector(open_target(str(folder / "collected"), rules), rules)
        collect_files([log], collector)
        collector.close()
        assert not collector.collected.rejected
        return str(folder / "collected")


def experiment_world(*, num_users: int, effect: float, seed: int) -> World:
    """Everybody is shown an item and clicks it; the arm `new` buys it with a probability that is higher by `effect`.

    A fifth of `control` buys for 10: with the clicks these purchases are attributed, though nothing was added.
    """
    rng = np.random.default_rng(seed)
    world = World()
    for number in range(num_users):
        arm, user = ("control", "new")[number % 2], f"u{number}"
        world.show(
            f"s{number}", ["A"], user_id=user, arm=arm, placement="cart", signature="cross_sell", version="shop/3"
        )
        world.click(f"s{number}", "A", user_id=user, minute=1)
        if rng.random() < 0.2 + effect * (arm == "new"):
            world.buy("A", user_id=user, order_id=f"o{number}", minute=5)
    return world
