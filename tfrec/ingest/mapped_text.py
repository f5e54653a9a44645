"""Makes text under the schema's names of a table as its source holds it."""

import ibis.expr.types as ir

from tfrec.ingest.mapping import RAW_PREFIX, Columns, check_columns, column_texts, raw_columns
from tfrec.ingest.table_spec import TableSpec
from tfrec.ingest.tidiness import Tidiness, find_tidiness
from tfrec.ingest.timestamps import are_plain
from tfrec.sources.cells import as_text, trimmed
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.raw_table import RawTable

VALUE_PREFIX = "value."
"""Before the names of mapped columns whose source holds numbers or times, beside their text."""


def map_text(spec: TableSpec, raw: RawTable, workspace: Workspace, *, name: str) -> ir.Table:
    """Returns the mapped columns as text, with `_file` and `_row`; stored as `name` where texts have to be cleaned.

    Raises:
        SourceError: the source lacks a column.
    """
    check_mapped(spec, raw)
    tidiness = find_tidiness_of(spec, raw.table)
    mapped = mapped_columns(spec, raw.table, tidiness)
    is_tidy = tidiness.plain & tidiness.complete >= set(spec.wanted_columns)
    return mapped if is_tidy else workspace.store(name, mapped)


def check_mapped(spec: TableSpec, raw: RawTable) -> None:
    """Checks that a source has all columns that its spec names.

    Raises:
        SourceError: it lacks one.
    """
    names = [name for name in raw.table.columns if name not in (FILE, ROW)]
    ruled = {"a rule of [clean]": spec.passing} if spec.passing else {}
    for columns in (spec.section.columns, ruled, *spec.described.values()):
        check_columns(names, columns, origin=raw.origin)


def find_tidiness_of(spec: TableSpec, table: ir.Table) -> Tidiness:
    """Returns what the mapped columns of a table need not be cleaned of."""
    times = raw_columns(*({name: columns[name]} for columns, name in _times(spec)))
    return find_tidiness(table, spec.wanted_columns, missing=spec.section.missing, unique=times)


def mapped_columns(spec: TableSpec, table: ir.Table, tidiness: Tidiness) -> ir.Table:
    """Returns the mapped columns as text, with `_file` and `_row`.

    Args:
        spec: states what is mapped.
        table: has all its raw columns.
        tidiness: what these need not be cleaned of.
    """
    missing = spec.section.missing
    # A query of its own, as the engine would trim each text as often as an expression uses it.
    text = table.select(
        FILE,
        ROW,
        **{
            name: as_text(table[name]).fill_null("") if name in tidiness.plain else trimmed(table[name])
            for name in spec.wanted_columns
        },
        **{VALUE_PREFIX + name: table[raw_name] for name, raw_name in _typed_columns(spec, table).items()},
    )
    texts: dict[str, ir.Value] = {RAW_PREFIX + name: text[name] for name in spec.passing}
    for prefix, columns in {"": spec.section.columns, **spec.described}.items():
        texts |= column_texts(
            text,
            columns,
            missing=missing,
            prefix=prefix,
            category_separator=spec.category_separator,
            blanks={} if prefix else {column.name: column.blanks for column in spec.columns if column.blanks},
            tidiness=tidiness,
        )
    values = [name for name in text.columns if name.startswith(VALUE_PREFIX)]
    return text.select(*values, **texts, **{FILE: text[FILE], ROW: text[ROW]})


def find_plain_times(spec: TableSpec, text: ir.Table) -> frozenset[str]:
    """Returns the columns of times that are typed, or whose texts are all empty or ISO 8601 without an offset."""
    names = [name for _columns, name in _times(spec) if name in text.columns]
    typed = [name for name in names if VALUE_PREFIX + name in text.columns]
    if spec.time_format:
        return frozenset(typed)
    texts = [name for name in names if name not in typed]
    plain = [name for name in texts if text.aggregate(plain=are_plain(text[name])).execute()["plain"].iloc[0]]
    return frozenset((*typed, *plain))


def number_columns(spec: TableSpec, text: ir.Table) -> list[str]:
    """Returns the columns of numbers that are written as text."""
    numbers = [column.name for column in spec.columns if column.kind == "number"]
    return [name for name in numbers if VALUE_PREFIX + name not in text.columns]


def _typed_columns(spec: TableSpec, table: ir.Table) -> dict[str, str]:
    """Returns column → its only raw column, of numbers and times that the source holds as such."""
    chosen = {}
    for column in spec.columns:
        raw_name = spec.section.columns.get(column.name)
        if isinstance(raw_name, str):
            kind = table[raw_name].type()
            is_typed = kind.is_numeric() if column.kind == "number" else kind.is_timestamp() or kind.is_date()
            if is_typed and column.kind in ("number", "time"):
                chosen[column.name] = raw_name
    return chosen


def _times(spec: TableSpec) -> list[tuple[Columns, str]]:
    """Returns the mapped columns of times, each with the mapping that it stands in."""
    columns = spec.section.columns
    return [(columns, column.name) for column in spec.columns if column.kind == "time" and column.name in columns]
