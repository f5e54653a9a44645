"""Proposes the currency of a shop and the rates of the others that its exports name."""

from tfrec.layouts.amounts import median_by, money_share
from tfrec.layouts.draft import Entry
from tfrec.layouts.raw_files import RawFiles


def currency_entries(raw: RawFiles, column: str, *, prefix: str = "") -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Returns the lines at the top of the recipe and those of `[events.columns]` for a column of currencies.

    The currency of most rows is the shop's. Where there are others, the column is mapped, so that their rows are set
    aside until rates are given.

    Args:
        raw: the files that hold the column.
        column: its name.
        prefix: before its name, where it is joined to the rows.
    """
    if not column or not raw.is_filled(column):
        return (Entry("currency", "EUR", "not stated: put the currency of the prices (ISO 4217)", is_open=True),), ()
    shares = money_share(raw, column)
    code, share = max(shares.items(), key=lambda entry: entry[1])
    if len(shares) == 1:
        return (Entry("currency", code, f"all rows of `{column}`"),), ()
    others = ", ".join(sorted(set(shares) - {code}))
    why = f"{share:.0%} of the rows of `{column}`; orders in {others} need rates, see [events]"
    return (Entry("currency", code, why),), (Entry("currency", prefix + column),)


def rate_entries(
    raw: RawFiles, column: str, *, rate: str = "", main: str = "", is_inverse: bool = False
) -> tuple[Entry, ...]:
    """Returns the line of `[events]` for rates to the shop's currency, open where the export does not state them.

    Args:
        raw: the files that hold the columns.
        column: currencies.
        rate: column of rates, or empty.
        main: the shop's currency; the most frequent one where empty.
        is_inverse: the column holds units of the order's currency for one of the shop's.
    """
    if not column or not raw.is_filled(column):
        return ()
    shares = money_share(raw, column)
    code = main or max(shares.items(), key=lambda entry: entry[1])[0]
    others = sorted(set(shares) - {code})
    if not others:
        return ()
    if rate and raw.is_filled(rate):
        found = {name.upper(): value for name, value in median_by(raw, column, rate).items()}
        if all(found.get(name, 0) > 0 for name in others):
            rates = {name: round(1 / found[name] if is_inverse else found[name], 6) for name in others}
            return (Entry("rates", rates, f"medians of `{rate}`; what one unit is worth in {code}"),)
    why = f"what one unit is worth in {code}: without it the rows in {', '.join(others)} are set aside"
    return (Entry("rates", dict.fromkeys(others, 1.0), why, is_open=True),)
