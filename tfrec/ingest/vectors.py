"""Reads vectors from text: JSON lists (`[0.1, -2e-3]`) or numbers between commas, semicolons, bars or blanks."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow.compute as pc

from tfrec.ingest.table_spec import Pass
from tfrec.sources.engine import Workspace, is_finite
from tfrec.sources.notes import Note

_LARGEST = 3.4e38  # what float32 holds
_ENDS = r"^[\s\[({]+|[\s\])},;|]+$"


def vector(text: ir.StringValue, *, decimal: str = "") -> ir.ArrayValue:
    """Returns the numbers in `text`, null where one of its parts is none, or where it is empty.

    Args:
        text: a column of text.
        decimal: `,` where numbers have a decimal comma; what stands between them is then none. JSON has points.
    """
    bare = text.re_replace(_ENDS, "")
    if decimal == ",":
        is_json = text.strip().startswith("[")
        bare = ibis.ifelse(is_json, bare.re_replace(r"\s*,\s*", ";"), bare.replace(",", "."))
    parts = bare.re_split(r"\s*[,;|]\s*|\s+")
    numbers = parts.map(lambda part: part.try_cast("float64"))
    is_read = (bare != "") & (numbers.filter(lambda number: number.isnull()).length() == 0)
    return ibis.ifelse(is_read, numbers, None)


def has_impossible_number(numbers: ir.ArrayValue) -> ir.BooleanValue:
    """Returns whether a vector has a number that is not finite, or larger than float32 holds."""
    return numbers.filter(lambda number: ~is_finite(number) | (number.abs() > _LARGEST)).length() > 0


def pass_of_lengths(name: str, *, table: str) -> Pass:
    """Returns the pass that takes the vectors of another length than most from good rows, and states the reason.

    Of two lengths that are equally frequent the larger one counts.

    Args:
        name: column of vectors.
        table: name of the table.
    """

    def take_others(workspace: Workspace, rows: ir.Table) -> tuple[ir.Table, Sequence[Note]]:
        length = rows[name].length()
        good = rows.filter(rows["reason"].isnull() & rows[name].notnull()).select(length=length)
        counts = good.group_by("length").aggregate(rows=good.count()).execute()
        if len(counts) < 2:
            return rows, []
        usual = int(counts.sort_values(["rows", "length"]).iloc[-1]["length"])
        is_other = rows["reason"].isnull() & (length != usual)
        number = int(counts["rows"].sum() - counts.loc[counts["length"] == usual, "rows"].sum())
        changed = rows.mutate(
            **{name: ibis.ifelse(is_other, None, rows[name])},
            incomplete=ibis.ifelse(is_other, f"{name} of another length", rows["incomplete"]),
        )
        text = f"{number:,} rows of {table} have a vector `{name}` of another length than {usual}, and stay without it."
        return workspace.store(f"{table}_vectors", changed), [Note("vector_lengths", number, text)]

    return take_others


def align_vectors(vectors: ir.Table, ids: pd.Series) -> np.ndarray | None:
    """Returns `[n, d]` float32 in the order of `ids [n]`, NaN where an id has no vector; None where none has one.

    Args:
        vectors: `id` and `vector`, of one length.
        ids: unique.
    """
    table = vectors.filter(vectors["vector"].notnull()).to_pyarrow()
    if not table.num_rows:
        return None
    values = pc.list_flatten(table["vector"]).to_numpy().astype(np.float32).reshape(table.num_rows, -1)
    row = pd.Index(table["id"].to_pandas()).get_indexer(pd.Index(ids))
    result = np.full((len(ids), values.shape[1]), np.nan, np.float32)
    result[row >= 0] = values[row[row >= 0]]
    return result
