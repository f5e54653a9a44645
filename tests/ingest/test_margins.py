"""Margins are computed from what the recipe states of costs and profits; a loss is a margin below 0."""

from pathlib import Path

import pandas as pd
import pytest

from tests.ingest.small_shop import RECIPE, write_small_shop
from tfrec.errors import RecipeError
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import read_prepared
from tfrec.ingest.recipes import read_recipe
from tfrec.promotions.campaign_results import orders_of

CATALOGUE = "[items]\nfiles = 'items.csv'\n[items.columns]\nitem_id = 'id'\n"
LINES = [
    "1,7,A,2024-01-05 10:00:00,2,2.00,apple,3.00",
    "2,8,A,2024-01-06 10:00:00,1,2.00,apple,",
    "3,8,B,2024-01-07 10:00:00,1,5.00,bread,6.50",
    "4,8,C,2024-01-07 10:00:00,1,5.00,cake,",
    "5,7,A,2024-03-02 10:00:00,1,2.00,apple,0.10",
]
HEADER = "order,customer,sku,when,qty,paid,name,money"


def margins(folder: Path, recipe: str, *, items: str = "") -> dict[str, float | None]:
    path = write_small_shop(
        folder, rows=LINES, header=HEADER, recipe=recipe.replace('[users.columns]\ncountry = "land"', "")
    )
    (folder / "items.csv").write_text(items)
    prepare_shop(path, folder / "out")
    table = pd.read_parquet(folder / "out" / "items.parquet")
    assert "cost" not in table.columns
    return {row.item_id: None if pd.isna(row.margin) else round(row.margin, 3) for row in table.itertuples()}


def with_money(word: str) -> str:
    return RECIPE.replace('price = "paid"', f'price = "paid"\n{word} = "money"')


def test_cost_of_lines_gives_the_margin_of_training_sales(tmp_path: Path) -> None:
    assert margins(tmp_path, with_money("cost")) == {"A": 0.25, "B": -0.3, "C": None}


def test_profit_of_lines_gives_the_margin_of_training_sales(tmp_path: Path) -> None:
    assert margins(tmp_path, with_money("profit")) == {"A": 0.75, "B": None, "C": None}  # B earned more than it cost


def test_merged_lines_keep_their_profit(tmp_path: Path) -> None:
    merged = '[clean]\nduplicates = "merge"\n'
    assert margins(tmp_path, with_money("cost") + merged) == {"A": 0.25, "B": -0.3, "C": None}


def test_profit_in_another_currency_is_converted(tmp_path: Path) -> None:
    recipe = with_money("cost").replace('price = "paid"', 'price = "paid"\ncurrency = "name"')
    recipe = recipe.replace('type = "purchase"', 'type = "purchase"\nrates = {APPLE = 0.5, BREAD = 2.0, CAKE = 1.0}')
    assert margins(tmp_path, recipe) == {"A": 0.25, "B": -0.3, "C": None}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("id,price,cost\nA,4,3\nB,,6\nC,2,\nD,1,-1\n", {"A": 0.25, "B": -0.2, "C": None, "D": None}),
        ("id,price,cost,margin\nA,4,3,0.5\nB,4,5,\nC,4,0,-2\n", {"A": 0.5, "B": -0.25, "C": -2.0}),
        ("id,price,cost,margin\nA,4,3,1.5\n", {"A": 0.25, "B": None, "C": None}),
    ],
    ids=["by cost, the price of sales in place of an open one", "a stated margin first", "impossible margin"],
)
def test_cost_of_the_catalogue_gives_the_margin(tmp_path: Path, items: str, expected: dict) -> None:
    names = items.split("\n")[0].split(",")[1:]
    columns = "".join(f'{name} = "{name}"\n' for name in names)
    recipe = RECIPE.replace('[items.columns]\ntitle = "name"\n', CATALOGUE + columns)
    assert margins(tmp_path, recipe, items=items) == expected


def test_orders_sold_at_a_loss_count_as_losses(tmp_path: Path) -> None:
    margins(tmp_path, with_money("cost"))
    orders = orders_of(read_prepared(tmp_path / "out").train, default_margin=0.0)
    assert orders["margin"].round(2).tolist()[:3] == [1.0, 0.5, -1.5]


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (with_money("cost").replace('cost = "money"', 'cost = "money"\nprofit = "name"'), "cost or profit"),
        (RECIPE.replace('title = "name"', 'cost = "name"'), r"map `cost` in `\[events.columns\]`"),
    ],
    ids=["both", "no catalogue"],
)
def test_cost_in_the_wrong_place_is_refused(tmp_path: Path, recipe: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        read_recipe(write_small_shop(tmp_path, recipe=recipe))
