"""Turns moments in UTC into the days and times of a shop's clock; every date that users read is written here."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import pandas as pd

Moments = TypeVar("Moments", pd.Series, pd.Timestamp)


@dataclasses.dataclass(frozen=True)
class ShopCalendar:
    """A shop's clock, and the days on which it may sell more.

    Attributes:
        time_zone: IANA name of the zone whose days are the shop's.
        country: ISO 3166 code of two letters, by which festivals are chosen; "" = by zone, then by currency.
        currency: ISO 4217 code; "" unknown.
        sale_days: the shop's own sales, name → days.
    """

    time_zone: str = "UTC"
    country: str = ""
    currency: str = ""
    sale_days: Mapping[str, tuple[datetime.date, ...]] = dataclasses.field(default_factory=dict)

    def local(self, moments: Moments) -> Moments:
        """Returns what the shop's clock shows at moments in UTC; both without a zone.

        Examples:
            >>> ShopCalendar("Europe/Berlin").local(pd.Timestamp("2025-06-30 22:30"))
            Timestamp('2025-07-01 00:30:00')
        """
        if self.time_zone == "UTC":
            return moments
        if isinstance(moments, pd.Timestamp):
            return moments.tz_localize("UTC").tz_convert(self.time_zone).tz_localize(None)
        return moments.dt.tz_localize("UTC").dt.tz_convert(self.time_zone).dt.tz_localize(None)

    def in_utc(self, moment: pd.Timestamp) -> pd.Timestamp:
        """Returns the moment, in UTC, at which the shop's clock shows `moment`; a zone of its own is kept.

        Examples:
            >>> ShopCalendar("Europe/Berlin").in_utc(pd.Timestamp("2025-07-01"))
            Timestamp('2025-06-30 22:00:00')
        """
        if moment.tzinfo is None:
            # As in `day_starts`: a time that clocks skip is an hour later; of one that comes twice the first is taken.
            moment = moment.tz_localize(self.time_zone, ambiguous=True, nonexistent="shift_forward")
        return moment.tz_convert("UTC").tz_localize(None)

    def day_starts(self, moments: pd.Series) -> pd.Series:
        """Returns when the shop's day of each moment began, in UTC."""
        if self.time_zone == "UTC":
            return moments.dt.floor("D")
        midnight = self.local(moments).dt.floor("D")
        # A midnight that clocks skip is an hour later; of one that comes twice the first is taken.
        is_first = np.ones(len(midnight), dtype=bool)
        there = midnight.dt.tz_localize(self.time_zone, ambiguous=is_first, nonexistent="shift_forward")
        return there.dt.tz_convert("UTC").dt.tz_localize(None)

    def day_text(self, moment: pd.Timestamp | str) -> str:
        """Returns the shop's day of a moment in UTC.

        Examples:
            >>> ShopCalendar("Europe/Berlin").day_text("2025-06-30T22:30:00")
            '2025-07-01'
        """
        return f"{self.local(pd.Timestamp(moment)):%Y-%m-%d}"

    def moment_text(self, moment: pd.Timestamp | str) -> str:
        """Returns a moment in UTC on the shop's clock: the day alone at midnight, else time and zone too.

        Examples:
            >>> ShopCalendar("Europe/Berlin").moment_text("2025-06-30T22:00:00")
            '2025-07-01'
            >>> ShopCalendar("Europe/Berlin").moment_text("2025-06-30T22:30:00")
            '2025-07-01 00:30 (Europe/Berlin)'
        """
        local = self.local(pd.Timestamp(moment))
        if local == local.normalize():
            return f"{local:%Y-%m-%d}"
        time = f"{local:%H:%M}" if not local.second else f"{local:%H:%M:%S}"
        return f"{local:%Y-%m-%d} {time} ({self.time_zone})"
