import pandas as pd

from tfrec.schema.calendar import ShopCalendar

BERLIN = ShopCalendar("Europe/Berlin")


def test_evening_in_utc_is_the_next_day_of_the_shop():
    assert BERLIN.day_text(pd.Timestamp("2025-06-30 22:13")) == "2025-07-01"
    assert BERLIN.moment_text("2025-06-30T22:00:00") == "2025-07-01"
    assert BERLIN.moment_text("2025-06-30T22:13:00") == "2025-07-01 00:13 (Europe/Berlin)"


def test_days_start_at_midnight_of_the_shop_also_where_clocks_change():
    moments = pd.Series(pd.to_datetime(["2025-03-30 00:30", "2025-03-30 12:00", "2025-03-30 22:30"]))
    assert BERLIN.day_starts(moments).tolist() == [
        pd.Timestamp("2025-03-29 23:00"),
        pd.Timestamp("2025-03-29 23:00"),
        pd.Timestamp("2025-03-30 22:00"),
    ]


def test_days_start_where_midnight_is_skipped():
    moments = pd.Series(pd.to_datetime(["2018-11-04 10:00"]))
    assert ShopCalendar("America/Sao_Paulo").day_starts(moments).tolist() == [pd.Timestamp("2018-11-04 03:00")]
