"""Reads what a recipe states of files, as a shop's preparation would."""

import tempfile
from pathlib import Path

import ibis
import pandas as pd

from tfrec.ingest.typed_toml import typed
from tfrec.sources import FILE, ROW, RawTable, TableFiles, Workspace, open_source


def read_raw(folder: Path, wanted: str = "", **keys: object) -> RawTable:
    """Returns the rows of files in `folder`; `wanted` names raw columns, `keys` are those of a recipe's section."""
    how = typed(TableFiles, keys, where="shop.toml [events]")
    scratch = Path(tempfile.mkdtemp(dir=folder))
    source, workspace = open_source(how, homes=[folder]), Workspace(ibis.duckdb.connect(), scratch)
    return source.read(workspace, name="events_raw", wanted=wanted.split()).as_text()


def cells(raw: RawTable, columns: str = "") -> list[list[str | None]]:
    """Returns the text of the rows in order, an empty cell as None."""
    frame: pd.DataFrame = raw.table.order_by(FILE, ROW).execute()
    frame = frame[columns.split()] if columns else frame.drop(columns=[FILE, ROW])
    return frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
