"""Turns files of relations between users into the relations table."""

import logging
from collections.abc import Sequence
from pathlib import Path

import ibis
import numpy as np
import pandas as pd

from tfrec.ingest.mapping import id_text, map_columns, raw_columns
from tfrec.ingest.number_styles import find_styles, notes_of_styles
from tfrec.ingest.numbers import NumberStyle, number
from tfrec.ingest.privacy import pseudonymise
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.rejected import CheckedTable, check_rows
from tfrec.ingest.sources import read_text
from tfrec.schema.tables import RELATION_COLUMNS, conform

logger = logging.getLogger(__name__)

_ENDS = ("user_id", "other_id")
_BETWEEN = "\x1f"  # the unit separator of ASCII, which no id holds


def read_relations(
    connection: ibis.BaseBackend, recipe: Recipe, paths: Sequence[Path], *, key: bytes | None, scratch: Path
) -> CheckedTable | None:
    """Returns the relations between users, each pair once; None where the recipe has no such files.

    Where relations are not directed both ways stand in the table. Set aside are rows without one of the ids (guests
    have no relations), rows of a user and the same user, weights that are no number above 0, and repetitions: the first
    row of a pair counts.

    Args:
        connection: DuckDB backend.
        recipe: its `relations` is used.
        paths: paths of the relations files.
        key: secret of the pseudonyms, or None.
        scratch: folder for files in between.

    Raises:
        SourceError: a file is empty or unreadable, or lacks a column.
    """
    if not paths:
        return None
    logger.info("Reading %s", ", ".join(map(str, paths)))
    source, guests = recipe.relations, recipe.clean.guest_ids
    raw, lines = read_text(
        connection, source, paths, name="relations_raw", scratch=scratch, wanted=raw_columns(source.columns)
    )
    mapped = map_columns(raw, source.columns, paths=paths, missing=source.missing)
    if key is not None:
        for end in _ENDS:
            mapped = pseudonymise(mapped, key=key, guest_ids=guests, column=end)
    user, other = (id_text(mapped[end]) for end in _ENDS)
    if guests and key is None:
        user, other = (one.isin(guests).ifelse("", one) for one in (user, other))
    text = mapped["weight"] if "weight" in mapped.columns else ibis.literal("")
    styles = find_styles(mapped, source.columns, names=("weight",), declared=source.decimal)
    weight = ibis.ifelse(text == "", 1.0, number(text, styles.get("weight", NumberStyle())))
    low, high = (user, other) if source.directed else (ibis.least(user, other), ibis.greatest(user, other))
    typed = {"user_id": user, "other_id": other, "weight": weight, "relation": low + _BETWEEN + high}
    reasons = [
        *(((one == ""), f"missing {end}") for one, end in zip((user, other), _ENDS, strict=True)),
        (user == other, "relation to oneself"),
        ((text != "") & weight.isnull(), "unreadable weight"),
        (weight <= 0, "impossible weight"),
    ]
    hidden = tuple(source.columns[end] for end in _ENDS) if key is not None else ()
    good, rejected, _ = check_rows(
        connection, raw, mapped, typed, reasons, key="relation", table="relations", lines=lines, hidden=hidden
    )
    pairs = conform(good.execute(), RELATION_COLUMNS, table="relations")
    if not source.directed:
        back = pairs.rename(columns=dict(zip(_ENDS, reversed(_ENDS), strict=True)))
        pairs = pd.concat([pairs, back[pairs.columns]])
    pairs["weight"] = pairs["weight"].astype(np.float32)
    pairs = pairs.sort_values([*_ENDS], ignore_index=True)
    return CheckedTable(pairs, rejected, notes=tuple(notes_of_styles(styles)))
