"""Drops events that are older than the shop may keep them."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.ingest.set_aside import FOUND, set_aside
from tfrec.sources.engine import Workspace
from tfrec.sources.notes import Note

EXPIRED = "older than keep_days"
"""Reason of an event that is dropped."""


def set_aside_expired(
    workspace: Workspace, rows: ir.Table, *, keep_days: int, now: pd.Timestamp
) -> tuple[ir.Table, Sequence[Note]]:
    """Returns the rows with a reason of the good ones that are older than `keep_days` before the end of the log.

    The end is the last good event that does not lie in the future: a wrong year drops nothing.

    Args:
        workspace: where the rows are stored when any is dropped.
        rows: checked events.
        keep_days: days before the end of the log.
        now: moment of the preparation, UTC.
    """
    good = rows.filter(rows["reason"].isnull())
    present = ibis.literal(now.to_pydatetime()).cast("timestamp")
    last = good["timestamp"].max(where=good["timestamp"] <= present).execute()
    if last is None or pd.isna(last):
        return rows, []
    first = ibis.literal((pd.Timestamp(last) - pd.Timedelta(days=keep_days)).to_pydatetime()).cast("timestamp")
    found = good.filter(good["timestamp"] < first).mutate(**{FOUND: ibis.literal(EXPIRED)})
    return set_aside(workspace, rows, found, name="events_kept")[0], []
