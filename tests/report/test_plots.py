import re

import numpy as np
import pytest

from tests.analysis.test_forecasts import shop_of_series
from tfrec.analysis.demand import daily_demand
from tfrec.analysis.forecasts import forecast_demand
from tfrec.report.plots import forecast_figure
from tfrec.report.words import language


@pytest.mark.parametrize(("weekend", "unit"), [(1.0, "day"), (4.0, "week")])
def test_demand_is_drawn_by_week_where_weekdays_differ_much(weekend, unit):
    days = np.arange(140)
    level = 50 * np.where(days % 7 >= 5, weekend, 1.0)
    shop = shop_of_series({"a": np.random.default_rng(0).poisson(level)})
    figure = forecast_figure(forecast_demand(shop), daily_demand(shop, max_items=1), language("en"))
    assert f" per {unit}" in re.sub("<[^>]*>", " ", figure.svg)
    assert ("Sums of seven days" in figure.caption) == (unit == "week")
