"""Finds the word that events use most often for an item or a user."""

import ibis
import ibis.expr.types as ir
import pandas as pd


def most_frequent(events: ir.Table, key: str, *, prefix: str) -> pd.DataFrame:
    """Returns for each `key` the most frequent text, not empty, of each column whose name starts with `prefix`.

    Of equally frequent texts the alphabetically first is taken. The result's columns lose the prefix.
    """
    result = events.select(key).distinct().execute()
    for column in (name for name in events.columns if name.startswith(prefix)):
        said = events.filter(events[column] != "")
        counts = said.group_by(key, column).aggregate(times=said.count())
        place = ibis.row_number().over(ibis.window(group_by=key, order_by=[ibis.desc("times"), column]))
        best = counts.mutate(place=place).filter(lambda table: table["place"] == 0).select(key, column).execute()
        result = result.merge(best.rename(columns={column: column.removeprefix(prefix)}), on=key, how="left")
    return result
