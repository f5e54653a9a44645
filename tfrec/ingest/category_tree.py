"""Reads a shop's tree of categories: the id of each category → its path of names, top level first."""

import dataclasses
import re
from collections.abc import Mapping

import pandas as pd

from tfrec.errors import RecipeError, SourceError, nearest_hint
from tfrec.schema.tables import CATEGORY_SEPARATOR
from tfrec.sources.cells import id_text, trimmed
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note
from tfrec.sources.raw_table import RowSource
from tfrec.sources.table_files import TableFiles

_EMPTY = ("", "0", "-1")
"""Parents that stand for none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CategoryTree(TableFiles):
    """Where the categories of a shop lie, one a row; an item's `category` is then an id of theirs.

    Attributes:
        id: raw column of the id.
        parent: raw column with the id of the category above; empty, or an id that is not there, at the top.
        name: raw column of the name.
    """

    id: str
    parent: str
    name: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.is_stated:
            raise RecipeError("`files` must name the file of the categories.")


@dataclasses.dataclass(frozen=True)
class CategoryPaths:
    """The categories of a shop.

    Attributes:
        paths: id → names from the top level on, joined by `CATEGORY_SEPARATOR`.
        notes: what the owner of the file should know.
    """

    paths: Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def path_of(self, category: str) -> str:
        """Returns the path of an item's category, `""` where there is no such id.

        Of several levels (`3 > 17`) the last one that is there counts.
        """
        if not self.paths:
            return category
        for part in reversed(category.split(CATEGORY_SEPARATOR)):
            known = re.sub(r"^(-?\d+)\.0+$", r"\1", part.strip())
            if known in self.paths:
                return self.paths[known]
        return ""


def read_category_paths(tree: CategoryTree, source: RowSource, workspace: Workspace) -> CategoryPaths:
    """Returns the path of each category.

    Raises:
        SourceError: the file cannot be read, lacks a column, or a category lies below itself.
    """
    names = (tree.id, tree.parent, tree.name)
    raw = source.read(workspace.of_files, name="category_tree_raw", wanted=names).as_text()
    for name in names:
        if name not in raw.table.columns:
            hint = nearest_hint(name, raw.table.columns)
            raise SourceError(f"{raw.origin} has no column {name!r}, which [items.category_tree] names.{hint}")
    table = raw.table
    frame = (
        table.select(
            FILE,
            ROW,
            id=id_text(trimmed(table[tree.id])),
            parent=id_text(trimmed(table[tree.parent])),
            title=trimmed(table[tree.name]),
        )
        .order_by(FILE, ROW)
        .execute()
    )
    frame.loc[frame["parent"].isin([*_EMPTY, *tree.missing]), "parent"] = ""
    rows = frame[frame["id"] != ""].drop_duplicates("id")
    notes = [*raw.notes, *_notes(frame, rows, raw.origin)]
    if raw.unreadable:
        line = raw.unreadable[0]
        count = len(raw.unreadable)
        text = f"{count:,} lines of {raw.origin} are no rows, the first is line {line.line:,}: {line.reason}."
        notes.append(Note("category_lines_unreadable", count, text))
    parents = dict(zip(rows["id"], rows["parent"], strict=True))
    titles = dict(zip(rows["id"], rows["title"], strict=True))
    paths = {category: _path(category, parents, titles, origin=raw.origin) for category in parents}
    return CategoryPaths(paths, tuple(notes))


def notes_of_categories(categories: pd.Series, tree: CategoryPaths) -> list[Note]:
    """Returns a note where items have categories that the tree lacks."""
    if not tree.paths:
        return []
    given = categories[categories != ""]
    absent = given[[tree.path_of(category) == "" for category in given]]
    if absent.empty:
        return []
    text = (
        f"{len(absent):,} of {len(given):,} items have a category that [items.category_tree] lacks, e.g. "
        f"{absent.iloc[0]!r}; they have none. Map `category` to the ids of the tree."
    )
    return [Note("categories_unknown", len(absent), text)]


def _path(category: str, parents: Mapping[str, str], titles: Mapping[str, str], *, origin: str) -> str:
    """Returns the names from the top level down to a category; levels without a name are left out."""
    levels: list[str] = []
    at = category
    while at in parents:
        if at in levels:
            raise SourceError(f"{origin}: the category {category!r} lies below itself. Correct its parents.")
        levels.append(at)
        at = parents[at]
    names = [titles[level].replace(CATEGORY_SEPARATOR, " / ") for level in reversed(levels) if titles[level]]
    return CATEGORY_SEPARATOR.join(names)


def _notes(frame: pd.DataFrame, rows: pd.DataFrame, origin: str) -> list[Note]:
    repeated = int((frame["id"] != "").sum() - len(rows))
    notes = []
    if repeated:
        text = f"{repeated:,} rows of {origin} have the id of an earlier category; the first counts."
        notes.append(Note("categories_repeated", repeated, text))
    lost = rows[(rows["parent"] != "") & ~rows["parent"].isin(rows["id"])]
    if len(lost):
        text = (
            f"{len(lost):,} categories of {origin} have a parent that is not there, e.g. {lost['id'].iloc[0]!r}; they "
            "were read as top levels."
        )
        notes.append(Note("category_parents_unknown", len(lost), text))
    return notes
