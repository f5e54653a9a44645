"""Checks the rows of raw files in batches that are kept, so that a later run checks those of new files alone.

What the rows of one file become depends on the other files only by how columns are written (`1,234` beside `2.50`). So
the evidence of each batch is kept by itself, and its checked rows together with the style that all evidence shows.
"""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ibis.expr.types as ir

from tfrec.ingest.checked_rows import check_rows, value_rows, with_unique_hash
from tfrec.ingest.free_text import without_personal_data
from tfrec.ingest.mapped_text import find_plain_times, find_tidiness_of, mapped_columns, number_columns
from tfrec.ingest.number_styles import find_evidence
from tfrec.ingest.numbers import NumberStyle
from tfrec.ingest.table_spec import TableSpec
from tfrec.ingest.tidiness import Tidiness
from tfrec.sources.engine import Workspace, identifier, literal
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.kept_tables import KeptTables
from tfrec.sources.raw_table import RawTable

_FILES = 32  # of one batch: one that is gone or changed costs the checks of all
_EVIDENCE, _CHECKED = "evidence", "checked"
_PLACE = "_place"  # number of a row's file within its batch


@dataclasses.dataclass(frozen=True)
class Batch:
    """Files whose rows are checked together.

    Attributes:
        files: their numbers in the table, ascending.
        places: where the rows of each are kept.
        facts: what the text of their rows shows, see `_find_facts`.
    """

    files: tuple[int, ...]
    places: tuple[Path, ...]
    facts: Mapping[str, Any]

    @property
    def tidiness(self) -> Tidiness:
        """What the text need not be cleaned of."""
        return Tidiness(frozenset(self.facts["plain"]), frozenset(self.facts["complete"]))

    def own(self, styles: Mapping[str, NumberStyle]) -> dict[str, NumberStyle]:
        """Returns the styles of all files for the texts of these, which are read faster where all of them are plain."""
        dressed = {name: counts["dressed"] for name, counts in self.facts["numbers"].items()}
        return {
            name: dataclasses.replace(style, is_plain=style.decimal == "." and not dressed[name])
            for name, style in styles.items()
        }


def find_batches(spec: TableSpec, raw: RawTable, workspace: Workspace) -> list[Batch]:
    """Returns the batches of a table whose rows are kept, the text of new ones looked through; none where it is not.

    Earlier batches whose files are all as they were stay. The last file stands alone, as it may still be growing.
    """
    kept = workspace.kept
    if kept is None or not raw.kept or not spec.is_by_row or workspace.of_files is not workspace:
        return []
    number_of = {place: number for number, place in enumerate(raw.kept)}
    batches: list[Batch] = []
    left = dict.fromkeys(range(len(raw.kept)))
    for found in kept.all_made(_EVIDENCE):
        facts = kept.find_made(found)
        places = tuple(kept.folder / name for name in facts["places"]) if facts else ()
        numbers = tuple(number_of.get(place, -1) for place in places)
        if facts and {*numbers} <= left.keys() and found == _place_of_facts(kept, places) and _is_sorted(numbers):
            batches.append(Batch(numbers, places, facts))
            for number in numbers:
                del left[number]
        else:
            kept.leave(found)
    earlier, last = [*left][:-1], [*left][-1:]
    groups = [*(earlier[at : at + _FILES] for at in range(0, len(earlier), _FILES)), *([last] if last else [])]
    for group in groups:
        places = tuple(raw.kept[number] for number in group)
        facts = _find_facts(spec, _open_batch(spec, workspace, places), places)
        kept.write_facts(_place_of_facts(kept, places), facts)
        batches.append(Batch(tuple(group), places, facts))
    return sorted(batches, key=lambda batch: batch.files)


def check_batches(
    spec: TableSpec,
    batches: Sequence[Batch],
    workspace: Workspace,
    *,
    styles: Mapping[str, NumberStyle],
) -> tuple[ir.Table, Mapping[str, int]]:
    """Returns the checked rows of all batches, see `check_rows`, and what was taken out of their free text.

    Args:
        spec: what the table is made of; `is_by_row`.
        batches: all files.
        workspace: where the rows appear as `NAME_typed`.
        styles: column → how its numbers are written in all files.
    """
    kept = workspace.kept
    assert kept is not None
    how = [spec.name, {name: style.decimal for name, style in styles.items()}]
    places, scrubbed = [], Counter[str]()
    for batch in batches:
        place = kept.place_of(_CHECKED, batch.places, how=how)
        about = kept.find_made(place)
        if about is None:
            about = _keep_checked(spec, batch, workspace, place, styles=styles)
        places.append(place)
        scrubbed += Counter(about["scrubbed"])
    name = f"{spec.name}_typed"
    kind = "TABLE" if workspace.is_in_memory else "VIEW"
    workspace.connection.raw_sql(f"CREATE {kind} {identifier(name)} AS {_query(batches, places)}")
    return workspace.stored(name), dict(scrubbed)


def _keep_checked(
    spec: TableSpec, batch: Batch, workspace: Workspace, place: Path, *, styles: Mapping[str, NumberStyle]
) -> dict[str, Any]:
    """Keeps the checked rows of a batch; returns what is known of them."""
    text = mapped_columns(spec, _open_batch(spec, workspace, batch.places), batch.tidiness)
    text, counts = without_personal_data(text, spec.free_text, country=spec.country)
    scrubbed = f"{spec.name}_scrubbed"
    if counts:
        text = workspace.store(scrubbed, text)
    if spec.mark is not None:
        text = spec.mark(text)
    rows = check_rows(spec, value_rows(spec, text, batch.own(styles), batch.facts["plain_times"]))
    rows = rows.rename({_PLACE: FILE})
    if spec.unique:
        rows = with_unique_hash(spec, rows)
    about = {"scrubbed": dict(counts)}
    assert workspace.kept is not None
    workspace.kept.write(place, workspace.connection, workspace.connection.compile(rows), about)
    if counts:
        workspace.drop(scrubbed)
    return about


def _open_batch(spec: TableSpec, workspace: Workspace, places: Sequence[Path]) -> ir.Table:
    """Returns the mapped raw columns of files as text, with `_row`, and `_file` from 0 on."""
    listed = ", ".join(literal(str(place)) for place in places)
    texts = "".join(f"{identifier(name)}::VARCHAR AS {identifier(name)}, " for name in spec.wanted_columns)
    name = f"{spec.name}_batch"
    workspace.connection.raw_sql(
        f"CREATE OR REPLACE VIEW {identifier(name)} AS SELECT {texts}{ROW}, file_index::INTEGER AS {FILE} "
        f"FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    )
    return workspace.stored(name)


def _find_facts(spec: TableSpec, table: ir.Table, places: Sequence[Path]) -> dict[str, Any]:
    """Returns what the text of a batch shows; can be written as JSON."""
    tidiness = find_tidiness_of(spec, table)
    text = mapped_columns(spec, table, tidiness)
    return {
        "places": [place.name for place in places],
        "plain": sorted(tidiness.plain),
        "complete": sorted(tidiness.complete),
        "numbers": find_evidence(text, spec.section.columns, names=number_columns(spec, text)),
        "plain_times": sorted(find_plain_times(spec, text)),
    }


def _query(batches: Sequence[Batch], places: Sequence[Path]) -> str:
    """Returns the query of the rows of all batches, with the numbers of their files."""
    listed = ", ".join(literal(str(place)) for place in places)
    first, starts = 0, []
    for batch in batches:
        starts.append(first)
        first += len(batch.files)
    numbers = [number for batch in batches for number in batch.files]
    file = f"{numbers}[{starts}[(file_index + 1)::BIGINT] + {_PLACE} + 1]"
    return (
        f"SELECT * EXCLUDE ({_PLACE}), {file}::INTEGER AS {FILE} "
        f"FROM read_parquet([{listed}], hive_partitioning = false)"
    )


def _place_of_facts(kept: KeptTables, places: Sequence[Path]) -> Path:
    return kept.place_of(_EVIDENCE, places).with_suffix(".json")


def _is_sorted(numbers: Sequence[int]) -> bool:
    return all(one < other for one, other in itertools.pairwise(numbers))
