"""Turns files of knowledge triples into the facts table."""

import logging
from collections.abc import Sequence
from pathlib import Path

import ibis

from tfrec.ingest.mapping import id_text, map_columns, raw_columns
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.rejected import CheckedTable, check_rows
from tfrec.ingest.sources import read_text
from tfrec.schema.tables import FACT_COLUMNS, conform

logger = logging.getLogger(__name__)

_BETWEEN = "\x1f"  # the unit separator of ASCII, which no name holds


def read_facts(
    connection: ibis.BaseBackend, recipe: Recipe, paths: Sequence[Path], *, scratch: Path
) -> CheckedTable | None:
    """Returns the facts of the facts files, each once; None where the recipe has no such files.

    Set aside are rows without head, relation or tail, rows whose head is their tail, and repetitions. Where the recipe
    writes item ids in capitals, heads and tails are.

    Args:
        connection: DuckDB backend.
        recipe: its `facts` is used.
        paths: paths of the facts files.
        scratch: folder for files in between.

    Raises:
        SourceError: a file is empty or unreadable, or lacks a column.
    """
    if not paths:
        return None
    logger.info("Reading %s", ", ".join(map(str, paths)))
    raw, lines = read_text(
        connection, recipe.facts, paths, name="facts_raw", scratch=scratch, wanted=raw_columns(recipe.facts.columns)
    )
    mapped = map_columns(raw, recipe.facts.columns, paths=paths, missing=recipe.facts.missing)
    head, relation, tail = id_text(mapped["head"]), mapped["relation"], id_text(mapped["tail"])
    if recipe.clean.upper_case_ids:
        head, tail = head.upper(), tail.upper()
    typed = {
        "head": head,
        "relation": relation,
        "tail": tail,
        "fact": head + _BETWEEN + relation + _BETWEEN + tail,
    }
    reasons = [
        (head == "", "missing head"),
        (relation == "", "missing relation"),
        (tail == "", "missing tail"),
        (head == tail, "fact of nothing else"),
    ]
    good, rejected, _ = check_rows(connection, raw, mapped, typed, reasons, key="fact", table="facts", lines=lines)
    facts = conform(good.execute(), FACT_COLUMNS, table="facts")
    return CheckedTable(facts.sort_values([*FACT_COLUMNS], ignore_index=True), rejected)
