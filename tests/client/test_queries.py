"""Whatever a caller passes, the message names the argument."""

import numpy as np
import pandas as pd
import pytest

from tfrec.client.queries import build_inputs
from tfrec.errors import SchemaError
from tfrec.schema.signatures import SIGNATURES

CART = SIGNATURES["complete_cart"]
LISTS = {
    "text": "a",
    "bytes": b"a",
    "number": 5,
    "numbers": [1, 2],
    "a number among texts": ["a", 1],
    "NumPy numbers": np.array([1, 2]),
    "no value": ["a", None],
    "NaN": ["a", float("nan")],
    "pandas NA": pd.Series(["a", pd.NA]),
    "generator": (item for item in "ab"),
    "set": {"a"},
    "dictionary": {"a": 1},
    "range": range(3),
    "three levels": [[["a"]]],
    "ragged levels": ["a", ["b"]],
    "mixed levels": [["a"], ["b", ["c"]]],
    "three dimensions": np.full((1, 2, 3), "a"),
    "no dimension": np.array(5),
}
SINGLE = {
    "a list in a list": [["a"]],
    "lists of two lengths": [["a"], ["b", "c"]],
    "number": 5,
    "set": {"a"},
    "generator": (item for item in "ab"),
    "no value in a batch": ["a", None],
    "function": len,
}
NUMBERS = {
    "text": "five",
    "digits": "5",
    "bytes": b"5",
    "negative": -1,
    "a fraction": 2.5,
    "too large": 2**31,
    "far too large": 10**400,
    "NaN": float("nan"),
    "infinite": float("inf"),
    "complex": 1j,
    "a list in a list": [[1]],
    "no value in a batch": [1, None],
    "set": {1},
    "date": np.datetime64("2024-01-01"),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(pytest.param("cart_item_ids", value, id=f"list: {kind}") for kind, value in LISTS.items()),
        *(pytest.param("user_id", value, id=f"text: {kind}") for kind, value in SINGLE.items()),
        *(pytest.param("k", value, id=f"number: {kind}") for kind, value in NUMBERS.items()),
        pytest.param("min_price", float("nan"), id="price: NaN"),
        pytest.param("recent_ages", ["new"], id="age: text"),
        pytest.param("include_attributes", ["red"], id="attribute: no relation"),
        pytest.param("exclude_attributes", [b"=red"], id="attribute: empty relation"),
        pytest.param("include_attributes", ["colour="], id="attribute: empty value"),
        pytest.param("exclude_attributes", [b"red"], id="attribute: bytes"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name, value):
    with pytest.raises(SchemaError, match=f"`{name}`"):
        build_inputs(CART, {name: value, **({"recent_item_ids": ["a"]} if name == "recent_ages" else {})})


def test_values_that_fit_are_taken():
    fitting = {
        "cart_item_ids": [[], ("a", np.str_("b")), np.array(["c"])],
        "user_id": pd.Series(["u", "", "w"]),
        "k": [np.int64(3), 0, 2.0],
        "max_price": float("inf"),
        "include_attributes": ["brand=Acme", b"colour=red", ""],
    }
    inputs, is_batch = build_inputs(CART, fitting)
    assert is_batch
    assert inputs["cart_item_ids"].tolist() == [["", "", ""], ["", "a", "b"], ["", "c", ""]]
    assert inputs["k"].tolist() == [3, 0, 2]
    assert build_inputs(CART, {"user_id": np.array("u")})[0]["user_id"].tolist() == ["u"]


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(SchemaError) as raised:
        build_inputs(CART, {"user_id": {f"user {number}" for number in range(1000)}})
    assert len(str(raised.value)) < 300
