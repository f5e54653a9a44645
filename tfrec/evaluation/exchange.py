"""Writes cases as query files for `tfrec recommend`, and reads its slate files as `Slate`."""

from pathlib import Path

import numpy as np
import pandas as pd

from tfrec.errors import SchemaError, SourceError
from tfrec.evaluation.cases import Cases
from tfrec.schema.slate import Slate

SLATE_COLUMNS = ("query_id", "rank", "item_id", "score")
"""Columns of a slate file, a row a recommended item; rank 1 is the best."""


def write_queries(cases: Cases, path: Path) -> None:
    """Writes the query table of `cases` (see `Cases.to_queries`) as Parquet."""
    cases.to_queries().to_parquet(path, index=False)


def read_slate(path: Path, cases: Cases) -> Slate:
    """Returns the slates of a file, one row a case in the order of `cases`; a query without items has an empty row.

    Raises:
        SourceError: the file cannot be read.
        SchemaError: a column is missing, or the file answers queries that were not asked, or two items of a query
            share a rank.
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read as Parquet ({error}). Write it with `tfrec recommend`.") from error
    missing = [name for name in SLATE_COLUMNS if name not in table.columns]
    if missing:
        raise SchemaError(
            f"{path} must have the columns {', '.join(SLATE_COLUMNS)}; missing: {', '.join(missing)}. "
            "Write it with `tfrec recommend`."
        )
    row = pd.Index(cases.query_ids).get_indexer(table["query_id"].astype(object))
    if (row < 0).any():
        strange = table["query_id"].iloc[int(np.argmax(row < 0))]
        raise SchemaError(
            f"{path} answers {strange!r}, which is none of these {len(cases)} queries. "
            "Recommend for the query file of the same cases (task, seed)."
        )
    table = table.assign(row=row).sort_values(["row", "rank"], kind="stable")
    if table.duplicated(["row", "rank"]).any():
        raise SchemaError(f"{path} must rank each query's items 1, 2, 3 ...; two items share a rank.")
    place = table.groupby("row", sort=False).cumcount().to_numpy()
    shape = (len(cases), int(place.max(initial=0)) + 1)
    item_ids, scores = np.full(shape, "", object), np.full(shape, -np.inf, np.float32)
    at = table["row"].to_numpy(), place
    item_ids[at] = table["item_id"].to_numpy(object)
    scores[at] = table["score"].to_numpy(np.float32)
    return Slate(item_ids, scores)
