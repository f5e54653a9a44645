"""Exports with empty cells, few rows or absent columns give a recipe that is understood, or an error of ours."""

import csv
import random
import tomllib
from pathlib import Path

import pytest

from tests.layouts.known_orders import known_orders
from tests.layouts.test_known_exports import LAYOUTS
from tfrec.errors import TfrecError
from tfrec.ingest.recipes import Recipe
from tfrec.ingest.typed_toml import typed
from tfrec.layouts import propose_recipe, write_toml

_TABLES = [name for name in LAYOUTS if "GA4" not in name and "REST" not in name]


def damage(path: Path, draw: random.Random, *, empty: float, rows: int, absent: int) -> None:
    """Writes a delimited file again, some of its cells empty, with few of its rows and without some of its columns."""
    encoding = "cp1252" if path.suffix == ".csv" and b"\xe4" in path.read_bytes()[:200] else "utf-8"
    with path.open(encoding=encoding, errors="replace", newline="") as stream:
        sign = max("\t;,", key=stream.readline().count)
        stream.seek(0)
        table = [*csv.reader(stream, delimiter=sign)]
    left = [at for at in range(len(table[0])) if at not in draw.sample(range(len(table[0])), absent)]
    kept = [table[0], *([cell if draw.random() > empty else "" for cell in row] for row in table[1 : rows + 1])]
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=sign).writerows([row[at] if at < len(row) else "" for at in left] for row in kept)


@pytest.mark.parametrize("name", _TABLES)
@pytest.mark.parametrize(
    ("empty", "rows", "absent"),
    [(0.5, 40, 0), (1.0, 5, 0), (0.0, 1, 0), (0.2, 30, 2), (0.0, 60, 4)],
    ids=["half empty", "all empty", "one row", "two columns absent", "four columns absent"],
)
def test_a_damaged_export_gives_a_recipe_or_an_error(
    name: str, empty: float, rows: int, absent: int, tmp_path: Path
) -> None:
    export = LAYOUTS[name][0](tmp_path, known_orders())
    for number, path in enumerate(export.paths):
        damage(path, random.Random(number), empty=empty, rows=rows, absent=absent)
    try:
        draft = propose_recipe(export.paths, name="shop")
    except TfrecError as error:
        assert len(str(error)) > 20
        return
    text = write_toml(draft, naming=str)
    if draft.has_events:
        try:
            typed(Recipe, tomllib.loads(text), where="shop.toml")
        except TfrecError as error:
            assert "order_id" in str(error) or "timestamp" in str(error), error
