"""Columns that a Parquet file holds as numbers and times give what their text in a csv file gives."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tests.ingest.small_shop import RECIPE
from tfrec.ingest.prepare import prepare_shop
from tfrec.ingest.prepared import Prepared

MOMENT = dt.datetime(2024, 1, 5, 10, 0)
NUM_ROWS = 60
PRICES = [2.5, float("nan"), float("inf"), 1e39, 0.0, -1.0, None, 1234.5]


def table(**changed: pa.Array) -> pa.Table:
    rows = range(NUM_ROWS)
    columns = {
        "order": pa.array(rows, pa.int64()),
        "customer": pa.array([float(at % 9) for at in rows]),
        "sku": pa.array([f"S{at % 5}" for at in rows]),
        "when": pa.array([MOMENT + dt.timedelta(days=2 * at, microseconds=at) for at in rows]),
        "qty": pa.array([at % 3 + 1 for at in rows], pa.int8()),
        "paid": pa.array([PRICES[at % len(PRICES)] for at in rows]),
        "name": pa.array(["apple"] * NUM_ROWS),
        "land": pa.array([["DE"]] * NUM_ROWS).flatten(),
    }
    return pa.table({**columns, **changed})


def prepare(folder: Path, rows: pa.Table, form: str) -> Prepared:
    folder.mkdir()
    write = pq.write_table if form == "parquet" else pyarrow.csv.write_csv
    write(rows, folder / f"log.{form}")
    (folder / "small.toml").write_text(RECIPE.replace("log.csv", f"log.{form}"), encoding="utf-8")
    return prepare_shop(folder / "small.toml", folder / "out")


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({}, id="floats that are no price, local times"),
        # Without infinities the bounds that a Parquet file states of the column are those of its numbers alone.
        pytest.param({"paid": pa.array([float("nan") if at % 7 == 2 else at / 4 for at in range(NUM_ROWS)])}, id="NaN"),
        pytest.param(
            {"paid": pa.array([Decimal(at) / 4 for at in range(NUM_ROWS)], pa.decimal128(12, 2))}, id="decimals"
        ),
        pytest.param(
            {
                "when": pa.array(
                    [MOMENT + dt.timedelta(days=2 * at) for at in range(NUM_ROWS)], pa.timestamp("ms", tz="UTC")
                )
            },
            id="moments",
        ),
        pytest.param(
            {"when": pa.array([MOMENT.date() + dt.timedelta(days=2 * at) for at in range(NUM_ROWS)])}, id="dates"
        ),
        pytest.param({"qty": pa.array([2.0, None, float("nan")] * (NUM_ROWS // 3))}, id="floats that are no pieces"),
    ],
)
def test_types_give_what_their_text_gives(changed: dict[str, pa.Array], tmp_path: Path) -> None:
    rows = table(**changed)
    typed, text = (prepare(tmp_path / form, rows, form) for form in ("parquet", "csv"))
    assert typed.manifest.rejected == text.manifest.rejected
    assert typed.manifest.incomplete == text.manifest.incomplete
    for one, other in ((typed.train, text.train), (typed.test, text.test)):
        pd.testing.assert_frame_equal(one.events, other.events)
        pd.testing.assert_frame_equal(one.items, other.items)


def test_a_number_that_is_none_leaves_its_row_without_a_price(tmp_path: Path) -> None:
    prepared = prepare(tmp_path / "shop", table(), "parquet")
    events = pd.concat([prepared.train.events, prepared.test.events])
    known = events.set_index("order_id")["price"]
    assert known["0"] == 2.5 and pd.isna(known["1"]) and pd.isna(known["6"])
    assert "5" not in known.index  # below 0
