"""Dates that users type are dates of their shop's clock."""

import pandas as pd
import pytest

from tfrec.cli.settings import moment
from tfrec.errors import ConfigError
from tfrec.schema.calendar import ShopCalendar


@pytest.mark.parametrize(
    ("zone", "text", "expected"),
    [
        ("UTC", "2025-12-01", "2025-12-01 00:00"),
        ("Asia/Shanghai", "2025-12-01", "2025-11-30 16:00"),
        ("America/New_York", "2025-07-01 14:00", "2025-07-01 18:00"),
        ("Asia/Shanghai", "2025-12-01T14:00+01:00", "2025-12-01 13:00"),
        ("Europe/Berlin", "2025-03-30 02:30", "2025-03-30 01:00"),  # clocks skip it
        ("Europe/Berlin", "2025-10-26 02:30", "2025-10-26 00:30"),  # it comes twice
    ],
)
def test_a_date_is_one_of_the_shops_clock(zone, text, expected):
    assert moment(text, "--from", ShopCalendar(zone)) == pd.Timestamp(expected)


def test_no_date_is_an_error_that_shows_one():
    with pytest.raises(ConfigError, match=r"--from takes a date such as 2025-12-01.*got 'soon'"):
        moment("soon", "--from", ShopCalendar())
