"""A request that brings its user's events is answered as the servable that stores them."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tfrec.schema.signatures import SIGNATURES

USERS = ["u1", "u2", "u3", "u5", "u7", "newcomer", ""]
SEGMENTS = {"u1": "north", "u3": "north", "u2": "south", "newcomer": "south"}
VISIT = {
    "recent_item_ids": ["", "i3", "i9"],
    "recent_event_types": ["", "view", "cart"],
    "recent_ages": [0.0, 3.0, 0.2],
}
CART = {"cart_item_ids": ["", "i4", "i11"]}


@dataclasses.dataclass(frozen=True)
class Events:
    """Events of one user as a request brings them."""

    item: list[str]
    kind: list[str]
    age: list[float]
    order: list[str]


def events_of(shop, user) -> Events:
    events = shop.prepared.train.events
    mine = events[events["user_id"] == user] if user else events[:0]
    age = (shop.prepared.test_from - mine["timestamp"]) / pd.Timedelta(hours=1)
    order = np.where(mine["order_id"] != "", "order " + mine["order_id"], "session " + mine["session_id"])
    return Events(mine["item_id"].tolist(), mine["event_type"].tolist(), age.tolist(), order.tolist())


def history_inputs(histories, segments):
    """Inputs `[B, ...]` of users' events; short rows are padded behind."""
    width = 1 + max(len(events.item) for events in histories)

    def padded(rows, padding):
        return np.array([[padding, *row, *[padding] * (width - 1 - len(row))] for row in rows])

    return {
        "history_item_ids": padded([events.item for events in histories], ""),
        "history_event_types": padded([events.kind for events in histories], ""),
        "history_order_ages": padded([events.age for events in histories], 0.0).astype(np.float32),
        "history_orders": padded([events.order for events in histories], ""),
        "user_segment": np.array(segments),
    }


def inputs_of(signature, size, **settings):
    """What a request asks besides its user: a visit, a cart, an anchor; a row each."""
    given = {**VISIT, **CART, "item_id": "i2", "candidate_item_ids": ["", *(f"i{n}" for n in range(40))], **settings}
    inputs = {}
    for spec in SIGNATURES[signature].inputs:
        if spec.name in given:
            inputs[spec.name] = np.array([given[spec.name]] * size)
        if spec.dtype == "float32" and spec.name in inputs:
            inputs[spec.name] = inputs[spec.name].astype(np.float32)
    return inputs


def ask(served_shop, signature, **inputs):
    """Output name → array; the graphs that signatures share run, without a trace of each signature."""
    fed = {name: np.asarray(value) for name, value in inputs.items()}
    return served_shop.served.answer(
        signature, {name: value.astype(object) if value.dtype.kind == "U" else value for name, value in fed.items()}
    )


def assert_same(left, right, rows=slice(None)):
    for name, values in left.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(right[name], values[rows], atol=1e-5, err_msg=name)
        else:
            assert right[name].tolist() == values[rows].tolist(), name


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize("settings", [{}, {"cart_item_ids": [""], "recent_item_ids": [""]}], ids=["a visit", "fresh"])
def test_a_request_with_the_users_events_is_answered_as_the_stored_user(served_shop, signature, settings):
    if settings:
        settings |= {"recent_event_types": [""], "recent_ages": [0.0]}
    inputs = inputs_of(signature, len(USERS), **settings)
    brought = history_inputs(
        [events_of(served_shop.shop, user) for user in USERS], [SEGMENTS.get(user, "") for user in USERS]
    )
    stored = ask(served_shop, signature, user_id=USERS, **inputs)
    assert_same(stored, ask(served_shop, signature, user_id=["unknown"] * len(USERS), **inputs, **brought))


def test_rows_with_and_without_events_are_both_right_in_one_batch(served_shop):
    shop, inputs = served_shop.shop, inputs_of("recommend", 4)
    stored = ask(served_shop, "recommend", user_id=["u1", "u2", "u3", ""], **inputs)
    none = Events([], [], [], [])
    brought = history_inputs([none, events_of(shop, "u2"), none, none], ["", "south", "", ""])
    assert_same(stored, ask(served_shop, "recommend", user_id=["u1", "", "u3", ""], **inputs, **brought))


def test_events_of_the_request_stand_in_for_the_stored_ones(served_shop):
    shop, inputs = served_shop.shop, inputs_of("recommend", 1)
    brought = history_inputs([events_of(shop, "u2")], ["south"])
    stored = ask(served_shop, "recommend", user_id=["u2"], **inputs)
    assert_same(stored, ask(served_shop, "recommend", user_id=["u1"], **inputs, **brought))


def test_padding_and_unknown_items_change_no_answer(served_shop):
    """TF Serving widens lists, and a shop sends items that are newer than the version."""
    shop, inputs = served_shop.shop, inputs_of("recommend", 1)
    events = events_of(shop, "u2")
    gaps = Events(
        ["", *events.item[:5], "newer", *events.item[5:], ""],
        ["", *events.kind[:5], "purchase", *events.kind[5:], ""],
        [0.0, *events.age[:5], 1.0, *events.age[5:], 0.0],
        ["", *events.order[:5], "another", *events.order[5:], ""],
    )
    stored = ask(served_shop, "recommend", user_id=["u2"], **inputs)
    brought = history_inputs([gaps], ["south"])
    assert_same(stored, ask(served_shop, "recommend", user_id=[""], **inputs, **brought))


def test_items_bought_by_the_request_are_no_cross_sell(served_shop):
    """Three purchases without types, and without orders, each its own."""
    asked = {"cart_item_ids": np.array([["", "i4"]]), "k": np.array([40], np.int32)}
    of_guest = ask(served_shop, "cross_sell", **asked)["item_ids"][0]
    bought = [name for name in of_guest if name][:3]
    history = {"history_item_ids": np.array([["", *bought]])}
    left = ask(served_shop, "cross_sell", **asked, **history)["item_ids"][0]
    assert not set(bought) & set(left)
    assert len(set(left) - {""}) >= len(set(of_guest) - {""}) - 3
