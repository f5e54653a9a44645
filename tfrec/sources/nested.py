"""Finds the values that paths name in nested records: `customer.id`, `items[].price`, `params[key=page].value`.

A path is fields, one after the other. `[]` behind a field goes through its list: each entry becomes a row. `[key=page]`
takes the first entry of its list whose field `key` is `page`.
"""

import dataclasses
import itertools
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfrec.errors import SourceError


@dataclasses.dataclass(frozen=True)
class Entry:
    """The first entry of a list whose `field` is `value`."""

    field: str
    value: str


EACH = "[]"
"""Step of a path through all entries of a list; other steps are names of fields, or an `Entry`."""

Steps = tuple[str | Entry, ...]
_STEP = re.compile(r"(?:^|\.)([^.\[\]]+)|(\[\])|\[([^\[\]=]+)=([^\]]*)\]")


@dataclasses.dataclass(frozen=True)
class Paths:
    """The paths among the wanted columns of a table.

    Attributes:
        steps: raw column → its steps.
        lists: steps to each list that is gone through, the outer one first.
    """

    steps: Mapping[str, Steps]
    lists: tuple[Steps, ...]

    @property
    def heads(self) -> frozenset[str]:
        """The outermost fields, whose whole values are no columns: they would repeat what the paths take out."""
        return frozenset(str(steps[0]) for steps in self.steps.values())

    def list_of(self, steps: Steps) -> int:
        """Returns the number of the innermost list, from 1, that the steps go through; 0 for none."""
        return sum(steps[: len(prefix)] == prefix for prefix in self.lists)


def find_paths(wanted: Collection[str], *, known: Collection[str], origin: Path) -> Paths:
    """Returns the paths among the wanted columns: what is no known field itself, but begins with one.

    Args:
        wanted: raw columns that the recipe maps.
        known: outermost fields of the records.
        origin: the file, for messages.

    Raises:
        SourceError: paths go through two lists of which neither lies in the other.
    """
    steps = {}
    for name in wanted:
        found = _parse(name)
        if name not in known and len(found) > 1 and found[0] in known:
            steps[name] = found
    found_lists = (path[: at + 1] for path in steps.values() for at, step in enumerate(path) if step == EACH)
    lists = sorted(dict.fromkeys(found_lists), key=len)
    for outer, inner in itertools.pairwise(lists):
        if inner[: len(outer)] != outer:
            first, second = (
                next(name for name in steps if steps[name][: len(part)] == part) for part in (outer, inner)
            )
            raise SourceError(
                f"{origin}: the recipe maps {first!r} and {second!r}, which go through two different lists; a row is "
                "an entry of one. Map columns of one list, and read the other one in a further [[events]]."
            )
    return Paths(steps, tuple(lists))


def rows_of(record: Mapping[str, Any], paths: Paths) -> list[dict[str, Any]]:
    """Returns the values of each row of a record, by raw column, the heads of the paths left out.

    A record whose list is empty or absent is one row without values of it; a single object in place of a list is its
    only entry.
    """
    plain = {name: value for name, value in record.items() if name not in paths.heads}
    contexts: list[list[Any]] = [[record]]  # of each row: the record, and its entry of each list
    for number, prefix in enumerate(paths.lists):
        start = len(paths.lists[number - 1]) if number else 0
        contexts = [
            [*context, entry] for context in contexts for entry in _entries(_value(context[-1], prefix[start:-1]))
        ]
    rows = []
    for context in contexts:
        row = dict(plain)
        for name, steps in paths.steps.items():
            number = paths.list_of(steps)
            start = len(paths.lists[number - 1]) if number else 0
            row[name] = _value(context[number], steps[start:])
        rows.append(row)
    return rows


def nested_message(path: Path, name: str, kind: str, *, line: int | None = None) -> str:
    """Returns what is wrong with a mapped column of nested values, and how a path names what it should be.

    Args:
        path: the file.
        name: name of the column.
        kind: `list`, `object` or the engine's name of the type.
        line: where it was found.
    """
    where = f" on line {line}" if line else ""
    is_list = kind == "list" or kind.endswith("]") or kind.startswith(("list", "large_list"))
    cure = (
        f"Name a value of its entries, each of which becomes a row: {name}[].FIELD ({name}[] where entries are plain)."
        if is_list
        else f"Name the value in it: {name}.FIELD."
    )
    return f"{path}: the column {name!r}, which the recipe maps, holds nested values ({kind}){where}. {cure}"


def _parse(name: str) -> Steps:
    """Returns the steps of a path; the name itself where it is none."""
    steps: list[str | Entry] = []
    at = 0
    while at < len(name):
        found = _STEP.match(name, at)
        if found is None:
            return (name,)
        field, each, key, value = found.groups()
        steps.append(field if field is not None else EACH if each else Entry(key, value))
        at = found.end()
    return tuple(steps)


def _entries(value: Any) -> Sequence[Any]:
    if isinstance(value, list):
        return value or [None]
    return [value]


def _value(value: Any, steps: Steps) -> Any:
    for step in steps:
        if isinstance(step, Entry):
            entries = value if isinstance(value, list) else []
            value = next(
                (entry for entry in entries if isinstance(entry, dict) and _is(entry.get(step.field), step.value)), None
            )
        else:
            value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            return None
    return value


def _is(value: Any, text: str) -> bool:
    return (value if isinstance(value, str) else json.dumps(value)) == text
