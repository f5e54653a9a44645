"""Writes a prepared shop's files, and describes them in its manifest."""

from collections import Counter

import ibis.expr.types as ir
import numpy as np

from tfrec.ingest.extras import copy_extras, copy_truth
from tfrec.ingest.impressions import order_impressions
from tfrec.ingest.preparation import Preparation
from tfrec.ingest.prepared import (
    FORMAT_VERSION,
    Manifest,
)
from tfrec.ingest.privacy import key_check
from tfrec.ingest.rejected import (
    count_incomplete,
    count_reasons,
    count_rows,
    write_incomplete,
    write_rejected,
)
from tfrec.ingest.robots import ROBOT
from tfrec.ingest.write_events import write_events


def write_files(shop: Preparation) -> Preparation:
    """Writes the tables and the ledger, and copies what lies beside them (step 8)."""
    folder, files = shop.folder, shop.files
    write_events(shop)
    for name, frame in shop.frames.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    if shop.embeddings is not None:
        np.save(folder / "embeddings.npy", shop.embeddings)
    if "impressions" in shop.tables:
        order_impressions(shop.tables["impressions"].good).to_parquet(folder / "impressions.parquet")
    if len(shop.robots):
        shop.robots.to_parquet(folder / "robots.parquet", index=False)
    write_rejected([*shop.tables.values()], folder / "rejected.parquet", shop.workspace)
    write_incomplete([*shop.tables.values()], folder / "incomplete.parquet", shop.workspace)
    extras = copy_extras(files.extras, folder, key=files.key, user_columns=_user_columns(shop))
    copy_truth(files.truth, folder)
    return shop.extended(extras=extras)


def describe_shop(shop: Preparation) -> Preparation:
    """Describes contents and origin of the folder in its manifest (step 9)."""
    recipe, frames = shop.recipe, shop.frames
    train_events, test_events = _count(shop.training), _count(shop.test)
    counts = {name: count_rows(table) for name, table in shop.tables.items()}
    ruled = (*shop.tables["events"].spec.ruled, ROBOT)
    scrubbed = sum((Counter(table.scrubbed) for table in shop.tables.values()), Counter())
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        recipe=recipe.name,
        fingerprint=shop.fingerprint,
        sources=shop.sources,
        time_zone=recipe.time_zone,
        has_time=recipe.has_time,
        test_from=shop.moments.test_from.isoformat(),
        validation_from=shop.moments.validation_from.isoformat(),
        until=shop.until.isoformat() if shop.until is not None else "",
        currency=recipe.currency,
        rows=shop.kept + sum(shop.rejected.values()),
        kept=shop.kept,
        merged=shop.kept - train_events - test_events,
        rejected=dict(shop.rejected),
        excluded={reason: n for reason, n in shop.rejected.items() if reason in ruled},
        catalogue_rejected=count_reasons(shop.others),
        train_events=train_events,
        test_events=test_events,
        train_orders=_count_orders(shop.training),
        test_orders=_count_orders(shop.test),
        users=len(frames["users"]),
        items=len(frames["items"]),
        images=shop.images,
        extras=dict(shop.extras),
        description=recipe.description,
        source_url=recipe.source_url,
        licence=recipe.licence,
        facts=len(frames.get("facts", ())),
        relations=len(frames.get("relations", ())),
        incomplete=count_incomplete([*shop.tables.values()]),
        notes=(*shop.notes, *shop.absent, *(note for table in shop.others for note in table.notes)),
        returns=shop.return_counts,
        country=recipe.country,
        impressions=counts["impressions"].kept if "impressions" in counts else 0,
        embeddings=shop.embeddings.shape[1] if shop.embeddings is not None else 0,
        tables=counts,
        sale_days={name: list(days) for name, days in recipe.sale_days.items()},
        scrubbed=dict(sorted(scrubbed.items())),
        key_check=key_check(shop.files.key) if shop.files.key is not None else "",
        robots=len(shop.robots),
    )
    return shop.extended(manifest=manifest)


def _user_columns(shop: Preparation) -> list[str]:
    """Returns the raw columns of user ids, as the files themselves call them."""
    names = [name for spec in shop.tables["events"].specs for name in spec.user_columns]
    prefixes = [join.prefix for events in shop.recipe.events for join in events.join]
    return [*names, *(name.removeprefix(prefix) for name in names for prefix in prefixes)]


def _count(table: ir.Table) -> int:
    return int(table.count().execute())


def _count_orders(events: ir.Table) -> int:
    return int(events.filter(events["order_id"] != "")["order_id"].nunique().execute())
