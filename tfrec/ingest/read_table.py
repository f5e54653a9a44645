"""Reads any table of a shop by its spec: text, values, reasons of bad rows, notes."""

import dataclasses
import logging
from collections import Counter
from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _

from tfrec.ingest.checked_rows import UNIQUE_HASH, check_rows, value_rows, with_unique_hash
from tfrec.ingest.free_text import without_personal_data
from tfrec.ingest.mapped_text import (
    VALUE_PREFIX,
    check_mapped,
    find_plain_times,
    map_text,
    mapped_columns,
    number_columns,
)
from tfrec.ingest.mapping import check_columns, raw_columns
from tfrec.ingest.number_styles import find_evidence, styles_of
from tfrec.ingest.privacy import pseudonymise
from tfrec.ingest.rejected import CheckedTable
from tfrec.ingest.row_batches import Batch, check_batches, find_batches
from tfrec.ingest.set_aside import set_aside_at
from tfrec.ingest.table_spec import PART, MappedTable, TableSpec
from tfrec.ingest.tidiness import common_tidiness
from tfrec.schema.tables import conform
from tfrec.sources.engine import Workspace
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note
from tfrec.sources.raw_table import RawTable, RowSource, union_by_name

logger = logging.getLogger(__name__)


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
    rows, scrubbed = _checked_rows(parts, workspace, key=key)
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
        scrubbed=scrubbed,
        contents=_contents(parts[0]) if is_one else (),
    )


@dataclasses.dataclass(frozen=True)
class _Part:
    """The rows of one source; `raw` has its files numbered through those of all sources.

    Attributes:
        batches: where the rows are checked in batches that are kept, all of them.
    """

    spec: TableSpec
    raw: RawTable
    mapped: MappedTable
    batches: tuple[Batch, ...] = ()


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
        batches = _find_batches(spec, raw, workspace) if len(specs) == 1 else ()
        if batches:
            text = mapped_columns(spec, raw.table, common_tidiness([batch.tidiness for batch in batches]))
            evidence = [batch.facts["numbers"] for batch in batches]
            plain_times = frozenset.intersection(*(frozenset(batch.facts["plain_times"]) for batch in batches))
        else:
            text = map_text(spec, raw, workspace, name=f"{name}_mapped" if len(specs) == 1 else f"{name}_mapped_{at}")
            evidence = [find_evidence(text, spec.section.columns, names=number_columns(spec, text))]
            plain_times = find_plain_times(spec, text)
        styles = styles_of(evidence, spec.section.columns, declared=spec.section.decimal)
        mapped = MappedTable(workspace, raw.table, text, styles, raw.origin, plain_times)
        parts.append(_Part(spec, raw, mapped, batches))
    return parts


def _find_batches(spec: TableSpec, raw: RawTable, workspace: Workspace) -> tuple[Batch, ...]:
    check_mapped(spec, raw)
    return tuple(find_batches(spec, raw, workspace))


def _contents(part: _Part) -> tuple[str, ...]:
    """Returns a text for each file that decides on the values of its rows, where these are kept by themselves."""
    if not part.batches:
        return ()
    decimals = sorted((name, style.decimal) for name, style in part.mapped.styles.items())
    return tuple(f"{place.name} {decimals}" for place in part.raw.kept)


def _checked_rows(
    parts: Sequence[_Part], workspace: Workspace, *, key: bytes | None
) -> tuple[ir.Table, Mapping[str, int]]:
    """Returns the rows of all sources with their reasons, and what was taken out of their free text."""
    spec = parts[0].spec
    if parts[0].batches:
        return check_batches(spec, parts[0].batches, workspace, styles=parts[0].mapped.styles)
    made = [_value_part(part, key=key) for part in parts]
    values = [rows for rows, _counts in made]
    if len(parts) > 1:
        values = [rows.mutate(**{PART: ibis.literal(at).cast("int32")}) for at, rows in enumerate(values)]
    checked = check_rows(spec, union_by_name(values))
    rows = workspace.store(f"{spec.name}_typed", with_unique_hash(spec, checked) if spec.unique else checked)
    return rows, dict(sum((Counter(counts) for _rows, counts in made), Counter()))


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


def set_aside_repeated(spec: TableSpec, rows: ir.Table, workspace: Workspace) -> ir.Table:
    """Returns the rows with `spec.repeated` as the reason of each good row whose `unique` an earlier good row has.

    Rows are compared by a hash first: few have one in common, and only these are put in order.
    """
    good = rows.filter(rows["reason"].isnull())
    hashed = good if UNIQUE_HASH in good.columns else with_unique_hash(spec, good)
    counted = hashed.group_by(UNIQUE_HASH).aggregate(rows=lambda table: table.count())
    doubled = workspace.store(f"{spec.name}_doubled", counted.filter(counted["rows"] > 1).select(UNIQUE_HASH))
    if not doubled.count().execute():
        return rows
    same = {f"_same_{at}": _[part] if isinstance(part, str) else part for at, part in enumerate(spec.unique)}
    candidates = hashed.semi_join(doubled, UNIQUE_HASH).select(FILE, ROW, **same)
    window = ibis.window(group_by=[*same], order_by=[FILE, ROW])
    numbered = candidates.mutate(_earlier=ibis.row_number().over(window))
    later = numbered.filter(numbered["_earlier"] > 0).select(FILE, ROW)
    repeated = workspace.store(f"{spec.name}_repeated", later)
    if not repeated.count().execute():
        return rows
    return set_aside_at(workspace, rows, repeated, reason=spec.repeated)


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
    raw, text = (table.anti_join(ruled, [FILE, ROW]) for table in (mapped.raw, mapped.text))
    return dataclasses.replace(mapped, raw=raw, text=text)


def _hide_users(spec: TableSpec, text: ir.Table, *, key: bytes) -> ir.Table:
    """Returns the text with pseudonyms in place of user ids, and of ids that are made of them and would show them."""
    for name in spec.user_ids:
        if name in text.columns:
            text = pseudonymise(text, key=key, guest_ids=spec.guest_ids, column=name)
    for name in spec.made_of_user_ids:
        if set(raw_columns({name: spec.section.columns.get(name, ())})) & set(spec.user_columns):
            text = pseudonymise(text, key=key, column=name)
    return text
