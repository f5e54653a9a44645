"""What a client sends of a store, and that no store makes it wait or fail."""

import datetime as dt
import threading

import numpy as np
import pytest

from tfrec.client.client import _looked_up
from tfrec.client.history import HistoryEvent, HistoryReader, UserPast
from tfrec.client.history.reading import history_inputs
from tfrec.client.queries import build_inputs
from tfrec.schema.signatures import SIGNATURES

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


class Kept:
    """A store in memory; counts what it is asked."""

    def __init__(self, **pasts):
        self.pasts, self.asked = pasts, []

    def read(self, user_ids):
        self.asked.append(list(user_ids))
        return [self.pasts.get(user_id, UserPast()) for user_id in user_ids]


def ago(item, hours, **fields):
    return HistoryEvent(item, dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours), **fields)


def added(reader, inputs, deadline):
    """The mark of the answer, once the reader's steps are run as by the client."""
    steps, reply = reader.add_to(inputs, deadline=deadline), None
    try:
        while True:
            reply = _looked_up(steps.send(reply))
    except StopIteration as end:
        return end.value


def inputs_of(signature="recommend", **arguments):
    return build_inputs(SIGNATURES[signature], arguments)[0]


def test_rows_are_padded_in_front_and_behind():
    moment = NOW - dt.timedelta(hours=3)
    one = UserPast((HistoryEvent("a", moment, order="o1"), HistoryEvent("b", moment, "view")), "north")
    sent = history_inputs([one, UserPast()], now=NOW)
    assert sent["history_item_ids"].tolist() == [["", "a", "b"], ["", "", ""]]
    assert sent["history_event_types"].tolist() == [["", "purchase", "view"], ["", "", ""]]
    assert sent["history_orders"].tolist() == [["", "o1", ""], ["", "", ""]]
    assert sent["history_order_ages"].tolist() == [[0.0, 3.0, 3.0], [0.0, 0.0, 0.0]]
    assert sent["user_segment"].tolist() == ["north", ""]


def test_each_user_of_a_batch_is_asked_once():
    store = Kept(u1=UserPast((ago("a", 5),)), u2=UserPast((ago("b", 5),)))
    inputs = inputs_of(user_id=["u2", "", "u1", "u2"])
    assert added(HistoryReader(store), inputs, 5.0) == "sent"
    assert store.asked == [["u1", "u2"]]
    assert inputs["history_item_ids"].tolist() == [["", "b"], ["", ""], ["", "a"], ["", "b"]]
    assert set(inputs) == {spec.name for spec in SIGNATURES["recommend"].inputs}


@pytest.mark.parametrize(
    "arguments", [{}, {"user_id": ""}, {"user_id": "u1", "history_item_ids": ["x"]}], ids=["guest", "empty", "own"]
)
def test_nothing_is_asked_of_guests_and_of_requests_with_a_history(arguments):
    store, inputs = Kept(), inputs_of(**arguments)
    before = {name: value.tolist() for name, value in inputs.items()}
    assert added(HistoryReader(store), inputs, 5.0) == ""
    assert not store.asked
    assert {name: value.tolist() for name, value in inputs.items()} == before


def test_the_visit_of_the_request_is_not_sent_twice():
    """The shop appends views at once, and sends the visit along."""
    store = Kept(u1=UserPast((ago("a", 30), ago("b", 0.2, event_type="view"), ago("c", 0.1, event_type="view"))))
    inputs = inputs_of(user_id="u1", recent_item_ids=["b", "c"], recent_ages=[0.2001, 0.1001])
    added(HistoryReader(store), inputs, 5.0)
    assert inputs["history_item_ids"].tolist() == [["", "a"]]


class Fails:
    def read(self, user_ids):
        raise OSError("the cable is out")


class Stuck:
    """Answers when it is let go."""

    def __init__(self):
        self.released = threading.Event()

    def read(self, user_ids):
        self.released.wait(60)
        return [UserPast((ago("late", 1),))] * len(user_ids)


@pytest.mark.parametrize("store", [Fails(), Stuck(), Kept(u1=None)], ids=["fails", "too slow", "nonsense"])
def test_without_an_answer_of_the_store_the_request_is_as_it_was_and_marked(store):
    inputs = inputs_of(user_id="u1")
    before = {name: value.tolist() for name, value in inputs.items()}
    assert added(HistoryReader(store, share=0.25), inputs, 0.2) == "missing"
    assert {name: value.tolist() for name, value in inputs.items()} == before
    if isinstance(store, Stuck):
        store.released.set()


def test_a_store_that_hangs_is_asked_no_more_until_it_answers():
    store = Stuck()
    reader = HistoryReader(store)
    inputs = inputs_of(user_id="u1")
    for _ in range(64):
        assert added(reader, inputs, 0.001) == "missing"
    assert added(reader, inputs, 1e6) == "missing"  # at once
    store.released.set()
    reader.close()


def test_texts_of_the_inputs_are_objects():
    assert history_inputs([UserPast()], now=NOW)["user_segment"].dtype == np.dtype(object)
