"""Settings of the strategies against what was bought, in worlds where it is known which must win."""

import numpy as np
import pandas as pd
import pytest

from tests.worlds import START, bought, make_shop, viewed
from tfrec.errors import ConfigError
from tfrec.jobs.logged_choices import logged_choices
from tfrec.jobs.strategy_settings import read_grid, settings_of
from tfrec.jobs.strategy_study import study_signature
from tfrec.jobs.strategy_tuning import check_objective, choose_setting, write_tuned
from tfrec.jobs.validation_replay import ValidationReplay
from tfrec.schema.tables import IMPRESSION_COLUMNS
from tfrec.strategy.config import StrategyConfig, UpsellConfig
from tfrec.training.settings_file import read_config

pytestmark = pytest.mark.slow

NOTHING_SHOWN = pd.DataFrame(columns=list(IMPRESSION_COLUMNS))
BY_PURCHASE = StrategyConfig(upsell=UpsellConfig(objective="purchase"))
ITEMS = {
    "plain": {"category": "Phones", "price": 10.0, "margin": 0.5},
    "small step": {"category": "Phones", "price": 12.0, "margin": 0.1},
    "big step": {"category": "Phones", "price": 20.0, "margin": 0.9},
    **{f"mug {number}": {"category": "Mugs", "title": "white mug", "price": 5.0} for number in range(3)},
    "lamp": {"category": "Lamps", "title": "desk lamp", "price": 30.0},
    "ball": {"category": "Balls", "title": "round ball", "price": 9.0},
    "plate": {"category": "Plates", "title": "plate", "price": 4.0},
}


def visits(page, *chosen, number):
    """`number` visits of as many users that view a page and then buy one of the chosen items, in turn."""
    rows = []
    for visit in range(number):
        user, session = f"{page} {visit}", f"{page} visit {visit}"
        day = 50.1 + visit / 10
        rows += viewed(user, day, page, session=session)
        item = chosen[visit % len(chosen)]
        line = bought(user, day + 0.01, item, order=f"{page} order {visit}")
        rows += [{**one, "session_id": session} for one in line]
    return rows


def orders(**numbers):
    names = {name: name.replace("_", " ") for name in numbers}
    return [
        row
        for name, number in numbers.items()
        for order in range(number)
        for row in bought("", order / 2, names[name], order=f"{name} {order}")
    ]


@pytest.fixture(scope="module")
def replay():
    """What a served order by popularity knows before day 50, and the visits of afterwards.

    Who sees the plain phone buys the small step or the big one, which earns more and was bought less; who sees the
    plate buys a mug, and mugs alone were bought most.
    """
    from tfrec.jobs.fallback import fit_baseline
    from tfrec.training.export import build_served_baseline

    past = orders(mug_0=60, mug_1=50, mug_2=40, small_step=30, big_step=18, lamp=6, ball=5)
    past += viewed("", 0, "plain", "plate", session="first")
    later = [*visits("plain", "small step", "big step", number=40), *visits("plate", "mug 1", "mug 2", number=40)]
    shop = make_shop([*past, *later], ITEMS, test_from_day=50)
    served = build_served_baseline(shop, fit_baseline(shop, "popularity"), BY_PURCHASE)
    return ValidationReplay(shop.prepared.train, shop.prepared.test, served, BY_PURCHASE)


def study(replay, signature, grid, *, k, shown=NOTHING_SHOWN):
    settings = settings_of(signature, read_grid(grid), replay.strategy)
    return study_signature(replay, signature, settings, shown, max_queries=1000, k=k)


def test_the_margin_wins_where_the_dear_step_is_taken_as_often(replay, tmp_path):
    found = study(replay, "upsell", "objective=purchase,margin", k=1)
    present, margin = found.tried
    assert (found.unit, found.num_requests, found.num_units) == ("session", 40, 40)
    assert present.estimates["acceptance"].value == margin.estimates["acceptance"].value == 0.5
    assert present.estimates["margin"].value == pytest.approx(0.5 * (1.2 - 5))
    assert margin.estimates["margin"].value == pytest.approx(0.5 * (18 - 5))
    assert margin.gains["margin"].is_positive

    choice = choose_setting(found, maximise="margin", at_least={"acceptance": 0.95})
    assert choice.setting == {"objective": "margin"} and "beyond chance" in choice.why
    write_tuned(tmp_path / "tuned.toml", [choice], inputs=[], force=False)
    assert read_config(tmp_path / "tuned.toml").strategy.upsell == UpsellConfig(objective="margin")
    assert "# upsell: objective margin" in (tmp_path / "tuned.toml").read_text()


def test_a_gain_within_chance_keeps_what_is_in_service(replay, tmp_path):
    found = study(replay, "upsell", "objective=purchase,margin", k=1)
    choice = choose_setting(found, maximise="acceptance", at_least={})  # each step is bought by half of them
    assert choice.setting == {} and "within chance" in choice.why
    write_tuned(tmp_path / "tuned.toml", [choice], inputs=[], force=False)
    assert read_config(tmp_path / "tuned.toml") == read_config()


def test_variety_loses_acceptance_where_alike_items_are_bought(replay):
    found = study(replay, "recommend", "diversity=0.1,1", k=3)
    present, little, much = found.tried
    assert present.estimates["acceptance"].value == 0.5  # all pages of plates
    assert much.gains["acceptance"].is_negative and much.gains["distance"].is_positive
    assert much.estimates["categories"].value > present.estimates["categories"].value == 1
    assert little.estimates["acceptance"].value == 0.5  # a mug of half the sales is still above a lamp
    choice = choose_setting(found, maximise="margin", at_least={"acceptance": 1, "categories": 1.5})
    assert choice.setting == {} and "None of 2 settings keeps 100% of acceptance" in choice.why


def test_whole_visits_are_sampled(replay):
    settings = settings_of("recommend", read_grid("diversity=1"), replay.strategy)
    found = study_signature(replay, "recommend", settings, NOTHING_SHOWN, max_queries=10, k=3)
    assert found.num_requests == 10 == found.num_units


def test_a_period_without_requests_has_no_figures(replay):
    found = study(replay, "complete_cart", "diversity=1", k=3)
    assert found.tried == () and choose_setting(found, maximise="margin", at_least={}).setting == {}


def test_logged_slates_say_what_the_first_place_would_have_earned(replay):
    """Each of two items is shown in half of the slates; mug 0, which the models put first, is clicked in 3 of 4."""
    number = 400
    is_mug, quarter = np.arange(number) % 2 == 0, np.arange(number) // 2 % 4
    clicked = np.where(is_mug, quarter < 3, quarter == 3).astype(float)
    shown = pd.DataFrame(
        {
            "user_id": "",
            "item_id": np.where(is_mug, "mug 0", "lamp"),
            "timestamp": START + pd.to_timedelta(50.2 + np.arange(number) / 1000, unit="D"),
            "slate_id": [f"slate{one}" for one in range(number)],
            "position": 1,
            "propensity": 0.5,
            "place_propensity": 0.5,
            "clicked": clicked,
            "signature": "recommend",
        }
    )
    present = study(replay, "recommend", "diversity=1", k=3, shown=shown).tried[0]
    assert present.clicks.value.value == pytest.approx(0.75)
    assert present.clicks.logged.value == pytest.approx(0.5)
    assert present.clicks.gain.is_positive and present.clicks.is_trustworthy
    early = shown.assign(timestamp=START)
    assert study(replay, "recommend", "diversity=1", k=3, shown=early).tried[0].clicks is None


def test_a_logged_slate_is_asked_about_with_what_its_user_did_just_before(replay):
    moment = START + pd.Timedelta(days=50.1) + pd.Timedelta(minutes=5)  # the first visit's view was then
    shown = pd.DataFrame(
        {
            "user_id": ["plate 0", "plate 0", ""],
            "item_id": "lamp",
            "timestamp": [moment, moment + pd.Timedelta(hours=3), moment],
            "slate_id": ["a", "b", "c"],
            "position": 1,
            "propensity": 0.5,
            "clicked": 0.0,
            "signature": "cross_sell",
        }
    )
    queries = logged_choices(shown, replay.later, "cross_sell", most=10).queries.set_index("query_id")
    assert queries["recent_item_ids"].tolist() == [["plate"], [], []]
    assert queries["item_id"].tolist() == ["plate", "", ""]
    upsell = logged_choices(shown.assign(signature="upsell"), replay.later, "upsell", most=10)
    assert upsell.queries["query_id"].tolist() == ["a"]
    assert logged_choices(shown, replay.later, "recommend", most=10) is None


@pytest.mark.parametrize(
    ("maximise", "at_least"),
    [("profit", {}), ("margin", {"acceptence": 0.9}), ("margin", {"acceptance": -1})],
)
def test_an_objective_that_is_none_is_refused(maximise, at_least):
    with pytest.raises(ConfigError):
        check_objective(maximise, at_least)
