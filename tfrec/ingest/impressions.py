"""Specifies the impressions table: what was shown, in which place of which slate, with which chance."""

import functools

import ibis
import ibis.expr.types as ir
from ibis import _

from tfrec.ingest.impression_section import ImpressionsRecipe
from tfrec.ingest.items import set_aside_unknown_items
from tfrec.ingest.number_styles import notes_of_numbers
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.table_spec import (
    Check,
    Column,
    Expression,
    MappedTable,
    TableSpec,
    is_empty,
    is_rounded,
    is_unreadable,
    time_checks,
)
from tfrec.ingest.time_formats import check_times
from tfrec.schema.tables import IMPRESSION_COLUMNS
from tfrec.sources.file_format import FILE, ROW
from tfrec.sources.notes import Note

_LAST_POSITION = 2**31 - 1
_CLICKED = {"true": 1.0, "t": 1.0, "yes": 1.0, "y": 1.0, "false": 0.0, "f": 0.0, "no": 0.0, "n": 0.0, "": 0.0}


def impressions_spec(recipe: Recipe) -> TableSpec:
    """Returns the spec of the impressions.

    Set aside are rows without item, time or slate, places that are no whole number from 0 on, propensities outside
    (0, 1], a place of a slate that comes again, and, where the recipe says so of events, items that the catalogue
    lacks. A propensity may be unknown. An empty cell of `clicked` is no click.
    """
    section, cleaning = recipe.impressions, recipe.clean
    has_places = "position" in section.columns
    return TableSpec(
        name="impressions",
        types=IMPRESSION_COLUMNS,
        section=section,
        columns=(
            Column(name="user_id", kind="id", blanks=cleaning.guest_ids),
            Column(name="item_id", kind="id", upper_case=cleaning.upper_case_ids),
            Column(name="timestamp", kind="time"),
            Column(name="slate_id", kind="id"),
            Column(name="position", kind="number"),
            Column(name="propensity", kind="number"),
            Column(name="place_propensity", kind="number"),
            Column(name="clicked", kind="number", is_optional=True, low=0),
            *(Column(name=name) for name in ("signature", "placement", "version", "arm")),
        ),
        time_format=section.time_format,
        time_zone=section.time_zone,
        derive=functools.partial(_derive, section=section),
        checks=(
            *time_checks("timestamp"),
            is_empty("item_id"),
            is_empty("slate_id"),
            *map(is_rounded, ("item_id", "slate_id", "user_id")),
            is_unreadable("position"),
            *((Check("missing position", _["position"].isnull()),) if has_places else ()),
            Check("impossible position", _is_no_place(_["position"])),
            *(check for name in ("propensity", "place_propensity") for check in _chance_checks(name)),
        ),
        passes=(
            (functools.partial(set_aside_unknown_items, table="impressions"),)
            if cleaning.unknown_items == "reject"
            else ()
        ),
        unique=("slate_id", "position" if has_places else "item_id"),
        repeated="duplicate impression",
        note_makers=(functools.partial(_notes_of_times, section=section), notes_of_numbers),
        user_ids=("user_id",),
        guest_ids=cleaning.guest_ids,
        made_of_user_ids=("slate_id",),
    )


def order_impressions(good: ir.Table) -> ir.Table:
    """Returns `IMPRESSION_COLUMNS` of the good rows by time, as they are written."""
    position = good["position"].cast("int32")
    return good.mutate(position=position).order_by("timestamp", FILE, ROW).select(*IMPRESSION_COLUMNS)


def _derive(typed: ir.Table, *, section: ImpressionsRecipe) -> ir.Table:
    """Returns the rows with places by rank where the log states none, and clicks of words."""
    changed: dict[str, ir.Value] = {}
    if "position" not in section.columns:
        of_slate = ibis.window(group_by=typed["slate_id"], order_by=[typed[FILE], typed[ROW]])
        changed["position"] = ibis.row_number().over(of_slate).cast("float64")
    if "clicked" in section.columns:
        word = typed["raw_clicked"].lower()
        changed["clicked"] = word.cases(*_CLICKED.items(), else_=typed["clicked"])
    return typed.mutate(**changed)


def _is_no_place(position: Expression) -> Expression:
    return (position < 0) | (position != position.floor()) | (position > _LAST_POSITION)


def _chance_checks(name: str) -> tuple[Check, ...]:
    return (is_unreadable(name), Check(f"impossible {name}", (_[name] <= 0) | (_[name] > 1)))


def _notes_of_times(mapped: MappedTable, *, section: ImpressionsRecipe) -> list[Note]:
    if "timestamp" in mapped.plain_times:
        return []
    form = section.time_format
    return check_times(mapped.text, time_format=form, where=mapped.origin, section="impressions")
