"""A version that does not store all users is evaluated with their events, as a history store sends them."""

import json

import numpy as np

from tests.worlds import bought, make_shop, viewed
from tfrec.release.user_pasts import with_unstored_pasts


class Servable:
    """Remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def call(self, signature, inputs):
        self.asked.append((signature, inputs))
        return {}


def version(folder, users):
    about = folder / "assets.extra" / "tfrec.json"
    about.parent.mkdir()
    about.write_text(json.dumps({"config": {} if users is None else {"users": users}}))
    return folder


def shop():
    rows = [*bought("ann", 0, "a", "b", order="o1"), *viewed("ann", 2, "c", session="s1"), *bought("bob", 4, "a")]
    return make_shop(rows, {name: {} for name in "abc"}, test_from_day=10, segments={"ann": "north"}).prepared


def test_a_version_that_stores_all_users_is_asked_as_it_is(tmp_path):
    servable = Servable()
    assert with_unstored_pasts(servable, version(tmp_path, "all"), shop()) is servable


def test_an_older_version_is_asked_as_it_is(tmp_path):
    servable = Servable()
    assert with_unstored_pasts(servable, version(tmp_path, None), shop()) is servable


def test_events_go_with_the_queries_of_other_versions(tmp_path):
    servable = Servable()
    asked = with_unstored_pasts(servable, version(tmp_path, "none"), shop())
    asked.call("recommend", {"user_id": np.array(["ann", "stranger"], object), "k": np.array([3, 3], np.int32)})
    ((signature, inputs),) = servable.asked
    assert signature == "recommend" and inputs["k"].tolist() == [3, 3]
    assert inputs["history_item_ids"].tolist() == [["", "a", "b", "c"], ["", "", "", ""]]
    assert inputs["history_event_types"].tolist()[0] == ["", "purchase", "purchase", "view"]
    assert inputs["history_orders"].tolist()[0] == ["", "o1", "o1", "session s1"]
    np.testing.assert_allclose(inputs["history_order_ages"][0, [1, 3]], [240.0, 192.0], atol=0.1)
    assert inputs["user_segment"].tolist() == ["north", ""]


def test_queries_without_users_bring_nothing(tmp_path):
    servable = Servable()
    with_unstored_pasts(servable, version(tmp_path, "none"), shop()).call("recommend", {"k": np.array([3], np.int32)})
    assert set(servable.asked[0][1]) == {"k"}
