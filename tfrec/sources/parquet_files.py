"""Reads Parquet files; folders named `key=value` above them become columns."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tfrec.errors import SourceError, nearest_hint
from tfrec.sources.engine import identifier, literal
from tfrec.sources.file_format import FILE, ROW, BadLine, FileFormat, StoreTask
from tfrec.sources.nested import EACH, Entry, Paths, Steps, find_paths, nested_message

_INDEX, _PLACE = "file_index", "file_row_number"  # the engine's names of a row's file and place in it


def _store(task: StoreTask) -> list[BadLine]:
    schemas = [_read_schema(path) for path in task.paths]
    for path, schema in zip(task.paths, schemas, strict=True):
        _check_twice(path, schema, task.wanted)
        _check_present(path, schema, task.wanted, task.paths[0], schemas[0])
    known = {name: schema.field(name).type for schema in reversed(schemas) for name in schema.names}
    paths = find_paths(task.wanted, known=known, origin=task.path)
    for name in task.wanted:
        kind = _type_of(known, name, paths.steps[name], task.path) if name in paths.steps else known.get(name)
        if kind is not None and pa.types.is_nested(kind) and not _is_vector(kind):
            raise SourceError(nested_message(task.path, name, str(kind)))
    # A view reads of the files what each query asks for, and no copy of them is written.
    kind = "TABLE" if task.is_copied or paths.lists else "VIEW"
    query = _query(task.paths, paths, known)
    task.workspace.connection.raw_sql(f"CREATE OR REPLACE {kind} {identifier(task.table)} AS {query}")
    return []


PARQUET = FileFormat("parquet", (".parquet", ".pq"), _store, reads_together=True)
"""Columns keep their types."""


def _is_vector(kind: pa.DataType) -> bool:
    """Returns whether a type is a list of numbers, of equal or of any length."""
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return is_list and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))


def _query(files: Sequence[Path], paths: Paths, known: Collection[str]) -> str:
    """Returns the query of the rows with `_file` and `_row`."""
    listed = ", ".join(literal(str(path)) for path in files)
    rows = (
        f"SELECT *, {_INDEX} FROM read_parquet([{listed}], union_by_name = true, file_row_number = true, "
        "hive_types_autocast = false)"
    )
    places = [_PLACE]
    for number, prefix in enumerate(paths.lists):
        entries = _expression(prefix[:-1], paths, inner=number)
        entries = f"CASE WHEN len({entries}) > 0 THEN {entries} ELSE [NULL] END"
        unnested = f"unnest({entries}) AS _entry_{number}, generate_subscripts({entries}, 1) AS _at_{number}"
        rows = f"SELECT *, {unnested} FROM ({rows})"
        places.append(f"_at_{number}")
    inside = [f"_entry_{number}" for number in range(len(paths.lists))]
    left_out = ", ".join(map(identifier, [*paths.heads, _INDEX, *places, *inside]))
    others = f"COLUMNS(* EXCLUDE ({left_out}))" if set(known) - paths.heads else ""
    taken = [
        f"({_expression(steps, paths, inner=paths.list_of(steps))}) AS {identifier(name)}"
        for name, steps in paths.steps.items()
    ]
    row = (
        f"{_PLACE} + 1"
        if not paths.lists
        else f"row_number() OVER (PARTITION BY {_INDEX} ORDER BY {', '.join(places)})"
    )
    shown = ", ".join([*([others] if others else []), *taken])
    return f"SELECT {shown}, {row} AS {ROW}, {_INDEX}::INTEGER AS {FILE} FROM ({rows})"


def _expression(steps: Steps, paths: Paths, *, inner: int) -> str:
    """Returns the value at the end of the steps, of which `inner` lists are gone through before."""
    if inner:
        prefix = paths.lists[inner - 1]
        text, rest = f"_entry_{inner - 1}", steps[len(prefix) :]
    else:
        text, rest = identifier(str(steps[0])), steps[1:]
    for step in rest:
        if isinstance(step, Entry):
            entry = f"struct_extract(entry, {literal(step.field)})::VARCHAR = {literal(step.value)}"
            text = f"list_extract(list_filter({text}, lambda entry: {entry}), 1)"
        else:
            text = f"struct_extract({text}, {literal(step)})"
    return text


def _type_of(known: dict[str, pa.DataType], name: str, steps: Steps, origin: Path) -> pa.DataType:
    """Returns the type at the end of a path.

    Raises:
        SourceError: a step does not fit the type before it.
    """
    kind = known[str(steps[0])]
    for step in steps[1:]:
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        if isinstance(step, Entry) or step == EACH:
            if not is_list:
                raise SourceError(
                    f"{origin}: {name!r} goes through a list where there is {kind}. Leave out the brackets."
                )
            kind = kind.value_type
            if step == EACH:
                continue
        field = step.field if isinstance(step, Entry) else step
        names = [kind.field(at).name for at in range(kind.num_fields)] if pa.types.is_struct(kind) else []
        if field not in names:
            hint = nearest_hint(field, names) if names else ""
            raise SourceError(f"{origin}: {name!r} names the field {field!r}, which {kind} has not.{hint}")
        if not isinstance(step, Entry):
            kind = kind.field(field).type
    return kind


def _read_schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path} cannot be read as parquet: {error} Correct `format` in the recipe.") from error


def _check_twice(path: Path, schema: pa.Schema, wanted: Collection[str]) -> None:
    for name in wanted:
        if schema.names.count(name) > 1:
            raise SourceError(f"{path} has the column {name!r} twice. Rename one of them.")


def _check_present(path: Path, schema: pa.Schema, wanted: Collection[str], first: Path, names: pa.Schema) -> None:
    for name in wanted:
        if (name in names.names) != (name in schema.names):
            lacking, other = (path, first) if name in names.names else (first, path)
            hint = nearest_hint(name, schema.names if lacking == path else names.names)
            raise SourceError(f"{lacking} has no column {name!r}, which the recipe maps and {other} has.{hint}")
