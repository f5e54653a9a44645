"""Finds how the times of a column are written, and in which zone a shop's clock may run."""

import dataclasses
import datetime as dt
import re
import zoneinfo
from collections.abc import Sequence

import ibis

from tfrec.ingest.time_formats import Reading, count_steps_back, distinct_texts, find_readings, unlike_readings
from tfrec.layouts.cells import Cells
from tfrec.layouts.draft import Entry
from tfrec.layouts.names import plain_letters

_OFFSET = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:UTC|GMT)?\s*([+-]\d{2}):?(\d{2})$")
_SOME = 50
_IN_UTC = re.compile(r"\d\s*(?:Z|UTC|GMT)$")
_ZONES = {
    "DE": "Europe/Berlin", "AT": "Europe/Vienna", "CH": "Europe/Zurich", "FR": "Europe/Paris", "IT": "Europe/Rome",
    "ES": "Europe/Madrid", "NL": "Europe/Amsterdam", "BE": "Europe/Brussels", "PL": "Europe/Warsaw",
    "GB": "Europe/London", "IE": "Europe/Dublin", "SE": "Europe/Stockholm", "DK": "Europe/Copenhagen",
    "NO": "Europe/Oslo", "FI": "Europe/Helsinki", "CZ": "Europe/Prague", "PT": "Europe/Lisbon", "CN": "Asia/Shanghai",
    "JP": "Asia/Tokyo", "KR": "Asia/Seoul", "IN": "Asia/Kolkata", "SG": "Asia/Singapore", "HK": "Asia/Hong_Kong",
    "US": "America/New_York", "CA": "America/Toronto", "MX": "America/Mexico_City", "BR": "America/Sao_Paulo",
    "AU": "Australia/Sydney", "NZ": "Pacific/Auckland",
}  # fmt: skip
_MANY_ZONES = {"US", "CA", "MX", "BR", "AU"}
_COUNTRIES = {
    "germany": "DE", "deutschland": "DE", "allemagne": "DE", "alemania": "DE", "austria": "AT", "osterreich": "AT",
    "switzerland": "CH", "schweiz": "CH", "suisse": "CH", "france": "FR", "frankreich": "FR", "francia": "FR",
    "italy": "IT", "italia": "IT", "italien": "IT", "spain": "ES", "espana": "ES", "spanien": "ES", "espagne": "ES",
    "netherlands": "NL", "nederland": "NL", "niederlande": "NL", "belgium": "BE", "belgique": "BE", "belgien": "BE",
    "poland": "PL", "polska": "PL", "polen": "PL", "united kingdom": "GB", "great britain": "GB", "england": "GB",
    "uk": "GB", "ireland": "IE", "eire": "IE", "sweden": "SE", "sverige": "SE", "schweden": "SE", "denmark": "DK",
    "danmark": "DK", "norway": "NO", "norge": "NO", "finland": "FI", "portugal": "PT", "china": "CN", "中国": "CN",
    "japan": "JP", "日本": "JP", "south korea": "KR", "india": "IN", "singapore": "SG", "hong kong": "HK",
    "united states": "US", "usa": "US", "united states of america": "US", "canada": "CA", "mexico": "MX",
    "brazil": "BR", "brasil": "BR", "australia": "AU", "new zealand": "NZ",
}  # fmt: skip
_MONEY = {
    "GB": "GBP", "US": "USD", "CH": "CHF", "SE": "SEK", "DK": "DKK", "NO": "NOK", "PL": "PLN", "CZ": "CZK", "CN": "CNY",
    "JP": "JPY", "KR": "KRW", "IN": "INR", "SG": "SGD", "HK": "HKD", "CA": "CAD", "MX": "MXN", "BR": "BRL", "AU": "AUD",
    "NZ": "NZD",
    **dict.fromkeys(("DE", "AT", "FR", "IT", "ES", "NL", "BE", "IE", "FI", "PT"), "EUR"),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class TimeForm:
    """How the times of a column are written.

    Attributes:
        time_format: for the recipe; empty = ISO 8601.
        share: of the filled cells that it reads.
        rivals: other formats that read as many cells as other times, e.g. day and month changed over.
        why: the evidence.
    """

    time_format: tuple[str, ...]
    share: float
    rivals: tuple[tuple[str, ...], ...]
    why: str

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The recipe's lines; the format is open where two are equally good."""
        if self.rivals:
            forms = [_as_value(form) for form in (self.time_format, *self.rivals)]
            return (Entry("time_format", forms[0], self.why, is_open=True),)
        if not self.time_format:
            return ()
        return (Entry("time_format", _as_value(self.time_format), self.why),)


def read_share(cells: Cells) -> float:
    """Returns the share of a column's most frequent values that one usual format of times reads."""
    if not cells.top:
        return 0.0
    some = cells.values[:_SOME]
    texts = ibis.memtable({"text": some, "rows": [1] * len(some)})
    return max((reading.rows for reading in find_readings(texts)), default=0) / len(some)


def find_time_form(cells: Cells) -> TimeForm | None:
    """Returns how the times of a column are written, or None where no usual format reads most of them."""
    if not cells.filled:
        return None
    column = cells.table[cells.name]
    texts = distinct_texts(column)
    readings = [reading for reading in find_readings(texts) if reading.rows >= 0.5 * cells.filled]
    if not readings:
        return None
    most = max(reading.rows for reading in readings)
    best = unlike_readings(texts, [reading for reading in readings if reading.rows == most])
    share = min(1.0, most / cells.filled)
    if len(best) == 1:
        shown = "ISO 8601" if not best[0].time_format else "this format"
        return TimeForm(
            best[0].time_format, share, (), f"{shown} reads {share:.0%} of them, such as {cells.example(1)}"
        )
    return _choose(cells, best, share)


def zone_entry(cells: Cells, country: Cells | None) -> Entry:
    """Returns the recipe's line for the zone of the shop's clock.

    It is stated where offsets in the times agree with the zone of the country that most rows name; else it is open.

    Args:
        cells: the times.
        country: countries of the users, or None.
    """
    code, share = main_country(country)
    offsets = {found.group(1) + found.group(2): value for value in cells.values if (found := _OFFSET.search(value))}
    zone = _ZONES.get(code, "")
    if offsets:
        if zone and all(_has_offset(zone, offset, value) for offset, value in offsets.items()):
            shown = ", ".join(sorted(offsets))
            why = f"offsets in the times ({shown}) are this zone's, and {share:.0%} of the rows name {code}"
            return Entry("time_zone", zone, why)
        why = (
            f"the times carry offsets ({', '.join(sorted(offsets))}), so that no moment is in doubt; put the zone by "
            "whose days the shop counts"
        )
        return Entry("time_zone", zone or "Europe/Berlin", why, is_open=True)
    if any(_IN_UTC.search(value) for value in cells.values[:20]):
        why = "the times are in UTC; put the zone by whose days the shop counts"
    elif cells.whole_share > 0.99:
        why = "counts since 1970 are in UTC; put the zone by whose days the shop counts"
    else:
        why = "the times name no zone, and are read as UTC: put the zone of the clock that wrote them"
    if zone:
        hint = ", which has several zones" if code in _MANY_ZONES else ""
        why += f" ({share:.0%} of the rows name {code}{hint})"
    return Entry("time_zone", zone or "Europe/Berlin", why, is_open=True)


def main_country(country: Cells | None) -> tuple[str, float]:
    """Returns the ISO code of the country that most rows name and its share; empty where none has half of them."""
    if country is None or not country.top or not country.filled:
        return "", 0.0
    value, rows = country.top[0]
    share = rows / country.filled
    code = _COUNTRIES.get(plain_letters(value).strip(), value.upper() if re.fullmatch("[A-Za-z]{2}", value) else "")
    return (code, share) if share > 0.5 and code in _ZONES else ("", 0.0)


def money_of(code: str) -> str:
    """Returns the currency of a country, or an empty text."""
    return _MONEY.get(code, "")


def _choose(cells: Cells, best: Sequence[Reading], share: float) -> TimeForm:
    """Returns the reading by which the rows are in order, if it is far better than the others."""
    steps = [count_steps_back(cells.table, cells.name, reading.time_format) for reading in best]
    order = sorted(range(len(best)), key=lambda at: steps[at])
    first, second = order[0], order[1]
    names = " or ".join(" ".join(reading.time_format) or "ISO 8601" for reading in best)
    if steps[first] * 5 < steps[second] and steps[second] > 10:
        why = (
            f"{names} both read {share:.0%} of the times; by this one {steps[first]:,} rows are earlier than the row "
            f"before, by the other {steps[second]:,}"
        )
        return TimeForm(best[first].time_format, share, (), why)
    why = f"{names} both read {share:.0%} of the times, such as {cells.example(1)}, as different days: choose one"
    rivals = tuple(best[at].time_format for at in order[1:])
    return TimeForm(best[first].time_format, share, rivals, why)


def _as_value(form: Sequence[str]) -> str | list[str]:
    return form[0] if len(form) == 1 else [*form]


def _has_offset(zone: str, offset: str, value: str) -> bool:
    """Returns whether a zone's clock had this offset at the time that a text shows."""
    found = re.search(r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})", value)
    if not found:
        return False
    try:
        year, month, day, hour, minute = map(int, found.groups())
        local = dt.datetime(year, month, day, hour, minute, tzinfo=zoneinfo.ZoneInfo(zone))
    except (ValueError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return local.strftime("%z") == offset
