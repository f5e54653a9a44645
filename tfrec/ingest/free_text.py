"""Takes mail addresses and phone numbers out of free text; names of people are not found."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir
import pandas as pd

from tfrec.sources.cells import as_text

MAIL = r"[\p{L}\p{N}._%+'’-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+"
"""A mail address (RE2)."""

MAIL_ADDRESS, PHONE_NUMBER = "mail address", "phone number"

_MAIL = re.compile(r"[\w.%+'’-]+@[\w-]+(?:\.[\w-]+)+")
_MAY_BE_PHONE = r"\d(?:[\s()./+–-]*\d){6}"  # seven digits: no shorter number is valid with its area


def without_personal_data(
    table: ir.Table, names: Sequence[str], *, country: str = ""
) -> tuple[ir.Table, Mapping[str, int]]:
    """Returns the table with mail addresses and phone numbers taken out of columns of text, and what was taken out.

    Each distinct text is looked at once, and only those with an `@` or seven digits leave the engine. Phone numbers are
    what `phonenumbers` holds to be a valid number: in international form, or in that of `country`. Numbers without a
    country's form, addresses written in words ("name at example dot org"), names and postal addresses stay.

    Args:
        table: has the columns; those of other types are left as they are.
        names: columns of free text.
        country: two letters of ISO 3166; "" = only numbers in international form are found.

    Returns:
        The table, and `column: kind` → number of rows.
    """
    counts: Counter[str] = Counter()
    for name in names:
        if name not in table.columns or not table[name].type().is_string():
            continue
        text = table[name]
        distinct = table.group_by(_text=text).aggregate(_rows=lambda rows: rows.count())
        may = distinct["_text"].contains("@") | distinct["_text"].re_search(_MAY_BE_PHONE)
        suspects = distinct.filter(may).execute()
        replaced = {}
        for plain, rows in zip(suspects["_text"], suspects["_rows"], strict=True):
            clean, kinds = clean_text(plain, country=country)
            if kinds:
                replaced[plain] = clean
                counts.update(
                    {f"{name.removeprefix('_item_').removeprefix('_user_')}: {kind}": int(rows) for kind in kinds}
                )
        if replaced:
            frame = pd.DataFrame({"_text": [*replaced], "_clean": [*replaced.values()]}, dtype="str")
            joined = table.mutate(_text=text).left_join(ibis.memtable(frame), "_text")
            table = joined.mutate(**{name: ibis.coalesce(joined["_clean"], joined[name])}).select(*table.columns)
    return table, dict(sorted(counts.items()))


def clean_text(text: str, *, country: str = "") -> tuple[str, set[str]]:
    """Returns a text without mail addresses and phone numbers, and which of the two it had; see above.

    Examples:
        >>> clean_text("lamp for jo@example.org or +49 30 123456")[0]
        'lamp for or'
    """
    import phonenumbers

    clean, kinds = text, set()
    if "@" in clean:
        clean, number = _MAIL.subn(" ", clean)
        kinds |= {MAIL_ADDRESS} if number else set()
    if re.search(_MAY_BE_PHONE, clean):
        found = [*phonenumbers.PhoneNumberMatcher(clean, country or None)]
        for match in reversed(found):
            clean = f"{clean[: match.start]} {clean[match.end :]}"
        kinds |= {PHONE_NUMBER} if found else set()
    return (" ".join(clean.split()) if kinds else text), kinds


def without_mails(cell: ir.Value) -> ir.StringValue:
    """Returns a cell as text without mail addresses."""
    return as_text(cell).re_replace(MAIL, "")
