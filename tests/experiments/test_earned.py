"""What slates earned, in worlds whose clicks, orders and effects are known."""

import json

import pandas as pd
import pytest

from tests.experiments.collected_worlds import World, experiment_world
from tfrec.cli import main
from tfrec.errors import ConfigError, SchemaError
from tfrec.experiments.assignment import assign
from tfrec.experiments.collected_log import read_collected
from tfrec.experiments.earned import measure_earned
from tfrec.report.terminal.earned import earned_text
from tfrec.report.words import language


def places_world():
    """200 users at two places: of the cart's slates a half is clicked and a quarter bought for 10, of the start
    page's a tenth is clicked and nothing bought."""
    world = World()
    for number in range(200):
        user = f"u{number}"
        world.show(f"c{number}", ["A", "B"], user_id=user, placement="cart", signature="cross_sell", version="shop/3")
        world.show(f"p{number}", ["C", "D"], user_id=user, placement="start", signature="recommend", version="shop/3")
        if number % 2 == 0:
            world.click(f"c{number}", "A", user_id=user, minute=1)
        if number % 4 == 0:
            world.buy("A", user_id=user, order_id=f"o{number}", minute=9)
        if number % 10 == 0:
            world.click(f"p{number}", "C", user_id=user, minute=2)
    return world


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return places_world().collect(tmp_path_factory.mktemp("places"))


def test_places_get_what_they_earned(places):
    earned = measure_earned(read_collected(places))
    cart, start = earned.places
    assert (cart.placement, cart.signature, cart.version) == ("cart", "cross_sell", "shop/3")
    assert (cart.people, cart.slates, cart.shown, cart.clicks, cart.orders) == (200, 200, 400, 100, 50)
    assert (cart.revenue, cart.revenue_per_thousand.value) == (500.0, pytest.approx(1250.0))
    assert cart.click_rate.value == pytest.approx(0.25)
    # 200 people of whom a half clicks one of two: the standard error is √(½ · ½ / 200) / 2 = .0177.
    assert cart.click_rate.low == pytest.approx(0.25 - 1.96 * 0.0177, abs=0.006)
    assert cart.click_rate.high == pytest.approx(0.25 + 1.96 * 0.0177, abs=0.006)
    assert (start.clicks, start.orders, start.revenue, start.is_few) == (20, 0, 0.0, True)
    assert not cart.is_few
    assert (earned.total.clicks, earned.total.revenue, earned.currency) == (120, 500.0, "EUR")


def test_people_and_not_items_make_the_interval(tmp_path):
    world = World()
    for number in range(40):  # who clicks, clicks all ten
        world.show(f"s{number}", list("ABCDEFGHIJ"), user_id=f"u{number}")
        for item in "ABCDEFGHIJ" if number % 2 else "":
            world.click(f"s{number}", item, user_id=f"u{number}", minute=1)
    rate = measure_earned(read_collected(world.collect(tmp_path))).total.click_rate
    # 40 people, half of them: √(¼ / 40) = .079; 400 independent items would have .025.
    assert (rate.high - rate.low) / 2 == pytest.approx(1.96 * 0.079, rel=0.15)


def test_the_hold_out_finds_what_was_added_where_attribution_does_not(tmp_path):
    world = experiment_world(num_users=4_000, effect=0.1, seed=3)
    earned = measure_earned(read_collected(world.collect(tmp_path)), control="control")
    (arm,) = earned.hold_out.arms
    true = 2_000 * 0.1 * 10
    assert arm.users == 2_000
    assert arm.incremental.low < true < arm.incremental.high
    assert arm.incremental.low > 0
    assert arm.attributed == pytest.approx(2_000 * 0.3 * 10, rel=0.1)  # three times what was added
    text = earned_text(earned, language("en"))
    assert "new added +" in text and "attribution is no effect" in text


def test_attributed_revenue_without_effect_is_said_to_be_none(tmp_path):
    world = experiment_world(num_users=2_000, effect=0.0, seed=4)
    earned = measure_earned(read_collected(world.collect(tmp_path)), control="control")
    (arm,) = earned.hold_out.arms
    assert arm.incremental.low < 0 < arm.incremental.high
    assert arm.attributed > 1_500
    assert "no effect beyond chance" in earned_text(earned, language("en"))


def test_a_hold_out_that_is_shown_nothing_comes_from_the_file_of_arms(tmp_path):
    world = World()
    users = [f"u{number}" for number in range(4_000)]
    arms = pd.DataFrame(
        {"user_id": users, "arm": assign(pd.Series(users), salt="t", shares={"control": 0.5, "new": 0.5})}
    )
    for number, (user, arm) in enumerate(arms.itertuples(index=False)):
        if arm == "new":
            world.show(f"s{number}", ["A"], user_id=user)
        if number % 10 < (3 if arm == "new" else 2):
            world.buy("B", user_id=user, order_id=f"o{number}")  # another item than the one shown
    log = read_collected(world.collect(tmp_path))
    earned = measure_earned(log, arms=arms, control="control")
    (arm,) = earned.hold_out.arms
    assert arm.attributed == 0
    assert arm.incremental.low < arm.users * 0.1 * 10 < arm.incremental.high
    with pytest.raises(SchemaError, match="fewer than two arms"):
        measure_earned(log, control="control")


def test_a_split_that_is_off_is_not_trusted(tmp_path):
    world = experiment_world(num_users=1_000, effect=0.0, seed=5)
    lost = [event for event in world.events if event.get("arm") != "new" or int(event["user_id"][1:]) % 5]
    world.events = lost
    earned = measure_earned(read_collected(world.collect(tmp_path)), control="control")
    assert "not to be trusted" in earned_text(earned, language("en"))


def test_users_of_several_arms_are_left_out(tmp_path):
    world = experiment_world(num_users=400, effect=0.0, seed=6)
    world.show("again", ["A"], user_id="u0", arm="new")
    earned = measure_earned(read_collected(world.collect(tmp_path)), control="control")
    assert earned.hold_out.in_several == 1
    assert earned.hold_out.read_out.sample_ratio.counts == {"control": 199, "new": 200}


def test_amounts_of_several_currencies_are_not_added(tmp_path):
    world = experiment_world(num_users=40, effect=0.5, seed=7)
    world.add("purchase", "A", user_id="u1", quantity=1, price=1000, currency="JPY")
    with pytest.raises(SchemaError, match="EUR, JPY"):
        measure_earned(read_collected(world.collect(tmp_path)))


def test_the_command_prints_and_writes(places, tmp_path, capsys):
    assert main(["earned", places, "--out", str(tmp_path / "earned.csv")]) == 0
    text = capsys.readouterr().out
    assert "120 clicks, and 50 orders with 500.00 EUR attributed" in text
    assert "Too few for their intervals (below 30 clicks or 100 people): start, recommend, shop/3." in text
    assert "no hold-out was read" in text
    assert pd.read_csv(tmp_path / "earned.csv")["clicks"].tolist() == [100, 20]
    assert main(["earned", places, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["places"][0]["revenue"] == 500
    assert main(["earned", places, "--language", "zh"]) == 0
    assert "归因不等于效果" in capsys.readouterr().out
    assert main(["earned", places, "--from", "2026-11-01"]) == 2
    assert "Nothing was shown" in capsys.readouterr().err


def test_a_window_is_above_zero(places):
    with pytest.raises(ConfigError, match="window_days"):
        measure_earned(read_collected(places), window_days=0)
