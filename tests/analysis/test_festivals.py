import datetime

import pytest

from tfrec.analysis.festivals import FESTIVALS, dates_of, region_of, shop_festivals
from tfrec.errors import ConfigError
from tfrec.schema.calendar import ShopCalendar

SALE = {"Spring sale": (datetime.date(2025, 3, 1),)}


def test_festivals_fall_on_their_days():
    names = [name for names in FESTIVALS.values() for name in names]
    festivals = dates_of(names, 2010, 2026)
    assert datetime.date(2011, 11, 25) in festivals["Black Friday"]
    assert datetime.date(2024, 11, 29) in festivals["Black Friday"]
    assert datetime.date(2024, 12, 2) in festivals["Cyber Monday"]
    assert datetime.date(2018, 11, 23) in festivals["Black Friday"]
    assert datetime.date(2025, 11, 11) in festivals["Double 11"]
    assert datetime.date(2024, 3, 31) in festivals["Easter"]


@pytest.mark.parametrize(
    ("calendar", "region"),
    [
        pytest.param(ShopCalendar("Europe/Berlin", currency="EUR"), "western", id="a German shop"),
        pytest.param(ShopCalendar("Asia/Shanghai", currency="CNY"), "chinese", id="a Chinese shop"),
        pytest.param(ShopCalendar("UTC", currency="EUR"), "western", id="by the currency"),
        pytest.param(ShopCalendar("UTC", "CN", "EUR"), "chinese", id="the country goes first"),
        pytest.param(ShopCalendar("Asia/Tokyo", currency="USD"), "", id="the zone goes before the currency"),
        pytest.param(ShopCalendar(), "", id="nothing is known"),
    ],
)
def test_festivals_are_those_of_the_part_of_the_world(calendar, region):
    assert region_of(calendar) == region
    assert tuple(shop_festivals(calendar, 2025, 2025)) == FESTIVALS.get(region, ())


def test_german_shop_has_no_chinese_festival():
    assert not {"618", "Double 11", "Double 12"} & set(shop_festivals(ShopCalendar("Europe/Berlin"), 2024, 2025))


def test_own_sales_are_looked_at_too_and_names_choose():
    calendar = ShopCalendar("Europe/Berlin", sale_days=SALE)
    assert shop_festivals(calendar, 2025, 2025)["Spring sale"] == [datetime.date(2025, 3, 1)]
    assert tuple(shop_festivals(calendar, 2025, 2025, names=["618", "Spring sale"])) == ("618", "Spring sale")
    assert tuple(shop_festivals(calendar, 2025, 2025, names=["chinese"])) == FESTIVALS["chinese"]
    assert shop_festivals(calendar, 2025, 2025, names=["none"]) == {}


def test_unknown_festival_names_the_nearest():
    with pytest.raises(ConfigError, match="Black Friday"):
        shop_festivals(ShopCalendar(), 2025, 2025, names=["Black Fridy"])
