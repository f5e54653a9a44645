"""Specifies the table of exchange rates, and gives each row of the events the rate of its currency."""

import functools
from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from tfrec.ingest.event_section import RATE_KEYS, EventsRecipe, RateTable
from tfrec.ingest.number_styles import names_of_currency, notes_of_numbers
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.table_spec import Check, Column, MappedTable, TableSpec, is_empty, is_unreadable, time_checks
from tfrec.ingest.time_formats import check_times
from tfrec.ingest.timestamps import local_time
from tfrec.sources.notes import Note

MISSING_RATE = "missing rate"
"""Reason of an event in another currency, of which no rate is known at its day."""

CURRENCY, RATE = "_currency", "_rate"
"""Columns that `add_rates` adds."""
_DAY, _FROM, _OF, _BY_DAY = "_day", "_rate_from", "_rate_of", "_rate_by_day"


def rates_spec(recipe: Recipe, section: RateTable) -> TableSpec:
    """Returns the spec of the rates: one of each currency and day, above 0; days are those of the shop's clock."""
    return TableSpec(
        name="rates",
        types=dict.fromkeys(RATE_KEYS, ""),
        section=section,
        columns=(
            Column(name="currency"),
            Column(name="day", kind="time"),
            Column(name="rate", kind="number"),
        ),
        time_format=section.time_format,
        derive=functools.partial(_derive, is_inverse=section.is_inverse),
        checks=(
            is_empty("currency"),
            *time_checks("day"),
            Check("missing rate", _["rate"].isnull() & (_["raw_rate"] == "")),
            is_unreadable("rate"),
            Check("impossible rate", ~(_["rate"] > 0)),
        ),
        unique=("currency", "day"),
        repeated="duplicate rate",
        note_makers=(functools.partial(_notes_of_times, section=section), notes_of_numbers),
    )


def add_rates(typed: ir.Table, *, section: EventsRecipe, recipe: Recipe, rates: ir.Table | None) -> ir.Table:
    """Returns the rows with their currency, and what one unit of it is worth in the shop's: null where it is unknown.

    A row without a currency has that of its order, and else the shop's. Of rates by day the last one at or before the
    event's day counts, on the shop's clock.

    Args:
        typed: rows with `currency`, `order_id` and `timestamp` in UTC.
        section: the section that they are of.
        recipe: gives the shop's currency and clock.
        rates: good rows of the table of rates; None = the section's own rates hold, whatever the day.
    """
    rows = typed.mutate(**{CURRENCY: _currency_of_order(typed)})
    is_own = rows[CURRENCY].isin(["", *names_of_currency(recipe.currency.upper())])
    of_own = ibis.ifelse(is_own, 1.0, ibis.null("float64"))
    if rates is None:
        stated = rows[CURRENCY].cases(*section.rates.items(), else_=of_own) if section.rates else of_own
        return rows.mutate(**{RATE: stated})
    rows = rows.mutate(**{_DAY: local_time(rows["timestamp"], recipe.time_zone).date(), RATE: of_own})
    known = rates.select(**{_OF: rates["currency"], _FROM: rates["day"], _BY_DAY: rates["rate"]})
    # Each currency and day is looked up once: Spark has no join by the nearest day.
    days = rows.select(CURRENCY, _DAY).distinct()
    earlier = days.inner_join(known, [days[CURRENCY] == known[_OF], days[_DAY] >= known[_FROM]])
    last = earlier.group_by(CURRENCY, _DAY).aggregate(**{_BY_DAY: earlier[_BY_DAY].last(order_by=_FROM)})
    joined = rows.left_join(last, [CURRENCY, _DAY])
    return joined.mutate(**{RATE: ibis.coalesce(joined[RATE], joined[_BY_DAY])}).select(*typed.columns, CURRENCY, RATE)


def _derive(typed: ir.Table, *, is_inverse: bool) -> ir.Table:
    rate = typed["rate"]
    return typed.mutate(
        currency=typed["currency"].strip().upper(),
        day=typed["day"].date(),
        rate=ibis.ifelse(rate > 0, 1 / rate, rate) if is_inverse else rate,
    )


def _currency_of_order(typed: ir.Table) -> ir.StringValue:
    """Returns the currency in capitals; a row without one has that of its order, which exports name once."""
    currency = typed["currency"].upper().nullif("")
    of_order = currency.max().over(ibis.window(group_by=typed["order_id"]))
    return ibis.coalesce(currency, ibis.ifelse(typed["order_id"] == "", None, of_order), "")


def _notes_of_times(mapped: MappedTable, *, section: RateTable) -> Sequence[Note]:
    if "day" in mapped.plain_times:
        return []
    form = section.time_format
    return check_times(mapped.text, time_format=form, where=mapped.origin, column="day", section="events.rate_table")
