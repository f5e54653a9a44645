"""Specifies the facts table: knowledge triples of items."""

from ibis import _

from tfrec.ingest.recipes import Recipe
from tfrec.ingest.table_spec import Check, Column, TableSpec, is_empty
from tfrec.schema.tables import FACT_COLUMNS


def facts_spec(recipe: Recipe) -> TableSpec:
    """Returns the spec of the facts.

    Set aside are rows without head, relation or tail, rows whose head is their tail, and repetitions. Where the recipe
    writes item ids in capitals, heads and tails are.
    """
    is_upper = recipe.clean.upper_case_ids
    return TableSpec(
        name="facts",
        types=FACT_COLUMNS,
        section=recipe.facts,
        columns=(
            Column(name="head", kind="id", upper_case=is_upper),
            Column(name="relation"),
            Column(name="tail", kind="id", upper_case=is_upper),
        ),
        checks=(*map(is_empty, FACT_COLUMNS), Check("fact of nothing else", _["head"] == _["tail"])),
        unique=tuple(FACT_COLUMNS),
        repeated="duplicate fact",
        order=tuple(FACT_COLUMNS),
    )
