r"""Turns text into the numbers that are written in it; what cannot be read with certainty becomes null.

`1,719.60`, `12.990,00 €`, `1 234,50 zł`, `1'234.50`, `(12.50)` and `1.5e3` are read by their own evidence. Text such as
`1.234`, which is a thousand in one country and one and a quarter in another, is read as the rest of its column is.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from tfrec.sources.engine import is_finite, trim
from tfrec.sources.notes import Note

_GROUPERS = r"(?:[\s\p{Z}\p{Cf}]|[’'])+"  # blanks of every width, direction marks, apostrophes
_MINUS = "−–—－﹣‐‑"  # typographic signs beside the ASCII one
_ISO_4217 = (
    "AED|AFN|ALL|AMD|ANG|AOA|ARS|AUD|AWG|AZN|BAM|BBD|BDT|BGN|BHD|BIF|BMD|BND|BOB|BRL|BSD|BTN|BWP|BYN|BZD|CAD|CDF|CHF|CLP|"
    "CNY|COP|CRC|CUP|CVE|CZK|DJF|DKK|DOP|DZD|EGP|ERN|ETB|EUR|FJD|FKP|GBP|GEL|GHS|GIP|GMD|GNF|GTQ|GYD|HKD|HNL|HRK|HTG|HUF|"
    "IDR|ILS|INR|IQD|IRR|ISK|JMD|JOD|JPY|KES|KGS|KHR|KMF|KPW|KRW|KWD|KYD|KZT|LAK|LBP|LKR|LRD|LSL|LYD|MAD|MDL|MGA|MKD|MMK|"
    "MNT|MOP|MRU|MUR|MVR|MWK|MXN|MYR|MZN|NAD|NGN|NIO|NOK|NPR|NZD|OMR|PAB|PEN|PGK|PHP|PKR|PLN|PYG|QAR|RON|RSD|RUB|RWF|SAR|"
    "SBD|SCR|SDG|SEK|SGD|SHP|SLE|SOS|SRD|SSP|STN|SYP|SZL|THB|TJS|TMT|TND|TOP|TRY|TTD|TWD|TZS|UAH|UGX|USD|UYU|UZS|VED|VES|"
    "VND|VUV|WST|XAF|XCD|XOF|XPF|YER|ZAR|ZMW|ZWL|RMB|CNH"
)
_WORDS = r"kr|zł|zl|kč|kc|ft|lei|leu|rs|rp|rm|sfr|fr|руб|р|грн|лв|din|дин|ден|kn|tl|元|円|圓|원"
_CURRENCY = rf"'?(?:[A-Z]{{0,3}}\p{{Sc}}[A-Z]{{0,3}}|(?i:{_ISO_4217}|{_WORDS})\.?|S/\.?)'?"
_IN_BRACKETS = r"^([^()0-9]*)\(([^()]*)\)([^()0-9]*)$"  # of accountants: below zero
_BODY = r"[.,]?[0-9](?:[0-9.,']*[0-9])?(?:[eE][-+]?[0-9]+)?"
_WHOLE = (  # `12,-` and `12,--` stand for a whole amount: the sign stays
    rf"^'?([-+]?)'?¤?([-+]?)'?({_BODY})(?:([.,])-{{0,2}})?'?([-+]?)¤?([-+]?)'?$"
)
_ENDS = "€£$¥￥₹ \u00a0\u202f"
_BARE = r"^[-+]?[0-9.,]+(?:[eE][-+]?[0-9]+)?$"

_LARGEST = 1e38  # what the tables' float32 holds; a larger one is no quantity and no price
_NEUTRAL = r"\d+|[1-9]\d{0,2}('\d{3})+|\d+[eE][-+]?\d+"
_THREES = "[1-9]\\d{0,2}"
_PLAIN_POINT = r"^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$"
_PLAIN = r"^[-+]?(?:\d+|\d*\.(?:\d{1,2}|\d{4,})|(?:0\d*|\d{4,})?\.\d{3}|(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+)$"


def _certain(decimal: str, group: str) -> str:
    """Returns the pattern of texts whose decimal sign can be no other than `decimal`; both signs are escaped."""
    grouped = rf"{_THREES}({group}\d{{3}})+|[1-9]\d?({group}\d{{2}})+{group}\d{{3}}"  # the second as in India
    mantissa = r"(?:\d+\.\d*|\.\d+)" if decimal == r"\." else r"\d,\d+"  # no thousands signs before an exponent
    return "|".join(
        (
            rf"(?:{grouped}){decimal}\d*",
            rf"{_THREES}({group}\d{{3}}){{2,}}|[1-9]\d?({group}\d{{2}})+{group}\d{{3}}",
            rf"\d*{decimal}(?:\d{{0,2}}|\d{{4,}})|(?:0\d*|\d{{4,}})?{decimal}\d{{3}}",
            rf"{_THREES}('\d{{3}})+{decimal}\d*",
            rf"{mantissa}[eE][-+]?\d+",
        )
    )


_POINT, _COMMA = _certain(r"\.", ","), _certain(",", r"\.")
_OPEN_POINT, _OPEN_COMMA = rf"{_THREES}\.\d{{3}}", rf"{_THREES},\d{{3}}"


@dataclasses.dataclass(frozen=True)
class NumberStyle:
    """How the numbers of a column are written.

    Attributes:
        decimal: sign by which `1.234` and `1,234` are read, `.` or `,`; empty = such text is unreadable.
        values: texts that are not empty.
        point: values that can only have a decimal point.
        comma: values that can only have a decimal comma.
        ambiguous: values such as `1.234`.
        unreadable: values that are no number in any convention.
        example: one of these.
        currencies: signs and codes of currencies beside the values, in capitals.
        notes: what the owner of the file should know.
        is_plain: every value is written as the engine reads numbers, with a decimal point or without a fraction.
    """

    decimal: str = "."
    values: int = 0
    point: int = 0
    comma: int = 0
    ambiguous: int = 0
    unreadable: int = 0
    example: str = ""
    currencies: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    is_plain: bool = False


def find_style(column: ir.StringColumn, *, declared: str = "", name: str = "") -> NumberStyle:
    """Returns how the numbers of `column` are written, from all its rows.

    Values that are certain in themselves are always read by their own evidence. Ambiguous ones follow `declared`, then
    the certain ones. Without either a comma is a thousands sign and a point is a decimal sign, unless each value with
    a point has exactly three digits after it beside shorter whole numbers (`500`, `1.200`), which are prices without
    a fraction. Where the values, or they and `declared`, contradict one another, ambiguous values are unreadable.

    Args:
        column: text, of one raw column.
        declared: decimal sign in the recipe, or empty.
        name: name of the column, for the notes.
    """
    return style_of(count_evidence(column), declared=declared, name=name or column.get_name())


def style_of(counts: Mapping[str, Any], *, declared: str, name: str) -> NumberStyle:
    """Returns the style that counts of evidence show; see `find_style` for the arguments."""
    decimal, notes = _decide(counts, declared, name)
    if len(currencies := counts["currencies"]) > 1:
        text = f"`{name}` has values in several currencies: {', '.join(currencies)}."
        notes.append(Note("currency_mixed", counts["with_currency"], f"{text} They were read as if they were one."))
    return NumberStyle(
        decimal=decimal,
        values=counts["values"],
        point=counts["point"],
        comma=counts["comma"],
        ambiguous=counts["open_point"] + counts["open_comma"],
        unreadable=counts["unreadable"],
        example=counts["example_unreadable"] or "",
        currencies=tuple(counts["currencies"]),
        notes=tuple(notes),
        is_plain=decimal == "." and not counts["dressed"],
    )


def number(text: ir.StringValue, style: NumberStyle) -> ir.FloatingValue:
    """Returns the number that is written in `text`, null where none is or where it could be two.

    Args:
        text: text of the column that `style` was found in.
        style: see `find_style`.
    """
    plain = text.try_cast("float64")
    value = (
        plain if style.is_plain else ibis.ifelse(text.re_search(_plain_pattern(style)), plain, _dressed(text, style))
    )
    return ibis.ifelse(value.abs() > _LARGEST, None, value)


def as_number(value: ir.NumericValue) -> ir.FloatingValue:
    """Returns what `number` returns of a column that holds numbers."""
    value = value.cast("float64")
    return ibis.ifelse(is_finite(value) & (value.abs() <= _LARGEST), value, None)


def _plain_pattern(style: NumberStyle) -> str:
    return _PLAIN if style.decimal != "." else _PLAIN_POINT


def _dressed(text: ir.StringValue, style: NumberStyle) -> ir.FloatingValue:
    point = {".": f"{_POINT}|{_OPEN_POINT}|{_OPEN_COMMA}"}.get(style.decimal, _POINT)
    comma = {",": f"{_COMMA}|{_OPEN_POINT}|{_OPEN_COMMA}"}.get(style.decimal, _COMMA)

    def read(bare: ir.StringValue) -> ir.FloatingValue:
        with_point = bare.translate(",'+", "").try_cast("float64")
        with_comma = bare.translate(".'+", "").replace(",", ".").try_cast("float64")
        return ibis.cases(
            (bare.re_search(_full(f"{_NEUTRAL}|{point}")), with_point),
            (bare.re_search(_full(comma)), with_comma),
            else_=ibis.null("float64"),
        )

    return ibis.array([_bare(text)]).map(read)[0]  # an array, so that the bare text is worked out once


def _bare(text: ir.StringValue) -> ir.StringValue:
    """Returns sign, digits, points and commas alone, other thousands signs as `'`; else the text itself.

    The usual signs at the ends are taken off first, as regular expressions over all of Unicode are slow.
    """
    trimmed = trim(text, _ENDS)
    even = text.translate(_MINUS, "-" * len(_MINUS)).re_replace(_GROUPERS, "'").re_replace(_IN_BRACKETS, r"\1-\2\3")
    body = even.re_replace(_CURRENCY, "¤").re_replace(_WHOLE, r"\1\2\5\6\3\4")
    return ibis.ifelse(trimmed.re_search(_BARE), trimmed, body)


def _full(pattern: str) -> str:
    return f"^[-+]?(?:{pattern})$"


def merge_evidence(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns what `count_evidence` would return of the texts of all parts together."""
    merged: dict[str, Any] = {}
    for name in parts[0]:
        found = [part[name] for part in parts]
        if name == "currencies":
            merged[name] = sorted({sign for signs in found for sign in signs})
        elif name.startswith("example_"):
            merged[name] = min((example for example in found if example is not None), default=None)
        else:
            merged[name] = sum(found)
    return merged


def count_evidence(column: ir.StringColumn) -> dict[str, Any]:
    """Returns how many texts of `column` can only be read in one way, with examples; can be written as JSON.

    The texts have no blanks at their ends, and `""` is none.
    """
    distinct = column.name("text").as_table().group_by("text").aggregate(rows=lambda table: table.count())
    distinct = distinct.filter(distinct["text"] != "")
    text = distinct["text"]
    is_bare = text.re_search(_BARE)
    bare, token = text, ibis.literal("")
    if not distinct.aggregate(all=is_bare.all().fill_null(True)).to_pyarrow()["all"][0].as_py():
        # Of few columns: the engine takes longer to compile patterns over all of Unicode than to run the others.
        bare = ibis.ifelse(is_bare, text, _bare(text))
        token = text.re_replace(r"[^\p{L}\p{Sc}/]|[eE][-+]?[0-9]+", "").upper().replace("￥", "¥")
        token = ibis.ifelse(is_bare, "", token)
    texts = distinct.mutate(bare=bare, token=token)
    kinds = {
        "neutral": _NEUTRAL,
        "open_point": _OPEN_POINT,
        "open_comma": _OPEN_COMMA,
        "point": _POINT,
        "comma": _COMMA,
    }
    kind = ibis.cases(*((texts["bare"].re_search(_full(pattern)), kind) for kind, pattern in kinds.items()), else_="")
    texts = texts.mutate(kind=kind)
    is_long = (texts["kind"] == "neutral") & texts["bare"].re_search(r"^[-+]?\d{4,}$")
    has_token = (texts["token"] != "") & (texts["kind"] != "")

    def rows(where: ir.BooleanValue) -> ir.IntegerScalar:
        return texts["rows"].sum(where=where).fill_null(0)

    counted = texts.aggregate(
        values=texts["rows"].sum().fill_null(0),
        unreadable=rows(texts["kind"] == ""),
        dressed=rows(~texts["text"].re_search(_PLAIN_POINT)),
        example_unreadable=texts["text"].min(where=texts["kind"] == ""),
        long=rows(is_long),
        with_currency=rows(has_token),
        currencies=texts["token"].collect(where=has_token, distinct=True),
        **{kind: rows(texts["kind"] == kind) for kind in kinds},
        **{f"example_{kind}": texts["text"].min(where=texts["kind"] == kind) for kind in kinds},
    )
    counts = counted.to_pyarrow().to_pylist()[0]
    return {**counts, "currencies": sorted(counts["currencies"] or [])}


def _decide(counts: Mapping[str, Any], declared: str, name: str) -> tuple[str, list[Note]]:
    """Returns the decimal sign of ambiguous values and what is to be said of the column."""
    signs = {".": "point", ",": "comma"}
    certain = {sign: counts[word] for sign, word in signs.items()}
    num_open = counts["open_point"] + counts["open_comma"]
    example = counts["example_open_point"] or counts["example_open_comma"]
    if declared:
        against = certain["," if declared == "." else "."]
        if not against:
            return declared, []
        other = "," if declared == "." else "."
        read = declared if certain[declared] or not num_open else ""
        text = (
            f'decimal = "{declared}" is declared, but {against:,} of {counts["values"]:,} values of `{name}` are '
            f"written with a decimal {signs[other]}, e.g. {counts[f'example_{signs[other]}']!r}; they were read as "
            "written."
        )
        if num_open and not read:
            text += f" Values such as {example!r} ({num_open:,}) were not read: they could be either."
        return read, [Note("decimal_contradiction", against, f'{text} Correct `decimal = "{other}"` in the recipe.')]
    if certain["."] and certain[","]:
        text = (
            f"`{name}` has values with a decimal point ({certain['.']:,}, e.g. {counts['example_point']!r}) and with a "
            f"decimal comma ({certain[',']:,}, e.g. {counts['example_comma']!r}); each was read as written."
        )
        if num_open:
            text += f' Values such as {example!r} ({num_open:,}) were not read: set `decimal = "."` or `decimal = ","`.'
        return "", [Note("decimal_mixed", min(certain.values()), text)]
    if certain["."] or certain[","]:
        return "." if certain["."] else ",", []
    if not num_open:
        return ".", []
    return _assume(counts, name)


def _assume(counts: Mapping[str, Any], name: str) -> tuple[str, list[Note]]:
    """Returns the usual reading of a column where each value with a sign is ambiguous."""
    num_open = counts["open_point"] + counts["open_comma"]
    if counts["open_point"] and counts["open_comma"]:
        text = (
            f"`{name}` has values such as {counts['example_open_point']!r} and {counts['example_open_comma']!r}, and "
            f"none that shows which sign is the decimal one; {num_open:,} were not read. "
            'Set `decimal = "."` or `decimal = ","` in the recipe.'
        )
        return "", [Note("decimal_unknown", num_open, text)]
    if counts["open_comma"]:
        decimal, meaning, other = ".", "thousands", ","
    elif counts["neutral"] and not counts["long"]:
        decimal, meaning, other = ",", "thousands", "."
    else:
        decimal, meaning, other = ".", "decimal", ","
    example = counts["example_open_comma"] or counts["example_open_point"]
    text = (
        f"`{name}` has {num_open:,} values such as {example!r} and none that shows which sign is the decimal one; the "
        f'sign was taken for the {meaning} sign. Set `decimal = "{decimal}"` in the recipe to confirm, or '
        f'`decimal = "{other}"` for the other reading.'
    )
    return decimal, [Note("decimal_assumed", num_open, text)]
