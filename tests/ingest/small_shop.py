"""A raw shop of a few lines, written as a shop would export it, with its recipe."""

from pathlib import Path

RECIPE = """
name = "small"
currency = "EUR"
source_url = "https://example.org/small"

[events]
files = "log.csv"
type = "purchase"
time_zone = "Europe/Berlin"

[events.columns]
order_id = "order"
user_id = "customer"
item_id = "sku"
timestamp = "when"
quantity = "qty"
price = "paid"

[items.columns]
title = "name"

[users.columns]
country = "land"

[split]
test_from = 2024-03-01
validation_from = 2024-02-01
"""

HEADER = "order,customer,sku,when,qty,paid,name,land"
ROWS = [
    "1,7.0,A,2024-01-05 10:00:00,1,2.00,apple,DE",
    "1,7.0,B,2024-01-05 10:00:00,2,3.00,bread,DE",
    "2,,A,2024-01-20 11:00:00,1,2.50,apple,FR",
    "3,8.0,C,2024-02-10 12:00:00,1,9.00,cake,DE",
    "4,7.0,A,2024-02-28 12:00:00,1,4.00,apple red,DE",
    "5,9.0,D,2024-03-01 00:00:00,1,5.00,dates,AT",
    "6,7.0,A,2024-03-02 10:00:00,1,99.00,APPLE SALE,CH",
]

IMPRESSIONS = """
[impressions]
files = "shown.csv"

[impressions.columns]
timestamp = "at"
user_id = "who"
slate_id = "slate"
position = "place"
item_id = "what"
propensity = "chance"
clicked = "clicked"
"""
"""The section of a recipe for a file of what was shown."""


def write_small_shop(
    folder: Path, *, rows: list[str] | None = None, header: str = HEADER, recipe: str = RECIPE, extra: str = ""
) -> Path:
    """Writes `log.csv` and `small.toml` into `folder`; returns the recipe's path. `extra` is put behind the recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [header, *(ROWS if rows is None else rows)]
    (folder / "log.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = folder / "small.toml"
    path.write_text(recipe + extra, encoding="utf-8")
    return path


def parts_of(table: Path) -> dict[str, bytes]:
    """Returns the content of a table's file, or of the files of its folder by name."""
    files = sorted(table.iterdir()) if table.is_dir() else [table]
    return {file.name: file.read_bytes() for file in files}
