"""Makes values of mapped text, and states of each row why it is set aside."""

import functools
from collections.abc import Collection, Mapping, Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from tfrec.ingest.mapped_text import VALUE_PREFIX
from tfrec.ingest.numbers import NumberStyle, as_number, number
from tfrec.ingest.table_spec import Check, Column, Expression, TableSpec, is_unreadable
from tfrec.ingest.timestamps import as_utc, parse_plain, parse_timestamps
from tfrec.ingest.vectors import has_impossible_number, vector
from tfrec.sources.cells import id_text

UNIQUE_HASH = "_unique_hash"
"""Column of rows that were compared, see `with_unique_hash`."""

_SQL_TYPES = {"str": "string", "datetime64[us]": "timestamp", "float32": "float32"}


def type_rows(
    spec: TableSpec, text: ir.Table, styles: Mapping[str, NumberStyle], plain_times: Collection[str] = ()
) -> ir.Table:
    """Returns the values of each row of one source with what `check_rows` adds; see `value_rows` for the arguments."""
    return check_rows(spec, value_rows(spec, text, styles, plain_times))


def value_rows(
    spec: TableSpec, text: ir.Table, styles: Mapping[str, NumberStyle], plain_times: Collection[str] = ()
) -> ir.Table:
    """Returns the values of each row of one source, and beside them their text as `raw_...`; no row is lost or added.

    Args:
        spec: what the table is made of.
        text: mapped columns, `_file`, `_row` and further `_...` columns that pass through.
        styles: column → how its numbers are written.
        plain_times: see `find_plain_times`.
    """
    passing = [name for name in text.columns if name.startswith("_")]
    values = {column.name: _value(spec, column, text, styles, plain_times) for column in spec.columns}
    texts = {
        f"raw_{column.name}": text[column.name] if column.name in text.columns else ibis.literal("")
        for column in spec.columns
        if column.kind != "id"
    }
    typed = text.select(**values, **texts, **{name: text[name] for name in passing})
    return typed if spec.derive is None else spec.derive(typed)


def check_rows(spec: TableSpec, typed: ir.Table) -> ir.Table:
    """Returns the rows of all sources with their reasons; no row is lost or added.

    Beside the values stand `reason`, why a row is set aside, null for a good row, and `incomplete`, the value that a
    good row lost because it cannot be read or is impossible.

    Args:
        spec: what concerns the whole table.
        typed: as `value_rows` gives them.
    """
    passing = [name for name in typed.columns if name.startswith("_")]
    if spec.derive_together is not None:
        typed = spec.derive_together(typed)
    typed = typed.mutate(reason=_first_reason(spec.checks))
    optional = [check for column in spec.columns for check in _optional_checks(column)]
    lost = _first_reason([*optional, *spec.losses])
    return typed.select(
        **{column.name: _final(spec, column) for column in spec.columns if column.is_kept},
        **{name: typed[name] for name in (*passing, "reason")},
        incomplete=ibis.ifelse(typed["reason"].isnull(), lost, ibis.null("string")),
    )


def with_unique_hash(spec: TableSpec, rows: ir.Table) -> ir.Table:
    """Returns the rows with `UNIQUE_HASH`, equal where all of `spec.unique` are, and seldom else."""
    same = {f"_same_{at}": _[part] if isinstance(part, str) else part for at, part in enumerate(spec.unique)}
    named = rows.mutate(**same)
    return named.mutate(**{UNIQUE_HASH: ibis.struct({name: named[name] for name in same}).hash()}).drop(*same)


def _value(
    spec: TableSpec, column: Column, text: ir.Table, styles: Mapping[str, NumberStyle], plain_times: Collection[str]
) -> ir.Value:
    is_mapped = column.name in text.columns
    if VALUE_PREFIX + column.name in text.columns:
        value = text[VALUE_PREFIX + column.name]
        return as_number(value) if column.kind == "number" else as_utc(value, spec.time_zone)
    if column.kind == "number":
        style = styles.get(column.name, NumberStyle())
        return number(text[column.name], style) if is_mapped else ibis.null("float64")
    if column.kind == "vector":
        return vector(text[column.name], decimal=spec.section.decimal)
    if column.kind == "time":
        if not is_mapped:
            return ibis.null("timestamp")
        parse = (
            parse_plain
            if column.name in plain_times
            else functools.partial(parse_timestamps, time_format=spec.time_format)
        )
        return parse(text[column.name], time_zone=spec.time_zone)
    if not is_mapped:
        return ibis.literal("")
    if column.kind == "text":
        return text[column.name]
    ids = id_text(text[column.name])
    if column.blanks:
        ids = ibis.ifelse(ids.isin(column.blanks), "", ids)
    return ids.upper() if column.upper_case else ids


def _first_reason(checks: Sequence[Check]) -> ir.StringValue:
    """Returns the first reason that holds, null where none does."""
    if not checks:
        return ibis.null("string")
    return ibis.cases(*((check.fails, check.reason) for check in checks), else_=ibis.null("string"))


def _optional_checks(column: Column) -> list[Check]:
    name = column.name
    if column.kind == "vector":
        return [is_unreadable(name), Check(f"impossible {name}", has_impossible_number(_[name]))]
    if not column.is_optional:
        return []
    out_of_bounds = [_[name] < column.low] if column.low is not None else []
    out_of_bounds += [_[name] > column.high] if column.high is not None else []
    return [is_unreadable(name), *(Check(f"impossible {name}", condition) for condition in out_of_bounds)]


def _final(spec: TableSpec, column: Column) -> Expression:
    """Returns a value within its bounds, with the type that it is stored in."""
    value = _[column.name]
    for check in _optional_checks(column)[1:]:
        value = ibis.ifelse(check.fails, None, value)
    if column.fill is not None:
        value = ibis.coalesce(value, column.fill)
    kind = _SQL_TYPES.get(spec.types.get(column.name, ""))
    return value.cast(kind) if kind else value
