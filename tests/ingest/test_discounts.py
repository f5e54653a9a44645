"""Discounts of a row are taken off what its pieces cost, so that prices are those that were paid."""

import pandas as pd
import pytest

from tests.ingest.small_shop import HEADER, RECIPE, write_small_shop
from tfrec.errors import RecipeError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.recipes import read_recipe

_DISCOUNTED = RECIPE.replace('price = "paid"', 'price = "paid"\ndiscount = "off"')
_ROWS = [
    "1,7,A,2024-01-05 10:00:00,4,2.50,apple,DE,2.00",
    "2,7,B,2024-01-20 11:00:00,1,3.00,bread,DE,-1.00",
    "3,8,C,2024-02-10 12:00:00,1,9.00,cake,DE,",
    "4,8,D,2024-02-28 12:00:00,3,1.00,dates,DE,3.001",
    "5,9,E,2024-03-01 12:00:00,1,5.00,egg,DE,n.a.?",
    "6,9,F,2024-03-02 12:00:00,1,5.00,fig,DE,6.00",
]


@pytest.fixture(params=["price of a piece", "total of the row"])
def prepared(request, tmp_path):
    recipe, rows = _DISCOUNTED, _ROWS
    if request.param == "total of the row":
        recipe = recipe.replace('price = "paid"', 'line_total = "paid"')
        rows = [line.split(",") for line in rows]
        rows = [",".join([*line[:5], f"{int(line[4]) * float(line[5]):.2f}", *line[6:]]) for line in rows]
    path = write_small_shop(tmp_path, rows=rows, header=f"{HEADER},off", recipe=recipe)
    return prepare_shop(path, tmp_path / "prepared")


def test_the_price_of_a_piece_is_what_is_left_of_it(prepared):
    events = pd.concat([prepared.train.events, prepared.test.events]).set_index("item_id")["price"]
    assert events["A"] == 2.0
    assert events["B"] == 2.0
    assert events["C"] == 9.0
    assert events["D"] == 0.0
    assert pd.isna(events["E"])


def test_more_off_than_it_cost_is_an_impossible_price(prepared):
    assert prepared.manifest.rejected == {"impossible price": 1}
    assert prepared.manifest.incomplete == {"unreadable price": 1}


def test_a_discount_needs_a_price(tmp_path):
    recipe = RECIPE.replace('price = "paid"', 'discount = "paid"')
    with pytest.raises(RecipeError, match="map price or line_total"):
        read_recipe(write_small_shop(tmp_path, recipe=recipe))
