"""Reads delimited text files with the engine, and checks that each physical line became one row.

The engine is fast and right as long as a file keeps to the rules. Where the numbers of lines and rows differ, or the
engine gives up, the tolerant parser of `csv_lines` reads the file again.
"""

import logging
from pathlib import Path

import duckdb
import ibis

from tfrec.sources.csv_layout import CsvLayout, find_layout, find_packing
from tfrec.sources.csv_lines import find_quoting, read_rows
from tfrec.sources.dialect import Dialect
from tfrec.sources.engine import identifier, literal
from tfrec.sources.file_format import ROW, BadLine, FileFormat, StoreTask
from tfrec.sources.kept_tables import Keeping
from tfrec.sources.text_tables import write_rows

logger = logging.getLogger(__name__)


_TABBED = (".tsv", ".tab")


def _store(task: StoreTask) -> list[BadLine]:
    is_tabbed = set(_TABBED) & {suffix.lower() for suffix in task.path.suffixes}
    layout = find_layout(
        task.path,
        task.how,
        wanted=task.wanted,
        default_delimiter="\t" if is_tabbed else ",",
        scratch=task.scratch("utf8.csv"),
    )
    return store_csv(
        *(task.workspace.connection, task.table, layout, task.how),
        scratch=task.scratch("parquet"),
        keeping=task.keeping,
    )


CSV = FileFormat("csv", (".csv", ".txt", *_TABBED), _store)
"""Delimited text."""


def store_csv(
    connection: ibis.BaseBackend,
    table: str,
    layout: CsvLayout,
    dialect: Dialect,
    *,
    scratch: Path,
    keeping: Keeping | None = None,
) -> list[BadLine]:
    """Stores the rows of a file as text columns in a table with `_row`; returns the lines that are no rows.

    Args:
        connection: DuckDB backend.
        table: name of the new table.
        layout: layout of the file.
        dialect: what the recipe states.
        scratch: Parquet file in between.
        keeping: takes the rows in place of a table, where the engine reads them.

    Raises:
        SourceError: the file is not UTF-8.
    """
    is_regular = layout.line_end == "\n" and not layout.has_bad_bytes and dialect.escape != "backslash"
    if is_regular and _store_by_engine(connection, table, layout, quote=dialect.quote, keeping=keeping):
        return []
    if keeping is not None:
        keeping.give_back()
    quoting = find_quoting(layout, quote=dialect.quote, escape=dialect.escape)
    logger.info("%s is read line by line: quotes %r, escaped by %r", layout.origin, quoting.quote, quoting.escape)
    bad: list[BadLine] = []
    write_rows(read_rows(layout, quoting, bad), layout.columns, scratch)
    connection.raw_sql(
        f"CREATE OR REPLACE TABLE {identifier(table)} AS "
        f"SELECT *, row_number() OVER () AS _row FROM read_parquet({literal(str(scratch))})"
    )
    return sorted(bad)


def _store_by_engine(
    connection: ibis.BaseBackend, table: str, layout: CsvLayout, *, quote: str, keeping: Keeping | None
) -> bool:
    """Stores the rows as the engine reads them; False where they are not certainly the lines of the file."""
    sign = {"auto": '"', "none": ""}.get(quote, quote)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in layout.columns)
    options = (
        f"auto_detect = false, header = false, skip = {layout.skipped}, delim = {literal(layout.delimiter)}, "
        f"quote = {literal(sign)}, escape = {literal(sign)}, null_padding = false, store_rejects = true, "
        f"hive_partitioning = false, compression = {literal(find_packing(layout.path))}, columns = {{{columns}}}"
    )
    query = f"SELECT *, row_number() OVER () AS _row FROM read_csv({literal(str(layout.path))}, {options})"
    try:
        if keeping is None:
            stored = identifier(table)
            connection.raw_sql(f"CREATE OR REPLACE TABLE {stored} AS {query}")
        else:
            about = {"columns": [*layout.columns, ROW], "unreadable": [], "notes": []}
            stored = f"read_parquet({literal(str(keeping.take(query, about)))}, hive_partitioning = false)"
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        logger.debug("%s: %s", layout.origin, error)
        return False
    if _take_rejects(connection):
        return False
    rows = connection.raw_sql(f"SELECT count(*) FROM {stored}").fetchall()[0][0]
    lines = layout.lines - layout.skipped
    if rows == lines:
        return True
    lines -= layout.count_blank_lines()
    return rows == lines or (rows < lines and _has_only_line_breaks(connection, stored, layout, lines))


def _take_rejects(connection: ibis.BaseBackend) -> int:
    """Returns how many errors the last reading left behind, and forgets them."""
    try:
        count = connection.raw_sql("SELECT count(*) FROM reject_errors").fetchall()[0][0]
    except duckdb.CatalogException:  # nothing was rejected yet
        return 0
    if count:
        connection.raw_sql("DELETE FROM reject_errors")
    return count


def _has_only_line_breaks(connection: ibis.BaseBackend, stored: str, layout: CsvLayout, lines: int) -> bool:
    """Returns whether the rows are all lines, and no field can have swallowed a line.

    A field that swallowed the rest of one line and the beginning of the next in the same column holds as many
    delimiters for each line break as a whole row has.
    """
    count = "length({0}) - length(replace({0}, {1}, ''))"
    columns = layout.columns
    between = len(columns) - 1
    breaks, swallows = [], []
    for name in columns:
        text = f"coalesce({identifier(name)}, '')"
        line_breaks = count.format(text, "chr(10)")
        breaks.append(line_breaks)
        signs = count.format(text, literal(layout.delimiter))
        swallows.append(f"({line_breaks} > 0 AND {signs} >= {between})")
    total, swallowed, blank = connection.raw_sql(
        f"SELECT sum(1 + {' + '.join(breaks)}), bool_or({' OR '.join(swallows)}), "
        f"bool_or({' OR '.join(f'contains({identifier(name)}, chr(10) || chr(10))' for name in columns)}) "
        f"FROM {stored}"
    ).fetchall()[0]
    return total == lines and not swallowed and not blank
