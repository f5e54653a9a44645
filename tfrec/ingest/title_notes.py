"""Counts items that the events give several titles."""

import ibis
import ibis.expr.types as ir

from tfrec.ingest.items import ITEM_PREFIX
from tfrec.sources.notes import Note

_TITLE = f"{ITEM_PREFIX}title"


def notes_of_titles(training: ir.Table) -> list[Note]:
    """Returns a note on items with several titles in training; the most frequent one was taken.

    Args:
        training: events before the test period, with `_item_title` where the recipe maps it.
    """
    if _TITLE not in training.columns:
        return []
    said = training.filter((training["item_id"] != "") & (training[_TITLE] != ""))
    counts = said.group_by("item_id", _TITLE).aggregate(rows=said.count())
    items = counts.group_by("item_id").aggregate(
        titles=counts.count(),
        most=counts[_TITLE].first(order_by=[ibis.desc("rows"), _TITLE]),
        least=counts[_TITLE].last(order_by=[ibis.desc("rows"), _TITLE]),
    )
    several = items.filter(items["titles"] > 1)
    rows = several.order_by(ibis.desc("titles"), "item_id").limit(1).to_pyarrow().to_pylist()
    if not rows:
        return []
    number, all_items = int(several.count().execute()), int(items.count().execute())
    example = rows[0]
    text = (
        f"{number:,} of {all_items:,} items have several titles, e.g. {example['item_id']!r}: {example['most']!r} and "
        f"{example['least']!r}; the most frequent one in training was taken."
    )
    return [Note("several_titles", number, text)]
