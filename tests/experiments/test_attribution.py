"""Carts and purchases belong to the slates that earned them, in worlds where each is placed by construction."""

import pandas as pd
import pytest

from tests.experiments.collected_worlds import World
from tfrec.cli import main
from tfrec.errors import SourceError
from tfrec.experiments.attribution import attribute
from tfrec.experiments.collected_log import read_collected

WEEK = pd.Timedelta(days=7)


@pytest.fixture
def world():
    world = World()
    world.show("s1", ["A", "B", "C"], user_id="u1", placement="cart", signature="cross_sell", version="shop/3")
    world.show("s2", ["A", "D"], session_id="x2", placement="start", signature="recommend", version="shop/4", minute=30)
    return world


def revenue(world, tmp_path, *, window=WEEK):
    """Returns (slate, item) → attributed revenue, where there is any."""
    found = attribute(read_collected(world.collect(tmp_path)), window=window)
    earned = found.shown[found.shown["revenue"] > 0]
    return dict(zip(zip(earned["slate_id"], earned["item_id"], strict=True), earned["revenue"], strict=True))


def test_a_purchase_follows_a_click_of_the_same_user_on_the_same_item(world, tmp_path):
    world.click("s1", "A", user_id="u1", hour=13)
    world.buy("A", user_id="u1", quantity=2, hour=15)
    world.buy("B", user_id="u1", hour=15)  # was shown, and not clicked
    world.buy("A", user_id="u7", hour=15)  # someone else
    assert revenue(world, tmp_path) == {("s1", "A"): 20.0}


def test_a_guest_is_known_by_the_session(world, tmp_path):
    world.click("s2", "D", session_id="x2", hour=13)
    world.buy("D", user_id="u9", session_id="x2", hour=14)  # has signed in meanwhile
    assert revenue(world, tmp_path) == {("s2", "D"): 10.0}


def test_an_order_that_names_its_slate_needs_no_click(world, tmp_path):
    world.buy("B", user_id="u1", slate_id="s1", hour=13)
    world.buy("C", user_id="u1", recommendation_id="s1", hour=13)
    world.buy("D", user_id="u1", slate_id="s1", hour=13)  # this slate did not show it
    assert revenue(world, tmp_path) == {("s1", "B"): 10.0, ("s1", "C"): 10.0}


def test_the_latest_click_counts_once(world, tmp_path):
    world.show("s3", ["A"], user_id="u1", placement="start", hour=13)
    world.click("s1", "A", user_id="u1", hour=13, minute=10)
    world.click("s3", "A", user_id="u1", hour=13, minute=20)
    world.click("s3", "A", user_id="u1", hour=16)  # after the order
    world.buy("A", user_id="u1", hour=14)
    assert revenue(world, tmp_path) == {("s3", "A"): 10.0}


def test_the_later_of_a_users_and_a_sessions_click_counts(world, tmp_path):
    world.click("s1", "A", user_id="u1", hour=13)
    world.click("s2", "A", session_id="x2", hour=14)
    world.buy("A", user_id="u1", session_id="x2", hour=15)
    assert revenue(world, tmp_path) == {("s2", "A"): 10.0}


@pytest.mark.parametrize(
    ("day", "hour", "is_attributed"), [(1, 12, False), (8, 12, True), (8, 14, False)], ids=["before", "within", "after"]
)
def test_the_window_begins_with_the_click(world, tmp_path, day, hour, is_attributed):
    world.click("s1", "A", user_id="u1", hour=13)
    world.buy("A", user_id="u1", day=day, hour=hour)
    assert revenue(world, tmp_path) == ({("s1", "A"): 10.0} if is_attributed else {})


def test_returns_are_taken_off(world, tmp_path):
    world.click("s1", "A", user_id="u1", hour=13)
    world.buy("A", user_id="u1", order_id="o1", quantity=2, hour=14)
    world.buy("A", user_id="u1", order_id="o1", quantity=1, hour=14)
    world.add("return", "A", user_id="u1", order_id="o1", quantity=-2, day=3)
    world.add("return", "A", user_id="u1", order_id="o9", quantity=-1, day=3)  # of another order
    assert revenue(world, tmp_path) == {("s1", "A"): 10.0}


def test_clicks_carts_and_oddities_are_counted(world, tmp_path):
    world.click("s1", "A", user_id="u1", hour=13)
    world.click("s1", "A", user_id="u1", hour=14)  # the same item again
    world.add("view", "A", user_id="u1", hour=13)  # a page that no slate led to
    world.click("s9", "A", user_id="u1", hour=13)  # a slate that was not logged
    world.add("cart", "A", user_id="u1", hour=15)
    world.add("purchase", "A", user_id="u1", hour=16)
    found = attribute(read_collected(world.collect(tmp_path)), window=WEEK)
    assert found.shown["clicked"].tolist() == [1, 0, 0, 0, 0]
    assert found.shown["carts"].tolist() == [1, 0, 0, 0, 0]
    assert (found.strays, found.unpriced) == (1, 1)


def test_what_was_logged_and_seen_counts_once(world, tmp_path):
    world.add("impression", "A", slate_id="s1", position=0, user_id="u1", minute=2)
    assert len(read_collected(world.collect(tmp_path)).shown) == 5


def test_nothing_shown_is_an_error(tmp_path):
    world = World()
    world.buy("A", user_id="u1")
    with pytest.raises(SourceError, match="no impression"):
        read_collected(world.collect(tmp_path))
    with pytest.raises(SourceError, match="There is no folder"):
        read_collected(str(tmp_path / "absent"))


def test_a_database_holds_the_same(world, tmp_path, shop_database):
    world.click("s1", "A", user_id="u1", hour=13)
    world.buy("A", user_id="u1", hour=15, order_id="o1")
    world.buy("B", user_id="u1", slate_id="s1", hour=16, order_id="o2")
    folder = read_collected(world.collect(tmp_path))
    place = shop_database.public_url("shop")
    assert main(["collect", str(tmp_path / "log.jsonl"), "--to", place, "--create-tables"]) == 0
    database = read_collected(place)
    for of_folder, of_database in ((folder.shown, database.shown), (folder.events, database.events)):
        key = list(of_folder.columns)
        pd.testing.assert_frame_equal(
            of_folder.sort_values(key, ignore_index=True),
            of_database.sort_values(key, ignore_index=True),
            check_dtype=False,
        )
