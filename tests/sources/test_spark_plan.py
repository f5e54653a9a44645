"""What of an expression is Spark's and what DuckDB computes on the executors; no Spark runs here."""

import ibis
import ibis.expr.operations as ops
import pyarrow as pa
import pytest

from tfrec.sources.engine import try_strptime
from tfrec.sources.spark_plan import ComputedValue, divided
from tfrec.sources.spark_values import function_of_query

ROWS = ibis.table({"text": "string", "price": "float64", "number": "int64", "user": "string"}, name="rows")


def computed(value: ibis.Value, *columns: pa.Array) -> list:
    """Returns the only computed value of a selection, run as an executor would."""
    (found,) = divided(ROWS.select(value=value).op()).find(ComputedValue)
    kinds = [given.dtype.to_pyarrow() for given in found.inputs]
    return function_of_query(found.query, kinds, found.to.to_pyarrow())(*columns).to_pylist()


def test_values_within_a_row_are_those_of_duckdb() -> None:
    texts = pa.array(["31/01/2024", "31/02/2024", None, ""])
    read = try_strptime(ROWS["text"], "%d/%m/%Y")
    assert [moment and moment.isoformat() for moment in computed(read, texts)] == [
        "2024-01-31T00:00:00",
        None,
        None,
        None,
    ]
    assert computed(ROWS["text"].re_search(r"^\p{L}+$"), pa.array(["Ünïcode", "a1"])) == [True, False]
    assert computed(ROWS["price"].isnull(), pa.array([1.0, None, float("nan")])) == [False, True, False]


def test_a_column_is_passed_once_and_takes_the_type_that_was_meant() -> None:
    doubled = ROWS["price"] * 2 + ROWS["price"]
    assert computed(doubled, pa.array([1.5, None], pa.float32())) == [4.5, None]


def test_comparisons_stay_with_spark_and_constants_are_computed_once() -> None:
    start = ibis.literal("2024-01-05").cast("timestamp").year()
    kept = ROWS.filter((ROWS["number"] == start) & (ROWS["user"] != "")).op()
    plan = divided(kept)
    assert not [*plan.find(ComputedValue)]
    assert 2024 in {literal.value for literal in plan.find(ops.Literal)}


@pytest.mark.parametrize("is_grouped", [True, False], ids=["of a group", "of a window"])
def test_what_looks_at_other_rows_stays_with_spark(is_grouped: bool) -> None:
    highest = ROWS["text"].length().max()
    if is_grouped:
        plan = divided(ROWS.group_by("user").aggregate(half=highest / 2).op())
    else:
        plan = divided(ROWS.mutate(half=highest.over(ibis.window(group_by=ROWS["user"].lower())) / 2).op())
    of_rows = [*plan.find((ops.Reduction, ops.WindowFunction))]
    assert of_rows
    queries = [value.query for value in plan.find(ComputedValue)]
    assert len(queries) == (2 if is_grouped else 3)
    assert not any("MAX" in query.upper() or "OVER" in query.upper() for query in queries)


def test_a_hash_that_needs_the_sign_bit_is_no_error() -> None:
    hashes = computed(ibis.struct({"a": ROWS["text"]}).hash(), pa.array([str(number) for number in range(64)]))
    assert len(set(hashes)) == 64 and min(hashes) < 0
