"""Sets rows of a checked table aside: gives a reason to those that had none."""

import ibis
import ibis.expr.types as ir

from tfrec.sources.engine import Workspace, identifier, literal
from tfrec.sources.file_format import FILE, ROW

FOUND = "_found"
"""Column with the reason of a row that is to be set aside."""


def set_aside(workspace: Workspace, rows: ir.Table, found: ir.Table, *, name: str) -> tuple[ir.Table, int]:
    """Returns the rows with the reasons that were found, and how many rows these are; no row is lost or added.

    Where none was found, the rows are returned as they are, without a copy.

    Args:
        workspace: where the tables are stored.
        rows: checked rows with `reason`.
        found: `_file`, `_row` and `_found` of rows without a reason; each row once.
        name: of the stored table.
    """
    stored = workspace.store(f"{name}_found", found.select(FILE, ROW, FOUND))
    number = int(stored.count().execute())
    if not number:
        return rows, 0
    joined = rows.left_join(stored, [FILE, ROW])
    reason = ibis.coalesce(joined["reason"], joined[FOUND])
    return workspace.store(name, joined.mutate(reason=reason).select(*rows.columns)), number


def set_aside_at(workspace: Workspace, rows: ir.Table, places: ir.Table, *, reason: str) -> ir.Table:
    """Returns the rows with a reason for those at some places, which had none.

    A stored table is changed where it lies: a join would be computed again by each query over the rows.

    Args:
        workspace: where the tables are stored.
        rows: checked rows with `reason`; no other expression over them may be in use.
        places: stored `_file` and `_row`, each once.
        reason: of the rows there.
    """
    table = workspace.name_of_table(rows)
    if not table:
        joined = rows.left_join(places.mutate(**{FOUND: ibis.literal(reason)}), [FILE, ROW])
        return joined.mutate(reason=ibis.coalesce(joined["reason"], joined[FOUND])).select(*rows.columns)
    workspace.connection.raw_sql(
        f"UPDATE {identifier(table)} AS marked SET reason = {literal(reason)} FROM {identifier(places.get_name())} "
        f"AS places WHERE marked.{FILE} = places.{FILE} AND marked.{ROW} = places.{ROW}"
    )
    return rows
