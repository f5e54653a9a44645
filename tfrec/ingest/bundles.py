"""Counts bundles once: sets their parent line or their child lines aside."""

import dataclasses
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from tfrec.errors import RecipeError
from tfrec.ingest.mapping import RAW_PREFIX
from tfrec.ingest.set_aside import FOUND, set_aside
from tfrec.sources.cells import id_text
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note

CHILD, PARENT, FREE_COPY = "part of a bundle", "bundle of other lines", "free line of the same item"
"""Reasons of lines that would count a bundle twice."""

_KEPT = ("parents", "children")


@dataclasses.dataclass(frozen=True)
class Bundles:
    """How a log writes bundles, and which of their lines are sales.

    Attributes:
        line: raw column with the number of a line.
        parent: raw column with the number of the line that this one is a part of, empty where it is none.
        keep: `parents` (a bundle is one item, at its price) or `children` (its parts are the items).
        free_copies: False sets a line at price 0 aside where its order has a line of the same item with a price, as
            configurable products are written; a free piece beside a paid one would be lost, too.
    """

    line: str = ""
    parent: str = ""
    keep: str = "parents"
    free_copies: bool = True

    def __post_init__(self) -> None:
        if bool(self.line) != bool(self.parent):
            raise RecipeError("line and parent go together: name the columns with a line's number and its parent's.")
        if self.keep not in _KEPT:
            raise RecipeError(f"keep must be one of {', '.join(_KEPT)}; got {self.keep!r}.")

    @property
    def raw_columns(self) -> tuple[str, ...]:
        """The columns of the file that are looked at."""
        return (self.line, self.parent) if self.line else ()

    @property
    def is_stated(self) -> bool:
        """Whether any line may be set aside."""
        return bool(self.line) or not self.free_copies


def set_aside_parts(workspace: Workspace, rows: ir.Table, *, bundles: Bundles) -> tuple[ir.Table, Sequence[Note]]:
    """Returns the rows with reasons of the lines that would count a bundle twice; lines without a partner stay.

    Args:
        workspace: where the rows are stored when any is set aside.
        rows: checked events with the raw columns of `bundles`.
        bundles: how the log writes bundles.
    """
    if bundles.line:
        rows, _ = set_aside(workspace, rows, _parts(rows, bundles), name="events_bundled")
    if not bundles.free_copies:
        rows, _ = set_aside(workspace, rows, _free_copies(rows), name="events_without_copies")
    return rows, []


def _parts(rows: ir.Table, bundles: Bundles) -> ir.Table:
    """Returns children whose parent is a good line of the same order, or such parents."""
    lines = rows.filter(rows["reason"].isnull() & (rows["event_type"] == "purchase"))
    lines = lines.select(
        FILE,
        ROW,
        "order_id",
        _line=id_text(lines[RAW_PREFIX + bundles.line].fill_null("").strip()),
        _parent=id_text(lines[RAW_PREFIX + bundles.parent].fill_null("").strip()),
    )
    children = lines.filter(lines["_parent"].notin(("", "0")) & (lines["_parent"] != lines["_line"]))
    if bundles.keep == "parents":
        parents = lines.select(_parent="_line", order_id="order_id").distinct()
        found, reason = children.semi_join(parents, ["_parent", "order_id"]), CHILD
    else:
        named = children.select(_line="_parent", order_id="order_id").distinct()
        found, reason = lines.semi_join(named, ["_line", "order_id"]), PARENT
    return found.select(FILE, ROW, **{FOUND: ibis.literal(reason)})


def _free_copies(rows: ir.Table) -> ir.Table:
    lines = rows.filter(rows["reason"].isnull() & (rows["event_type"] == "purchase") & (rows["order_id"] != ""))
    paid = lines.filter(lines["price"] > 0).select("order_id", "item_id").distinct()
    found = lines.filter(lines["price"] == 0).semi_join(paid, ["order_id", "item_id"])
    return found.select(FILE, ROW, **{FOUND: ibis.literal(FREE_COPY)})
