"""Finds the paths of the values in nested objects, as recipes name them: `customer.id`, `items[].price`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

_MAX_DEPTH = 6
_MAX_KEYS = 60  # entries of a list of keys and values
_OF_LINES = ("line_items", "items", "lines", "products", "order_items", "cart", "basket", "articles", "positions")


def paths_of_objects(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns the paths of the plain values in some objects, each once, in order.

    A list of objects gives `name[].key`, a list of objects with `key` and `value` (as GA4 has) gives
    `name[key=KEY].value...` for each key, a list of plain values `name[]`.
    """
    paths = [*dict.fromkeys(path for entry in objects for path in _paths(entry, "", 0))]
    deeper = {path[:at] for path in paths for at, sign in enumerate(path) if sign in ".["}
    return [path for path in paths if path not in deeper]  # empty in one object, nested in another


def paths_of_schema(schema: pa.Schema) -> list[str]:
    """Returns the paths of the plain values in a Parquet file, of lists of keys and values `name[key=*]`."""
    return [path for field in schema for path in _paths_of_type(field.type, field.name, 0)]


def keep_one_list(paths: Iterable[str]) -> list[str]:
    """Returns the paths without those of all lists but one: each entry of this one is a row.

    The list that is kept is called as lists of order lines are, or else has most values.
    """
    paths = list(paths)
    lists = Counter(path.partition("[]")[0] for path in paths if "[]" in path)
    if not lists:
        return paths
    named = [name for word in _OF_LINES for name in lists if name.lower().rpartition(".")[2] == word]
    chosen = named[0] if named else lists.most_common(1)[0][0]
    return [path for path in paths if path.count("[]") == (path.startswith(f"{chosen}[]"))]


def _paths(value: Any, name: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _paths(entry, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list):
        entries = [entry for entry in value if isinstance(entry, Mapping)]
        if entries and all(set(entry) == {"key", "value"} for entry in entries):
            for entry in entries[:_MAX_KEYS]:
                inner = (
                    {kind: part for kind, part in entry["value"].items() if part is not None}
                    if isinstance(entry["value"], Mapping)
                    else entry["value"]
                )
                yield from _paths(inner, f"{name}[key={entry['key']}].value", depth + 1)
        elif entries:
            for entry in entries[:_MAX_KEYS]:
                yield from _paths(entry, f"{name}[]", depth + 1)
        elif value:
            yield f"{name}[]"
    else:
        yield name


def _paths_of_type(kind: pa.DataType, name: str, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    if pa.types.is_struct(kind):
        for field in kind:
            yield from _paths_of_type(field.type, f"{name}.{field.name}", depth + 1)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        entry = kind.value_type
        if pa.types.is_struct(entry) and {field.name for field in entry} == {"key", "value"}:
            yield from _paths_of_type(entry.field("value").type, f"{name}[key=*].value", depth + 1)
        else:
            yield from _paths_of_type(entry, f"{name}[]", depth + 1)
    elif not pa.types.is_map(kind):
        yield name
