"""A store that is filled from a prepared shop answers for its users as the servable that stores them."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from tfrec.client.history import UserPast
from tfrec.client.history.reading import history_inputs
from tfrec.ingest.prepared import read_prepared
from tfrec.jobs.user_histories import fill_history
from tfrec.release.user_pasts import user_pasts
from tfrec.serving.servable import Servable


class Kept:
    """A store in memory."""

    def __init__(self):
        self.pasts, self.until = {}, set()

    def replace(self, pasts, *, until):
        self.pasts.update(pasts)
        self.until.add(until)


def test_every_user_of_the_shop_is_filled_in(tiny_prepared):
    shop, store = read_prepared(tiny_prepared), Kept()
    users, events = fill_history(tiny_prepared, store, most=20)
    log = pd.concat([shop.train.events, shop.test.events])
    is_behaviour = log["event_type"].isin(["view", "cart", "purchase", "rating"])
    log = log[is_behaviour & (log["user_id"] != "") & (log["item_id"] != "")]
    counts = log.groupby("user_id").size()
    assert {user: len(past.events) for user, past in store.pasts.items() if past.events} == {
        user: min(int(count), 20) for user, count in counts.items()
    }
    assert (users, events) == (len(store.pasts), int(np.minimum(counts, 20).sum()))
    latest = log["timestamp"].max().tz_localize("UTC").to_pydatetime()
    assert store.until == {latest + dt.timedelta(microseconds=1)}
    user = counts.idxmax()
    assert [event.item_id for event in store.pasts[user].events] == log[log["user_id"] == user]["item_id"].tolist()[
        -20:
    ]


@pytest.mark.slow
def test_filled_users_are_answered_as_stored_ones_by_the_exported_version(tiny_trained):
    shop = tiny_trained.shop.prepared
    pasts = dict(user_pasts(shop.train.events, shop.train.users, most=1000))
    users = sorted(pasts)
    sent = history_inputs([pasts[user] for user in users], now=shop.test_from.tz_localize("UTC").to_pydatetime())
    k = np.full(len(users), 20, np.int32)
    with Servable.load(tiny_trained.models / "shop" / "1") as servable:
        stored = servable.call("recommend", {"user_id": np.array(users, object), "k": k})
        brought = servable.call("recommend", {"k": k, **sent})
        guests = servable.call("recommend", {"k": k[:1]})
    assert brought["item_ids"].tolist() == stored["item_ids"].tolist()
    np.testing.assert_allclose(brought["scores"], stored["scores"], atol=1e-5)
    assert (stored["item_ids"] != guests["item_ids"]).any(axis=1).mean() > 0.9


def test_a_user_of_whom_only_the_segment_is_known_is_yielded_last():
    events = pd.DataFrame(
        {name: [] for name in ("user_id", "item_id", "event_type", "order_id", "session_id")}, dtype=str
    )
    events["timestamp"] = pd.to_datetime([])
    users = pd.DataFrame({"user_id": ["a", "b"], "segment": ["north", None]})
    assert list(user_pasts(events, users, most=5)) == [("a", UserPast((), "north"))]
