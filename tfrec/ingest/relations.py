"""Specifies the relations table: which users know one another."""

import ibis
import pandas as pd
from ibis import _

from tfrec.ingest.number_styles import notes_of_numbers
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.table_spec import Check, Column, TableSpec, is_empty, is_unreadable
from tfrec.schema.tables import RELATION_COLUMNS

_ENDS = ("user_id", "other_id")


def relations_spec(recipe: Recipe) -> TableSpec:
    """Returns the spec of the relations; where these are not directed both ways stand in the table.

    Set aside are rows without one of the ids (guests have no relations), rows of a user and the same user, weights that
    are no number above 0, and repetitions: the first row of a pair counts.
    """
    section, guests = recipe.relations, recipe.clean.guest_ids
    user, other = (_[end] for end in _ENDS)
    return TableSpec(
        name="relations",
        types=RELATION_COLUMNS,
        section=section,
        columns=(
            *(Column(name=end, kind="id", blanks=guests) for end in _ENDS),
            Column(name="weight", kind="number", fill=1.0),
        ),
        checks=(
            *map(is_empty, _ENDS),
            Check("relation to oneself", user == other),
            is_unreadable("weight"),
            Check("impossible weight", _["weight"] <= 0),
        ),
        unique=_ENDS if section.directed else (ibis.least(user, other), ibis.greatest(user, other)),
        repeated="duplicate relation",
        note_makers=(notes_of_numbers,),
        user_ids=_ENDS,
        guest_ids=guests,
        order=_ENDS,
        finish=None if section.directed else _add_way_back,
    )


def _add_way_back(pairs: pd.DataFrame) -> pd.DataFrame:
    back = pairs.rename(columns=dict(zip(_ENDS, reversed(_ENDS), strict=True)))
    return pd.concat([pairs, back[pairs.columns]])
