"""Chooses the festivals that may move a shop's demand: those of its part of the world, and its own sales."""

import datetime
from collections.abc import Mapping, Sequence

from dateutil.easter import easter

from tfrec.errors import ConfigError, nearest_hint
from tfrec.schema.calendar import ShopCalendar

FESTIVALS: Mapping[str, tuple[str, ...]] = {
    "western": ("New Year", "Valentine's Day", "Easter", "Black Friday", "Cyber Monday", "Christmas"),
    "chinese": ("New Year", "Valentine's Day", "Women's Day", "618", "Double 11", "Double 12"),
}
"""Part of the world → names of its large shopping festivals."""

_DATES = {
    "New Year": (1, 1),
    "Valentine's Day": (2, 14),
    "Women's Day": (3, 8),
    "618": (6, 18),
    "Double 11": (11, 11),
    "Double 12": (12, 12),
    "Christmas": (12, 25),
}
_NAMES = tuple(dict.fromkeys(name for names in FESTIVALS.values() for name in names))
_CHINESE_COUNTRIES = ("CN", "HK", "MO", "TW")
_WESTERN_COUNTRIES = (
    "AD", "AL", "AR", "AT", "AU", "BA", "BE", "BG", "BO", "BR", "BY", "CA", "CH", "CL", "CO", "CR", "CU", "CY",
    "CZ", "DE", "DK", "DO", "EC", "EE", "ES", "FI", "FO", "FR", "GB", "GR", "GT", "HN", "HR", "HU", "IE", "IS",
    "IT", "LI", "LT", "LU", "LV", "MC", "MD", "ME", "MK", "MT", "MX", "NI", "NL", "NO", "NZ", "PA", "PE", "PL",
    "PR", "PT", "PY", "RO", "RS", "SE", "SI", "SK", "SM", "SV", "UA", "US", "UY", "VE", "ZA",
)  # fmt: skip
_CHINESE_ZONES = tuple(f"Asia/{city}" for city in ("Shanghai", "Chongqing", "Urumqi", "Hong_Kong", "Macau", "Taipei"))
_WESTERN_ZONES = ("Europe/", "America/", "Atlantic/", "Australia/", "Pacific/Auckland", "Africa/Johannesburg")
_WESTERN_CURRENCIES = (
    "ARS", "AUD", "BGN", "BRL", "CAD", "CHF", "CLP", "COP", "CZK", "DKK", "EUR", "GBP", "HUF", "ISK", "MXN", "NOK",
    "NZD", "PEN", "PLN", "RON", "SEK", "USD", "ZAR",
)  # fmt: skip
_CURRENCIES = {
    **dict.fromkeys(("CNY", "HKD", "MOP", "TWD"), "chinese"),
    **dict.fromkeys(_WESTERN_CURRENCIES, "western"),
}


def region_of(calendar: ShopCalendar) -> str:
    """Returns the key of `FESTIVALS` for a shop, "" where none is known.

    The country that the recipe names decides, else the time zone, else the currency.

    Examples:
        >>> region_of(ShopCalendar("Europe/Berlin")), region_of(ShopCalendar(currency="CNY"))
        ('western', 'chinese')
        >>> region_of(ShopCalendar("Europe/Berlin", country="JP"))
        ''
    """
    if calendar.country:
        if calendar.country in _CHINESE_COUNTRIES:
            return "chinese"
        return "western" if calendar.country in _WESTERN_COUNTRIES else ""
    if calendar.time_zone in _CHINESE_ZONES:
        return "chinese"
    if calendar.time_zone.startswith(_WESTERN_ZONES):
        return "western"
    return _CURRENCIES.get(calendar.currency.upper(), "") if calendar.time_zone in ("UTC", "Etc/UTC", "GMT") else ""


def shop_festivals(
    calendar: ShopCalendar, first_year: int, last_year: int, *, names: Sequence[str] | None = None
) -> dict[str, list[datetime.date]]:
    """Returns the festivals of a shop, name → dates: those of its part of the world, and its own sales.

    Args:
        calendar: the shop's clock, country and own sales.
        first_year: first year of the dates.
        last_year: last year of the dates.
        names: in place of those of its part of the world: festivals, keys of `FESTIVALS`, `none`, or the shop's own.

    Raises:
        ConfigError: a name is unknown.
    """
    sales = {name: list(dates) for name, dates in calendar.sale_days.items()}
    if names is None:
        return {**dates_of(FESTIVALS.get(region_of(calendar), ()), first_year, last_year), **sales}
    chosen: list[str] = []
    for name in names:
        if name in sales or name in _NAMES:
            chosen.append(name)
        elif name in FESTIVALS:
            chosen += FESTIVALS[name]
        elif name != "none":
            every = (*sales, *_NAMES, *FESTIVALS, "none")
            raise ConfigError(f"`festivals` has the unknown name {name!r}.{nearest_hint(name, every)}")
    public = [name for name in dict.fromkeys(chosen) if name not in sales]
    return {**dates_of(public, first_year, last_year), **{name: sales[name] for name in chosen if name in sales}}


def dates_of(names: Sequence[str], first_year: int, last_year: int) -> dict[str, list[datetime.date]]:
    """Returns the days of festivals, name → one date a year.

    Black Friday is the day after the fourth Thursday of November, Cyber Monday three days later; Easter is Easter
    Sunday of the western churches.

    Examples:
        >>> dates_of(["Black Friday", "Easter"], 2025, 2025)
        {'Black Friday': [datetime.date(2025, 11, 28)], 'Easter': [datetime.date(2025, 4, 20)]}
    """
    return {name: [_date(name, year) for year in range(first_year, last_year + 1)] for name in names}


def _date(name: str, year: int) -> datetime.date:
    if name == "Easter":
        return easter(year)
    if name in _DATES:
        return datetime.date(year, *_DATES[name])
    to_thursday = (3 - datetime.date(year, 11, 1).weekday()) % 7
    black_friday = datetime.date(year, 11, 1 + to_thursday + 22)
    return black_friday if name == "Black Friday" else black_friday + datetime.timedelta(days=3)
