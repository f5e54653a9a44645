"""Reads a CSV or Parquet file into a table with one row per user."""

from pathlib import Path

import pandas as pd

from tfrec.errors import SchemaError, SourceError, nearest_hint
from tfrec.schema.tables import as_id

USER_NAMES = ("user_id", "customer", "customer_id", "user", "visitor_id", "client_id")
"""Columns taken for the user's id where none is named, the first that is there."""

ROW_NUMBERS = "row"
"""In place of a column of ids: the rows' numbers, for a table without user ids."""

_ENDINGS = (".csv", ".csv.gz", ".parquet")


def read_table(path: Path) -> pd.DataFrame:
    """Returns the table of a `.csv`, `.csv.gz` or `.parquet` file.

    Raises:
        SourceError: there is no such file, it is empty, or of another kind.
    """
    if not path.name.endswith(_ENDINGS):
        raise SourceError(f"{path} must end in {', '.join(_ENDINGS)}. Convert it, or name another file.")
    if not path.is_file():
        raise SourceError(f"There is no file {path}. Check its name.")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read as a table ({error}). It needs a heading and rows.") from error
    if not len(table):
        raise SourceError(f"{path} has a heading and no rows.")
    return table


def with_user_ids(table: pd.DataFrame, *, column: str | None = None, is_unique: bool = True) -> pd.DataFrame:
    """Returns the table with its users as text in `user_id`, the first column.

    Args:
        table: any table.
        column: with the ids; one of `USER_NAMES` when left out; `ROW_NUMBERS` numbers the rows of a table without.
        is_unique: each user must come once.

    Raises:
        SchemaError: no such column, an id is missing, or comes twice.
    """
    user_column = column or next((name for name in USER_NAMES if name in table.columns), None)
    if user_column is None:
        raise SchemaError(
            f"No column names the users; looked for {', '.join(USER_NAMES)}. The table has "
            f"{', '.join(map(str, table.columns))}. Name the column, or take `{ROW_NUMBERS}` for the rows' numbers."
        )
    if user_column == ROW_NUMBERS and user_column not in table.columns:
        ids = pd.Series(range(1, len(table) + 1), index=table.index).astype("str")
    else:
        require(table, [user_column])
        ids = as_id(table[user_column])
    if (ids == "").any():
        raise SchemaError(f"`{user_column}` is empty in {int((ids == '').sum()):,} rows. Leave guests out first.")
    if is_unique and ids.duplicated().any():
        again = ids[ids.duplicated()]
        raise SchemaError(
            f"Each user must come once; `{user_column}` holds {again.iloc[0]!r} and {len(again) - 1:,} more again. "
            "Add the rows of a user up first."
        )
    rest = table.drop(columns=[name for name in {user_column, "user_id"} if name in table.columns])
    rest.insert(0, "user_id", ids)
    return rest


def require(table: pd.DataFrame, columns: list[str] | tuple[str, ...], *, what: str = "The table") -> None:
    """Checks that columns are there.

    Raises:
        SchemaError: one is missing; names the nearest known.
    """
    names = [str(name) for name in table.columns]
    for name in columns:
        if name not in names:
            raise SchemaError(f"{what} has no column {name!r}.{nearest_hint(name, names)}")


def as_moments(column: pd.Series) -> pd.Series:
    """Returns dates or texts as moments without a zone, in UTC.

    Raises:
        SchemaError: a value is no date.
    """
    try:
        return pd.to_datetime(column, utc=True).dt.tz_convert(None).dt.as_unit("us")
    except (ValueError, TypeError) as error:
        raise SchemaError(f"`{column.name}` must hold dates such as 2025-12-01 14:00 ({error}).") from error
