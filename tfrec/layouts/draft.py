"""Defines a recipe that is being written: sections of explained keys, those that are open commented out."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Value = Any
"""What TOML holds: text, numbers, booleans, lists, mappings (inline tables); or `FileNames`, or `DatabaseRows`."""


@dataclasses.dataclass(frozen=True)
class FileNames:
    """Files of a table, named when the recipe is written: relative to its folder where they lie below it.

    Attributes:
        paths: the files, in order.
        members: of each file, the member of the archive that is read; empty = the file itself.
    """

    paths: tuple[Path, ...]
    members: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class DatabaseRows:
    """A table of a database, which takes three lines of a recipe: `url`, `table` and `key`.

    Attributes:
        url: as it was named, with `${NAME}` for variables of the environment.
        table: name of the table.
        key: column with unique values.
    """

    url: str
    table: str
    key: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """One line of a recipe.

    Attributes:
        key: name of the key.
        value: what is proposed.
        why: the evidence for it, or what has to be put there; one sentence or several.
        is_open: the line is commented out, as its value could not be decided.
    """

    key: str
    value: Value
    why: str = ""
    is_open: bool = False


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of a recipe.

    Attributes:
        title: such as `events.columns`, without brackets.
        entries: its lines.
        why: what is said above it.
        is_list: one of several of this name (`[[clean.drop]]`).
        is_open: the whole section is commented out.
    """

    title: str
    entries: tuple[Entry, ...]
    why: str = ""
    is_list: bool = False
    is_open: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """What a layout proposes for the files that it knows.

    Attributes:
        title: name of the layout.
        head: keys at the top of the recipe.
        tables: sections of tables, in order.
        clean: keys of `[clean]`.
        rules: `[[clean.drop]]` and `[[clean.keep]]`.
        rest: further sections.
    """

    title: str
    head: tuple[Entry, ...] = ()
    tables: tuple[Section, ...] = ()
    clean: tuple[Entry, ...] = ()
    rules: tuple[Section, ...] = ()
    rest: tuple[Section, ...] = ()


@dataclasses.dataclass(frozen=True)
class Draft:
    """A whole recipe.

    Attributes:
        name: name of the shop.
        parts: what layouts proposed, that of the events first.
        unused: files and tables that no layout and no guess could use, each with the reason.
    """

    name: str
    parts: tuple[Part, ...]
    unused: tuple[tuple[str, str], ...] = ()

    def replaced(self, change: Callable[[Entry], Entry]) -> "Draft":
        """Returns the draft with each entry of its tables as `change` gives it."""
        parts = []
        for part in self.parts:
            tables = [
                dataclasses.replace(section, entries=tuple(map(change, section.entries))) for section in part.tables
            ]
            parts.append(dataclasses.replace(part, tables=tuple(tables)))
        return dataclasses.replace(self, parts=tuple(parts))

    @property
    def has_events(self) -> bool:
        """Whether the recipe can be prepared: a catalogue alone cannot."""
        return any(section.title == "events" for part in self.parts for section in part.tables)

    @property
    def num_open(self) -> int:
        """Number of lines and sections that are commented out, to be decided."""
        head = sum(entry.is_open for part in self.parts for entry in part.head)
        inside = (entry for section in self.sections if not section.is_open for entry in section.entries)
        return head + sum(section.is_open for section in self.sections) + sum(entry.is_open for entry in inside)

    @property
    def sections(self) -> list[Section]:
        """All sections behind the keys at the top, in the order in which they are written.

        What rows of events state of items and users is left out where a file of their own does.
        """
        own = {section.title for part in self.parts for section in part.tables}
        clean = tuple(entry for part in self.parts for entry in part.clean)
        return [
            *(section for part in self.parts for section in part.tables if not _is_doubled(section, part, own)),
            *([Section("clean", clean)] if clean else []),
            *(section for part in self.parts for section in part.rules),
            *(section for part in self.parts for section in part.rest),
        ]


def _is_doubled(section: Section, part: Part, own: set[str]) -> bool:
    table, _, rest = section.title.partition(".")
    return rest == "columns" and table in own and table not in {other.title for other in part.tables}


def drop_rule(
    pattern: str,
    reason: str,
    *,
    column: str = "",
    raw_column: str = "",
    why: str = "",
    whole_order: bool = False,
    is_return: bool = False,
    is_open: bool = False,
) -> Section:
    """Returns a rule of `[[clean.drop]]`.

    Args:
        pattern: regular expression (RE2).
        reason: words under which the rows are counted.
        column: column of the schema, or else
        raw_column: column of the file.
        why: the evidence for the rule.
        whole_order: it concerns all rows of an order.
        is_return: the rows take purchases back.
        is_open: the rule is commented out.
    """
    place = Entry("column", column) if column else Entry("raw_column", raw_column)
    flags = [("whole_order", whole_order), ("is_return", is_return)]
    entries = (
        place,
        Entry("pattern", pattern),
        Entry("reason", reason),
        *(Entry(name, True) for name, holds in flags if holds),
    )
    return Section("clean.drop", entries, why, is_list=True, is_open=is_open)


def column_section(table: str, entries: Sequence[Entry]) -> Section:
    """Returns the section that maps the columns of a table."""
    return Section(f"{table}.columns", tuple(entries))
