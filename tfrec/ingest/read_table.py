"""Reads any table of a shop by its spec: text, values, reasons of bad rows, notes."""

import dataclasses
import functools
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _

from tfrec.ingest.free_text import without_personal_data
from tfrec.ingest.mapping import RAW_PREFIX, Columns, check_columns, column_texts, raw_columns
from tfrec.ingest.number_styles import find_styles
from tfrec.ingest.numbers import NumberStyle, as_number, number
from tfrec.ingest.privacy import pseudonymise
from tfrec.ingest.rejected import CheckedTable
from tfrec.ingest.table_spec import PART, Check, Column, Expression, MappedTable, TableSpec, is_unreadable
from tfrec.ingest.tidiness import find_tidiness
from tfrec.ingest.timestamps import are_plain, as_utc, parse_plain, parse_timestamps
from tfrec.ingest.vectors import has_impossible_number, vector
from tfrec.schema.tables import conform
from tfrec.sources.cells import as_text, id_text, trimmed
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note
from tfrec.sources.raw_table import RawTable, RowSource, union_by_name

logger = logging.getLogger(__name__)

VALUE_PREFIX = "value."
"""Before the names of mapped columns whose source holds numbers or times, beside their text."""

_SQL_TYPES = {"str": "string", "datetime64[us]": "timestamp", "float32": "float32"}


def read_table(
    specs: Sequence[TableSpec], sources: Sequence[RowSource], workspace: Workspace, *, key: bytes | None = None
) -> CheckedTable:
    """Returns the rows of one or several sources as values, the bad ones with a reason; no row is lost or added.

    Args:
        specs: what is made of the rows of each source.
        sources: yield the rows as text.
        workspace: where tables in between are stored.
        key: secret of the pseudonyms, or None.

    Raises:
        SourceError: a source is empty or unreadable, lacks a column, or its times cannot be read with certainty.
    """
    parts = _read_parts(specs, sources, workspace)
    spec, is_one = specs[0], len(parts) == 1
    notes = [note for part in parts for note in _notes_of_part(part, names_origin=not is_one)]
    made = [_value_part(part, key=key) for part in parts]
    values = [rows for rows, _counts in made]
    if not is_one:
        values = [rows.mutate(**{PART: ibis.literal(at).cast("int32")}) for at, rows in enumerate(values)]
    rows = workspace.store(f"{spec.name}_typed", check_rows(spec, union_by_name(values)))
    for set_aside in spec.passes:
        rows, further = set_aside(workspace, rows)
        notes += further
    if spec.unique:
        rows = set_aside_repeated(spec, rows, workspace)
    if spec.late_note_makers:
        ruled = _without_ruled(spec, _mapped_together(parts), rows)
        notes += [note for make_notes in spec.late_note_makers for note in make_notes(ruled)]
    hidden = {name: None for part in parts for name in part.spec.user_columns} if key is not None else {}
    return CheckedTable(
        specs=tuple(part.spec for part in parts),
        raws=tuple(part.raw.table for part in parts),
        rows=rows,
        unreadable=tuple(line for part in parts for line in part.raw.unreadable),
        hidden=tuple(hidden),
        notes=tuple(notes),
        files=tuple(name for part in parts for name in part.raw.files),
        scrubbed=dict(sum((Counter(counts) for _rows, counts in made), Counter())),
    )


@dataclasses.dataclass(frozen=True)
class _Part:
    """The rows of one source; `raw` has its files numbered through those of all sources."""

    spec: TableSpec
    raw: RawTable
    mapped: MappedTable


def _read_parts(specs: Sequence[TableSpec], sources: Sequence[RowSource], workspace: Workspace) -> list[_Part]:
    name = specs[0].name
    raws: list[RawTable] = []
    for at, (spec, source) in enumerate(zip(specs, sources, strict=True)):
        logger.info("Reading %s", source.origin)
        part_name = f"{name}_raw" if len(specs) == 1 else f"{name}_raw_{at}"
        raw = source.read(workspace.of_files, name=part_name, wanted=spec.wanted_columns)
        raw = dataclasses.replace(raw, table=workspace.adopt(part_name, raw.table))
        raws.append(raw.counted_from(sum(len(earlier.files) for earlier in raws)))
    specs = _fitting(specs, raws)
    parts = []
    for at, (spec, raw) in enumerate(zip(specs, raws, strict=True)):
        text = map_text(spec, raw, workspace, name=f"{name}_mapped" if len(specs) == 1 else f"{name}_mapped_{at}")
        numbers = [column.name for column in spec.columns if column.kind == "number"]
        numbers = [name for name in numbers if VALUE_PREFIX + name not in text.columns]
        styles = find_styles(text, spec.section.columns, names=numbers, declared=spec.section.decimal)
        parts.append(
            _Part(spec, raw, MappedTable(workspace, raw.table, text, styles, raw.origin, find_plain_times(spec, text)))
        )
    return parts


def _fitting(specs: Sequence[TableSpec], raws: Sequence[RawTable]) -> list[TableSpec]:
    """Returns the specs without columns of rules and of other tables that their source lacks and another one has.

    Raises:
        SourceError: no source has such a column.
    """
    if len(specs) == 1:
        return [*specs]
    found = {name for raw in raws for name in raw.table.columns}
    origin = ", ".join(raw.origin for raw in raws)
    check_columns([*found], {"a rule of [clean]": specs[0].passing}, origin=origin)
    for columns in specs[0].described.values():
        check_columns([*found], columns, origin=origin)
    return [
        dataclasses.replace(
            spec,
            passing=tuple(name for name in spec.passing if name in raw.table.columns),
            described={
                prefix: {
                    target: names
                    for target, names in columns.items()
                    if set(raw_columns({target: names})) <= set(raw.table.columns)
                }
                for prefix, columns in spec.described.items()
            },
        )
        for spec, raw in zip(specs, raws, strict=True)
    ]


def _notes_of_part(part: _Part, *, names_origin: bool) -> list[Note]:
    made = [note for make_notes in part.spec.note_makers for note in make_notes(part.mapped)]
    if names_origin:
        made = [dataclasses.replace(note, text=f"{part.mapped.origin}: {note.text}") for note in made]
    return [*part.raw.notes, *made]


def _value_part(part: _Part, *, key: bytes | None) -> tuple[ir.Table, Mapping[str, int]]:
    """Returns the values of one source, and what was taken out of its free text."""
    text, counts = without_personal_data(part.mapped.text, part.spec.free_text, country=part.spec.country)
    if part.spec.mark is not None:
        text = part.spec.mark(text)
    if key is not None:
        text = _hide_users(part.spec, text, key=key)
    return value_rows(part.spec, text, part.mapped.styles, part.mapped.plain_times), counts


def _mapped_together(parts: Sequence[_Part]) -> MappedTable:
    """Returns the text of all sources."""
    if len(parts) == 1:
        return parts[0].mapped
    texts = [part.mapped.text for part in parts]
    texts = [text.drop(*(name for name in text.columns if name.startswith(VALUE_PREFIX))) for text in texts]
    text = union_by_name(texts)
    text = text.mutate(**{name: text[name].fill_null("") for name in text.columns if not name.startswith("_")})
    return dataclasses.replace(
        parts[0].mapped,
        raw=union_by_name([part.raw.table for part in parts]),
        text=text,
        origin=", ".join(part.raw.origin for part in parts),
    )


def map_text(spec: TableSpec, raw: RawTable, workspace: Workspace, *, name: str) -> ir.Table:
    """Returns the mapped columns as text, with `_file` and `_row`; stored as `name` where texts have to be cleaned.

    Raises:
        SourceError: the source lacks a column.
    """
    table = raw.table
    names = [name for name in table.columns if name not in (FILE, ROW)]
    ruled = {"a rule of [clean]": spec.passing} if spec.passing else {}
    for columns in (spec.section.columns, ruled, *spec.described.values()):
        check_columns(names, columns, origin=raw.origin)
    missing = spec.section.missing
    times = raw_columns(*({name: columns[name]} for columns, name in _times(spec)))
    tidiness = find_tidiness(table, spec.wanted_columns, missing=missing, unique=times)
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
    mapped = text.select(*values, **texts, **{FILE: text[FILE], ROW: text[ROW]})
    is_tidy = tidiness.plain & tidiness.complete >= set(spec.wanted_columns)
    return mapped if is_tidy else workspace.store(name, mapped)


def find_plain_times(spec: TableSpec, text: ir.Table) -> frozenset[str]:
    """Returns the columns of times that are typed, or whose texts are all empty or ISO 8601 without an offset."""
    names = [name for _columns, name in _times(spec) if name in text.columns]
    typed = [name for name in names if VALUE_PREFIX + name in text.columns]
    if spec.time_format:
        return frozenset(typed)
    texts = [name for name in names if name not in typed]
    plain = [name for name in texts if text.aggregate(plain=are_plain(text[name])).execute()["plain"].iloc[0]]
    return frozenset((*typed, *plain))


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


def set_aside_repeated(spec: TableSpec, rows: ir.Table, workspace: Workspace) -> ir.Table:
    """Returns the rows with `spec.repeated` as the reason of each good row whose `unique` an earlier good row has.

    Rows are compared by a hash first: few have one in common, and only these are put in order.
    """
    same = {f"_same_{at}": _[part] if isinstance(part, str) else part for at, part in enumerate(spec.unique)}
    good = rows.filter(rows["reason"].isnull()).select(FILE, ROW, **same)
    hashed = good.mutate(_hash=ibis.struct({name: good[name] for name in same}).hash())
    counted = hashed.group_by("_hash").aggregate(rows=lambda table: table.count())
    doubled = counted.filter(counted["rows"] > 1)
    window = ibis.window(group_by=[*same], order_by=[FILE, ROW])
    candidates = hashed.semi_join(doubled, "_hash").mutate(_earlier=ibis.row_number().over(window))
    later = candidates.filter(candidates["_earlier"] > 0).select(FILE, ROW)
    repeated = workspace.store(f"{spec.name}_repeated", later)
    if not repeated.count().execute():
        return rows
    joined = rows.left_join(repeated.mutate(_repeated=True), [FILE, ROW])
    reason = ibis.coalesce(joined["reason"], ibis.ifelse(joined["_repeated"], spec.repeated, None))
    return joined.mutate(reason=reason).select(*rows.columns)


def collect_table(checked: CheckedTable) -> pd.DataFrame:
    """Returns the good rows with the schema's types and order, attributes behind them."""
    spec = checked.spec
    kept = [column.name for column in spec.columns if column.is_kept and column.kind != "vector"]
    frame = checked.good.select(*kept).execute()
    frame = conform(frame, spec.types, table=spec.name, extra=True)
    if spec.finish is not None:
        frame = spec.finish(frame)
    return frame.sort_values([*spec.order], ignore_index=True)


def _without_ruled(spec: TableSpec, mapped: MappedTable, rows: ir.Table) -> MappedTable:
    """Returns the text without the rows that the owner's rules leave out."""
    if not spec.ruled:
        return mapped
    ruled = rows.filter(rows["reason"].isin(spec.ruled)).select(FILE, ROW)
    text = mapped.workspace.store(f"{spec.name}_by_rules", mapped.text.anti_join(ruled, [FILE, ROW]))
    return dataclasses.replace(mapped, raw=mapped.raw.anti_join(ruled, [FILE, ROW]), text=text)


def _hide_users(spec: TableSpec, text: ir.Table, *, key: bytes) -> ir.Table:
    """Returns the text with pseudonyms in place of user ids, and of ids that are made of them and would show them."""
    for name in spec.user_ids:
        if name in text.columns:
            text = pseudonymise(text, key=key, guest_ids=spec.guest_ids, column=name)
    for name in spec.made_of_user_ids:
        if set(raw_columns({name: spec.section.columns.get(name, ())})) & set(spec.user_columns):
            text = pseudonymise(text, key=key, column=name)
    return text


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
