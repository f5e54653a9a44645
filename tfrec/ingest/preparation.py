"""Defines the value that preparation passes from step to step: each step returns it with what it adds."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import ibis.expr.types as ir
import pandas as pd

from tfrec.ingest.engine import Workspace
from tfrec.ingest.notes import Note
from tfrec.ingest.prepared import SourceFile
from tfrec.ingest.raw_files import RawFiles
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.rejected import CheckedTable
from tfrec.ingest.splits import Moments

Extended = TypeVar("Extended", bound="Inputs")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """What is prepared.

    Attributes:
        recipe: what the raw files mean.
        files: the raw files.
        until: end of training in UTC, or None for the recipe's.
        sources: description of the files.
        fingerprint: equal when recipe, files, `until` and code are equal.
    """

    recipe: Recipe
    files: RawFiles
    until: pd.Timestamp | None
    sources: tuple[SourceFile, ...]
    fingerprint: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class OpenInputs(Inputs):
    """Inputs with a place to work.

    Attributes:
        folder: receives the prepared shop.
        workspace: tables in between, gone at the end.
    """

    folder: Path
    workspace: Workspace


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadShop(OpenInputs):
    """All tables as values, bad rows with a reason.

    Attributes:
        tables: name → table, of the tables that have files.
        images: number of pictures.
    """

    tables: Mapping[str, CheckedTable]
    images: int

    @property
    def others(self) -> list[CheckedTable]:
        """All tables but the events."""
        return [table for name, table in self.tables.items() if name != "events"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupedShop(ReadShop):
    """Events in sessions and orders.

    Attributes:
        events: the good events.
        kept: their number.
        rejected: reason → events set aside.
        notes: what the owner of the log should know.
    """

    events: ir.Table
    kept: int
    rejected: Mapping[str, int]
    notes: tuple[Note, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitShop(GroupedShop):
    """Events before and after the split.

    Attributes:
        moments: where validation and test start.
        training: events before the test period.
        test: events of the test period.
    """

    moments: Moments
    training: ir.Table
    test: ir.Table


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompletedShop(SplitShop):
    """All tables beside the events as they are written.

    Attributes:
        frames: name → table: items and users, and facts and relations where there are files of them.
    """

    frames: Mapping[str, pd.DataFrame]


@dataclasses.dataclass(frozen=True, kw_only=True)
class WrittenShop(CompletedShop):
    """A shop whose files lie in the folder.

    Attributes:
        extras: name → path of an extra table in the folder.
    """

    extras: dict[str, str]


def extended(kind: type[Extended], before: Inputs, **added: Any) -> Extended:
    """Returns `before` as a value of the next `kind`, with what it adds."""
    kept = {field.name: getattr(before, field.name) for field in dataclasses.fields(before)}
    return kind(**(kept | added))
