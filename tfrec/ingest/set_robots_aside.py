"""Sets the events of robots aside, those of training by what was known before the test period."""

import dataclasses

from tfrec.errors import SourceError
from tfrec.ingest.preparation import Preparation
from tfrec.ingest.robots import ROBOT, find_robots
from tfrec.ingest.set_aside import set_aside
from tfrec.sources.file_format import FILE, ROW


def set_robots_aside(shop: Preparation) -> Preparation:
    """Sets robots aside and lists them (step 5)."""
    recipe, limit = shop.recipe, shop.recipe.clean.robots
    has_views = any(events.type == "view" or "event_type" in events.columns for events in recipe.events)
    if not (limit.max_views_per_hour and has_views and recipe.has_time):
        return shop
    found = find_robots(shop.training, shop.test, limit, shop.workspace)
    shop = shop.extended(notes=(*shop.notes, *found.notes))
    if found.rows is None:
        return shop
    events = shop.tables["events"]
    rows, number = set_aside(shop.workspace, events.rows, found.rows, name="events_without_robots")
    robots = shop.workspace.stored("events_without_robots_found")
    training, test = (part.anti_join(robots, [FILE, ROW]) for part in (shop.training, shop.test))
    if not int(training.count().execute()):
        raise SourceError(f"All {number:,} events of training are of robots. Raise [clean.robots] max_views_per_hour.")
    return shop.extended(
        tables={**shop.tables, "events": dataclasses.replace(events, rows=rows)},
        robots=found.visitors,
        kept=shop.kept - number,
        rejected={**shop.rejected, ROBOT: number},
        training=training,
        test=test,
    )
