"""JSON values: whatever a result is made of, JSON can hold it."""

import dataclasses
import enum
import json
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
import pytest

from tfrec.schema.json_values import to_json


class Colour(enum.StrEnum):
    RED = "red"


class Pair(NamedTuple):
    left: int
    right: float


@dataclasses.dataclass(frozen=True)
class Inner:
    days: float


@dataclasses.dataclass(frozen=True)
class Result:
    JSON_KEYS: ClassVar = ("value", "double", ("days", "inner.days"))

    value: float
    inner: Inner
    users: np.ndarray

    @property
    def double(self) -> float:
        return 2 * self.value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(Result(1.5, Inner(3.0), np.ones(9)), {"value": 1.5, "double": 3.0, "days": 3.0}, id="named keys"),
        pytest.param(Inner(float("nan")), {"days": None}, id="all fields, NaN"),
        pytest.param({1: (np.int64(2), np.float32(0.5), np.bool_(True))}, {"1": [2, 0.5, True]}, id="NumPy numbers"),
        pytest.param(np.array([[1.0, np.inf]]), [[1.0, None]], id="array with infinity"),
        pytest.param(Pair(1, float("nan")), {"left": 1, "right": None}, id="NamedTuple"),
        pytest.param(Colour.RED, "red", id="enum"),
        pytest.param(Path("a/b"), "a/b", id="path"),
        pytest.param(pd.Timestamp("2025-01-02 03:00"), "2025-01-02T03:00:00", id="moment"),
        pytest.param(pd.NaT, None, id="no moment"),
        pytest.param(pd.Series({"a": 1.0}), {"a": 1.0}, id="series"),
        pytest.param(
            pd.DataFrame({"day": [pd.Timestamp("2025-01-02"), pd.NaT], "n": [1, 2], "t": [("a",), ()]}),
            [{"day": "2025-01-02T00:00:00", "n": 1, "t": ["a"]}, {"day": None, "n": 2, "t": []}],
            id="table",
        ),
    ],
)
def test_a_value_becomes_what_json_can_hold(value, expected):
    assert to_json(value) == expected
    assert json.loads(json.dumps(to_json(value), allow_nan=False)) == expected


def test_what_json_cannot_hold_is_an_error():
    with pytest.raises(TypeError, match="a complex"):
        to_json(1j)
