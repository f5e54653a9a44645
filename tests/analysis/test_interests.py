import json

import numpy as np
import pandas as pd
import pytest

from tests.analysis.shops import START, shop
from tfrec.analysis.interests import (
    InterestConfig,
    interest_score,
    measure_interests,
)
from tfrec.errors import ConfigError, SchemaError
from tfrec.report.terminal.customers import interests_text
from tfrec.report.words import language
from tfrec.schema.json_values import to_json

ITEMS = {
    "item_id": ["cam", "lens", "pan", "knife"],
    "title": ["Camera <X1>", "", "Pan", "Knife"],
    "category": ["Photo > Cameras", "Photo > Lenses", "Kitchen > Pans", "Kitchen > Knives"],
}
PLAIN = InterestConfig(view_weight=0.1, purchase_weight=0.5, half_life_days=30)
NOW = START + pd.Timedelta(days=30)


def score_of(found, user, item):
    rows = found.items[(found.items["user_id"] == user) & (found.items["item_id"] == item)]
    assert len(rows) == 1
    return rows["score"].iloc[0]


@pytest.fixture
def photo_shop():
    """u: 4 fresh views and a fresh purchase of the camera, rated 5; views of a pan a half-life ago. v: cooks."""
    events = [("u", "cam", "view", 30, np.nan)] * 4
    events += [("u", "cam", "purchase", 30, np.nan), ("u", "cam", "rating", 30, 5.0), ("u", "pan", "view", 0, np.nan)]
    events += [("v", "pan", "purchase", 30, np.nan)] * 2 + [("v", "knife", "purchase", 30, np.nan)]
    events += [("", "cam", "view", 30, np.nan), ("u", "lens", "impression", 30, np.nan)]
    columns = ["user_id", "item_id", "event_type", "days", "rating"]
    return shop(pd.DataFrame(events, columns=columns).to_dict("list"), ITEMS)


def test_worked_example_of_the_documents_done_right():
    assert interest_score(0.8, 0.7, 0.9) == pytest.approx(0.80)


def test_score_counts_views_purchases_and_ratings_by_their_weights(photo_shop):
    found = measure_interests(photo_shop, config=PLAIN, now=NOW)
    assert score_of(found, "u", "cam") == pytest.approx(0.4 * (4 * 0.1) + 0.3 * 0.5 + 0.3 * 1.0)
    assert score_of(found, "v", "pan") == pytest.approx(0.3 * 1.0)


def test_interest_halves_in_a_half_life(photo_shop):
    found = measure_interests(photo_shop, config=PLAIN, now=NOW)
    assert score_of(found, "u", "pan") == pytest.approx(0.4 * 0.1 / 2)
    later = measure_interests(photo_shop, config=PLAIN, now=NOW + pd.Timedelta(days=30))
    assert score_of(later, "v", "knife") == pytest.approx(score_of(found, "v", "knife") / 2)


def test_category_adds_up_its_items_at_each_level(photo_shop):
    categories = measure_interests(photo_shop, config=PLAIN, now=NOW).categories
    kitchen = categories[(categories["user_id"] == "v") & (categories["category"] == "Kitchen")].iloc[0]
    assert kitchen["level"] == 0
    assert kitchen["num_events"] == 3
    assert kitchen["purchases"] == 3.0
    deeper = set(categories[(categories["user_id"] == "v") & (categories["level"] == 1)]["category"])
    assert deeper == {"Kitchen > Pans", "Kitchen > Knives"}


def test_impressions_and_guests_say_nothing(photo_shop):
    items = measure_interests(photo_shop, now=NOW).items
    assert "lens" not in set(items["item_id"])
    assert set(items["user_id"]) == {"u", "v"}


def test_levels_follow_the_bounds(photo_shop):
    found = measure_interests(photo_shop, config=PLAIN, now=NOW)
    level = found.items.set_index(["user_id", "item_id"])["interest"]
    assert level["u", "cam"] == "core"
    assert level["v", "pan"] == "regular"
    assert level["v", "knife"] == "occasional"
    assert level["u", "pan"] == "curious"


def test_shop_without_views_and_ratings_gives_their_weight_to_purchases():
    tables = shop({"user_id": ["u"] * 3 + ["v"], "item_id": ["a", "a", "a", "a"], "days": [0] * 4})
    found = measure_interests(tables, config=InterestConfig(purchase_weight=1 / 3))
    assert found.weights == (0.0, 1.0, 0.0)
    assert score_of(found, "u", "a") == pytest.approx(1.0)
    assert score_of(found, "v", "a") == pytest.approx(1 / 3)


def test_eager_users_reach_one_without_given_worth():
    tables = shop({"user_id": [f"u{n}" for n in range(100) for _ in range(1 + n // 10)], "item_id": "a", "days": 0})
    scores = measure_interests(tables).items.set_index("user_id")["score"]
    assert scores["u99"] == 1.0
    assert scores["u0"] == pytest.approx(0.1, abs=0.02)


def test_nothing_after_now_is_known(photo_shop):
    found = measure_interests(photo_shop, now=START + pd.Timedelta(days=1))
    assert set(found.items["item_id"]) == {"pan"}


def test_interest_is_looked_up_by_last_name_path_or_item(photo_shop):
    found = measure_interests(photo_shop, config=PLAIN, now=NOW)
    assert found.of("Cameras").to_dict() == found.of("Photo > Cameras").to_dict() == found.of("cam").to_dict()
    with pytest.raises(ConfigError, match="Did you mean 'Kitchen'"):
        found.of("Kitchn")


def test_interests_of_a_user_are_json(photo_shop):
    profile = measure_interests(photo_shop, config=PLAIN, now=NOW).profile("u")
    assert json.loads(json.dumps(profile))["items"][0]["name"] == "Camera <X1>"
    assert [level[0]["name"] for level in profile["levels"]] == ["Photo", "Photo > Cameras"]


def test_result_is_summarised_in_words_and_json(photo_shop):
    found = measure_interests(photo_shop, config=PLAIN, now=NOW)
    assert json.dumps(to_json(found), allow_nan=False)
    text = interests_text(found, language("en"))
    assert "2 users" in text and "Photo: 1 core" in text


@pytest.mark.parametrize(
    "settings",
    [{"weights": (1.0, 1.0, 0.0)}, {"half_life_days": 0.0}, {"bounds": (0.1, 0.3, 0.6)}],
    ids=["weights", "half-life", "bounds"],
)
def test_setting_out_of_range_is_an_error(settings):
    with pytest.raises(ConfigError, match=f"`{next(iter(settings))}`"):
        InterestConfig(**settings)


def test_no_interaction_is_an_error():
    with pytest.raises(SchemaError, match="known users"):
        measure_interests(shop({"user_id": [""], "item_id": ["a"], "days": [0]}))
