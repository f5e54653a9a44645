"""Specifies the users table, and completes it by what the training events know."""

import logging

import ibis.expr.types as ir
import pandas as pd

from tfrec.ingest.frequent import most_frequent
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.table_spec import Column, TableSpec, is_empty
from tfrec.schema.tables import USER_COLUMNS, conform

logger = logging.getLogger(__name__)

USER_PREFIX = "_user_"
"""Before the names of raw event columns that describe the event's user."""


def users_spec(recipe: Recipe) -> TableSpec:
    """Returns the spec of the users files: each id once, attributes as text."""
    return TableSpec(
        name="users",
        types=USER_COLUMNS,
        section=recipe.users,
        columns=tuple(Column(name=name, kind="id" if name == "user_id" else "text") for name in recipe.users.columns),
        checks=(is_empty("user_id"),),
        unique=("user_id",),
        repeated="duplicate user_id",
        user_ids=("user_id",),
        guest_ids=recipe.clean.guest_ids,
        free_text=tuple(name for name in recipe.privacy.free_text if name != "user_id"),
        country=recipe.country,
        order=("user_id",),
    )


def users_from_events(training: ir.Table) -> pd.DataFrame:
    """Returns the known users of the training events, ascending by id, with their most frequent attribute values."""
    with_user = training.filter(training["user_id"] != "")
    users = with_user.select("user_id").distinct().execute()
    users = users.merge(most_frequent(with_user, "user_id", prefix=USER_PREFIX), on="user_id", how="left")
    attributes = [name for name in users.columns if name != "user_id"]
    users[attributes] = users[attributes].fillna("")
    return _sorted(conform(users, USER_COLUMNS, table="users", extra=True))


def complete_users(register: pd.DataFrame, in_training: pd.DataFrame) -> pd.DataFrame:
    """Returns the users file with the users that only the training events know; their attributes are `""`."""
    absent = in_training[~in_training["user_id"].isin(register["user_id"])]
    if absent.empty:
        return register
    logger.info("%d users bought in training but are not in the users file; they are added", len(absent))
    both = pd.concat([register, absent])
    return _sorted(both.fillna(dict.fromkeys(register.columns, "")))


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("user_id").reset_index(drop=True)
