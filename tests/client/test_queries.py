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


@pytest.mark.parametrize("value", [True, np.True_, np.int64(1), pd.Series([True])[0]], ids=repr)
def test_a_yes_is_any_kind_of_true(value):
    assert build_inputs(SIGNATURES["recommend"], {"is_adult": value})[0]["is_adult"].tolist() == [1]


@pytest.mark.parametrize("ids", [[b"a"], np.array([b"a"]), [np.bytes_(b"a")]], ids=repr)
def test_ids_may_be_bytes_of_any_kind(ids):
    from tfrec.schema import wire

    array = build_inputs(SIGNATURES["recommend"], {"cart_item_ids": ids})[0]["cart_item_ids"]
    assert list(wire.to_tensor_proto(array).string_val) == [b"", b"a"]


def test_minus_one_stands_for_no_limit():
    array = build_inputs(SIGNATURES["cross_sell"], {"outside_cart_level": -1, "diversity": -1})[0]
    assert (array["outside_cart_level"].item(), array["diversity"].item()) == (-1, -1)


@pytest.mark.parametrize("name", ["diversity"])
@pytest.mark.parametrize("value", [2, -5, float("inf")])
def test_a_share_beyond_its_range_is_refused(name, value):
    with pytest.raises(SchemaError, match="from -1 to 1"):
        build_inputs(SIGNATURES["recommend"], {name: value})


def test_a_threshold_needs_what_the_cart_costs():
    cart = {"cart_item_ids": ["a"], "threshold": 50.0}
    with pytest.raises(SchemaError, match="cart_total"):
        build_inputs(SIGNATURES["complete_cart"], cart)
    build_inputs(SIGNATURES["complete_cart"], {**cart, "cart_total": 20.0})
    build_inputs(SIGNATURES["complete_cart"], {"threshold": 50.0})  # an empty cart costs nothing


def test_a_price_beyond_all_numbers_is_no_limit(recwarn):
    assert np.isinf(build_inputs(SIGNATURES["recommend"], {"max_price": 1e39})[0]["max_price"]).all()
    assert not recwarn.list
