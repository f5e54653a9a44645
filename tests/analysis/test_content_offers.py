"""Items that suit a user's interests and resemble the user's own."""

import numpy as np
import pandas as pd
import pytest

from tests.analysis.shops import START, shop
from tfrec.analysis.content_offers import content_similarity, items_for, rank_by_content
from tfrec.analysis.interests import InterestConfig, measure_interests

ITEMS = {
    "item_id": ["cam", "cam2", "lens", "pan", "knife", "gone"],
    "title": ["Camera X1", "Camera X2", "Zoom lens", "Pan", "Knife", "Camera X3"],
    "category": ["Photo > Cameras"] * 2 + ["Photo > Lenses", "Kitchen > Pans", "Kitchen > Knives", "Photo > Cameras"],
    "stock": [1, 1, 1, 1, 1, 0],
}
PLAIN = InterestConfig(view_weight=0.1, purchase_weight=0.5, half_life_days=30)


@pytest.fixture
def photo_shop():
    """u looks at the camera, v cooks."""
    rows = [("u", "cam", 29), ("u", "cam", 30), ("v", "pan", 30), ("v", "knife", 30)]
    users, items, days = zip(*rows, strict=True)
    return shop({"user_id": list(users), "item_id": list(items), "days": list(days)}, items=ITEMS)


@pytest.fixture
def interests(photo_shop):
    return measure_interests(photo_shop, config=PLAIN, now=START + pd.Timedelta(days=30))


def test_content_similarity_needs_both():
    assert content_similarity(0.8, 0.8) == pytest.approx(0.4)
    assert content_similarity(1.0, 0.0) == 0
    assert content_similarity(0.0, 0.0) == 0
    assert content_similarity(0.9, 0.3) < content_similarity(0.6, 0.6)


def test_ranking_by_content_finds_what_is_like_the_users_own(interests):
    item_ids = np.array(ITEMS["item_id"][:5])
    features = np.array([[1, 0], [1, 0.05], [0.5, 0.5], [0, 1], [0, 1]])
    categories = dict(zip(ITEMS["item_id"], ITEMS["category"], strict=True))
    slate = rank_by_content(
        interests, ["u", "stranger"], item_ids=item_ids, item_features=features, categories=categories, k=3
    )
    assert slate.item_ids[0, 0] == "cam2"
    assert "cam" not in slate.item_ids[0]
    assert slate.item_ids[1].tolist() == ["", "", ""]


def test_new_items_of_the_users_taste_are_offered(photo_shop, interests):
    offers = items_for(photo_shop, interests, "u")
    assert [offer["name"] for offer in offers] == ["Camera X2"]  # neither the user's own, nor what is sold out
    assert 0 < offers[0]["score"] <= 0.5
    assert items_for(photo_shop, interests, "stranger") == []
