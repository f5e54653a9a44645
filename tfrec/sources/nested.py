"""Explains what to do with nested values, which are no text."""

from pathlib import Path


def nested_message(path: Path, name: str, kind: str, *, line: int | None = None) -> str:
    """Returns what is wrong with a mapped column of nested values, and how they are unnested.

    Args:
        path: the file.
        name: name of the column.
        kind: `list`, `object` or the engine's name of the type.
        line: where it was found.
    """
    where = f" on line {line}" if line else ""
    is_list = kind == "list" or kind.endswith("]")
    cure = (
        f"Write a row for each entry first: jq -c '.{name}[] as $one | .{name} = $one' FILE > rows.jsonl (in SQL: "
        f"UNNEST({name})); where entries are objects, take out of them what is mapped: .{name} = $one.KEY."
        if is_list
        else f"Take the value out of it first: jq -c '.{name} = .{name}.KEY' FILE > rows.jsonl."
    )
    return f"{path}: the column {name!r}, which the recipe maps, holds nested values ({kind}){where}. {cure}"
