"""Takes the first rows of the tables of a database, to be looked at like files."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

import pyarrow.parquet as pq

from tfrec.errors import RecipeError, SourceError
from tfrec.layouts.draft import DatabaseRows
from tfrec.layouts.found_files import FoundFile
from tfrec.sources.database import Database
from tfrec.sources.remote_files import is_url
from tfrec.sources.sql_rows import SqlRows

LOOKED_AT = 100_000
"""Rows of a table that are looked at; of a longer one the first by its key."""

_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "http", "https", "ftp", "hdfs")
_MOST = 40  # tables that are looked at where no layout is recognised
_WRITTEN_PASSWORD = re.compile(r"://[^/@:]*:(?!\$\{)[^@]+@")


def is_database(name: str) -> bool:
    """Returns whether a database is named, and no path."""
    return is_url(name) or bool(re.fullmatch(r"\$\{\w+\}(#.*)?", name))


def find_tables(
    name: str, *, scratch: Path, layouts: Iterable[Mapping[str, tuple[str, ...]]]
) -> tuple[list[FoundFile], list[tuple[str, str]]]:
    """Returns the first rows of a database's tables as files, and the tables that are left out, each with the reason.

    Where the columns of a known layout are there, its tables are taken, and the others are not looked at.

    Args:
        name: URL of the database; after a `#` names of tables, parted by commas, may follow.
        scratch: folder for the rows.
        layouts: of each known layout role → columns by which it is recognised.

    Raises:
        SourceError: the database cannot be read, or has no table that could be one of the recipe.
        RecipeError: the URL holds a password.
    """
    url, _, chosen = name.partition("#")
    if url.partition("://")[0] in _STORES:
        raise SourceError(f"{url} is no database. Copy a file of each kind from there, and name the copies.")
    if _WRITTEN_PASSWORD.search(url):
        raise RecipeError(
            "The URL holds a password, which would be written into the recipe. Put it into a variable of the "
            "environment (export DB_PASSWORD=...), and name that: 'mysql://user:${DB_PASSWORD}@host/shop'."
        )
    database = Database(url)
    columns, keys = _describe(database, [part.strip() for part in chosen.split(",") if part.strip()])
    tables = _of_layout(columns, layouts) or [*columns]
    if len(tables) > _MOST and not chosen:
        raise SourceError(
            f"{database.shown} has {len(tables)} tables, and they are of no known layout. Name those with orders and "
            f"products behind a #: '{url}#{tables[0]},{tables[1]}'."
        )
    found: list[FoundFile] = []
    left: list[tuple[str, str]] = []
    for table in tables:
        if not keys[table]:
            reason = "It has no primary key of one column, by which its rows could be read: write a query with one."
            left.append((f"table {table}", reason))
            continue
        rows = DatabaseRows(url, table, keys[table])
        path = write_first_rows(rows, scratch / f"table_{len(found)}.parquet", limit=LOOKED_AT)
        if path is None:
            left.append((f"table {table}", "It has no row."))
        else:
            found.append(FoundFile(Path(table), "", path, rows))
    if not found:
        reasons = "; ".join(f"{table}: {reason}" for table, reason in left[:5])
        raise SourceError(f"{database.shown} has no table with rows that can be read. {reasons}".rstrip())
    return found, left


def write_first_rows(rows: DatabaseRows, target: Path, *, limit: int) -> Path | None:
    """Returns `target`, which receives the first rows of a table as text (Parquet); None where it has no row.

    Raises:
        SourceError: they cannot be read.
    """
    table = SqlRows(Database(rows.url), table=rows.table, key=rows.key).first(limit)
    if not table.num_rows:
        return None
    pq.write_table(table, target)
    return target


def _describe(database: Database, chosen: Sequence[str]) -> tuple[dict[str, set[str]], dict[str, str]]:
    """Returns the columns of each table, and its key, empty where it has none of one column."""
    with database.connection("listing the tables") as connection:
        from sqlalchemy import inspect

        inspector = inspect(connection)
        names = [*chosen] or sorted(inspector.get_table_names())
        if absent := sorted(set(names) - {*inspector.get_table_names(), *inspector.get_view_names()}):
            raise SourceError(f"{database.shown} has no table {absent[0]!r}. Correct what follows the #.")
        columns, keys = {}, {}
        for name in names:
            columns[name] = {column["name"] for column in inspector.get_columns(name)}
            primary = inspector.get_pk_constraint(name).get("constrained_columns") or []
            unique = [index["column_names"] for index in inspector.get_indexes(name) if index.get("unique")]
            groups = cast(list[list[str]], [primary, *unique])  # the inspector's columns have no type
            single = [group[0] for group in groups if len(group) == 1 and group[0]]
            keys[name] = single[0] if single else ""
    if not columns:
        raise SourceError(f"{database.shown} has no table. Correct the name of the database in the URL.")
    return columns, keys


def _of_layout(columns: Mapping[str, set[str]], layouts: Iterable[Mapping[str, tuple[str, ...]]]) -> list[str]:
    """Returns the tables that have the columns of a layout of which no role is missing."""
    taken: dict[str, None] = {}
    for roles in layouts:
        fitting = {role: [table for table in columns if set(signs) <= columns[table]] for role, signs in roles.items()}
        if all(fitting.values()):
            taken |= dict.fromkeys(table for tables in fitting.values() for table in tables)
    return [*taken]
