"""Defines the value that preparation passes from step to step: each step returns it with what it adds."""

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from tfrec.ingest.category_tree import CategoryPaths
from tfrec.ingest.picture_folder import PictureRows
from tfrec.ingest.prepared import Manifest, SourceFile
from tfrec.ingest.raw_files import RawFiles
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.rejected import CheckedTable
from tfrec.ingest.return_counts import ReturnCounts
from tfrec.ingest.splits import Moments
from tfrec.sources.engine import Workspace
from tfrec.sources.notes import Note


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preparation:
    """A shop on its way from raw files to a prepared folder; a step reads only what the steps before it added.

    Attributes:
        recipe: what the raw files mean.
        files: the raw files.
        out: the prepared folder, where what was prepared before stands until the end.
        inputs: recipe, raw files and the folder that they were found in: none of them may be overwritten.
        until: end of training in UTC, or None for the recipe's.
        sources: description of the files.
        fingerprint: equal when recipe, files, `until` and code are equal.
        folder: receives the prepared shop.
        workspace: tables in between, gone at the end.
        tables: name → table as values, bad rows with a reason, of the tables that have files.
        absent: what the owner should know of tables that are not there.
        images: number of pictures.
        picture_rows: rows of pictures that are named by their item.
        category_paths: paths of the categories whose ids items have.
        events: the good events, in orders.
        kept: number of good events as they were read.
        rejected: reason → events set aside.
        notes: what the owner of the log should know.
        moments: where validation and test start.
        training: events before the test period.
        test: events of the test period.
        robots: visitors that are robots, see `ROBOT_COLUMNS`.
        frames: name → table as it is written, of all tables but the events.
        embeddings: `[N, d]` vectors of the items, or None.
        extras: name → path of an extra table in the folder.
        return_counts: what took purchases back.
        manifest: contents and origin of the folder.
    """

    recipe: Recipe
    files: RawFiles
    out: Path
    inputs: tuple[Path, ...]
    until: pd.Timestamp | None
    sources: tuple[SourceFile, ...]
    fingerprint: str
    folder: Path = dataclasses.field(init=False)
    workspace: Workspace = dataclasses.field(init=False)
    tables: Mapping[str, CheckedTable] = dataclasses.field(init=False)
    absent: tuple[Note, ...] = dataclasses.field(init=False)
    images: int = dataclasses.field(init=False)
    picture_rows: PictureRows = dataclasses.field(init=False)
    category_paths: CategoryPaths = dataclasses.field(init=False)
    events: ir.Table = dataclasses.field(init=False)
    kept: int = dataclasses.field(init=False)
    rejected: Mapping[str, int] = dataclasses.field(init=False)
    notes: tuple[Note, ...] = dataclasses.field(init=False)
    moments: Moments = dataclasses.field(init=False)
    training: ir.Table = dataclasses.field(init=False)
    test: ir.Table = dataclasses.field(init=False)
    robots: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    frames: Mapping[str, pd.DataFrame] = dataclasses.field(init=False)
    embeddings: np.ndarray | None = dataclasses.field(init=False)
    extras: Mapping[str, str] = dataclasses.field(init=False)
    return_counts: ReturnCounts = dataclasses.field(init=False)
    manifest: Manifest = dataclasses.field(init=False)

    @property
    def others(self) -> list[CheckedTable]:
        """All tables but the events."""
        return [table for name, table in self.tables.items() if name != "events"]

    def extended(self, **added: Any) -> "Preparation":
        """Returns a copy with what a step adds."""
        result = copy.copy(self)
        vars(result).update(added)
        return result
