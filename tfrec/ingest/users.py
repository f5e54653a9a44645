"""Turns a users file, or what the training events know, into the users table."""

import logging
from collections.abc import Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.ingest.frequent import most_frequent
from tfrec.ingest.mapping import id_text, map_columns, raw_columns
from tfrec.ingest.privacy import pseudonymise
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.rejected import CheckedTable, check_rows
from tfrec.ingest.sources import read_text
from tfrec.schema.tables import USER_COLUMNS, conform

logger = logging.getLogger(__name__)

USER_PREFIX = "_user_"
"""Before the names of raw event columns that describe the event's user."""


def read_register(
    connection: ibis.BaseBackend, recipe: Recipe, paths: Sequence[Path], *, key: bytes | None, scratch: Path
) -> CheckedTable | None:
    """Returns the users of the users files, each id once, attributes as text; None where the recipe has no such files.

    Args:
        connection: DuckDB backend.
        recipe: its `users` is used.
        paths: paths of the users file.
        key: secret of the pseudonyms, or None.
        scratch: folder for files in between.

    Raises:
        SourceError: a file is empty or unreadable, or lacks a column.
    """
    if not paths:
        return None
    logger.info("Reading %s", ", ".join(map(str, paths)))
    raw, lines = read_text(
        connection, recipe.users, paths, name="users_raw", scratch=scratch, wanted=raw_columns(recipe.users.columns)
    )
    mapped = map_columns(raw, recipe.users.columns, paths=paths, missing=recipe.users.missing)
    if key is not None:
        mapped = pseudonymise(mapped, key=key, guest_ids=recipe.clean.guest_ids)
    typed = {name: mapped[name] for name in recipe.users.columns} | {"user_id": id_text(mapped["user_id"])}
    reasons = [(typed["user_id"] == "", "missing user_id")]
    hidden = (recipe.users.columns["user_id"],) if key is not None else ()
    good, rejected, _ = check_rows(
        connection, raw, mapped, typed, reasons, key="user_id", table="users", lines=lines, hidden=hidden
    )
    return CheckedTable(_sorted(conform(good.execute(), USER_COLUMNS, table="users", extra=True)), rejected)


def users_from_events(training: ir.Table) -> pd.DataFrame:
    """Returns the known users of the training events, ascending by id, with their most frequent attribute values."""
    with_user = training.filter(training["user_id"] != "")
    users = with_user.select("user_id").distinct().execute()
    users = users.merge(most_frequent(with_user, "user_id", prefix=USER_PREFIX), on="user_id", how="left")
    attributes = [name for name in users.columns if name != "user_id"]
    users[attributes] = users[attributes].fillna("")
    return _sorted(conform(users, USER_COLUMNS, table="users", extra=True))


def complete_users(register: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Returns the users file with the users that only the training events know; their attributes are `""`."""
    absent = known[~known["user_id"].isin(register["user_id"])]
    if absent.empty:
        return register
    logger.info("%d users bought in training but are not in the users file; they are added", len(absent))
    both = pd.concat([register, absent])
    return _sorted(both.fillna(dict.fromkeys(register.columns, "")))


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("user_id").reset_index(drop=True)
