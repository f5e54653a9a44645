"""The cause of an empty slate, from a server that is made up."""

import numpy as np
import pytest

from tfrec.cli.ask import OPTION_NAMES
from tfrec.client.no_offers import why_no_offers
from tfrec.errors import ServingError


class Server:
    """A shop with one item, A, which costs 5; B is known and never offered."""

    def __init__(self, *, has_ranking=True):
        self.has_ranking = has_ranking

    def recommend(self, *, max_price=10.0, include_categories=("All",), exclude_item_ids=(), **_):
        is_offered = max_price >= 5 and "All" in include_categories and "A" not in exclude_item_ids
        return ["A"] if is_offered else []

    def ask(self, signature, inputs):
        if signature != "rank":
            offered = self.recommend(**inputs) if signature == "recommend" else []
            return {"item_ids": np.array([[*offered, ""]], dtype=object)}
        if not self.has_ranking:
            raise ServingError("ranking is not served")
        ids = inputs["candidate_item_ids"]
        scores = [0.5 if item in ("A", "B") else -np.inf for item in ids]
        return {"item_ids": np.array([ids], dtype=object), "scores": np.array([scores])}


@pytest.mark.parametrize(
    ("signature", "arguments", "cause"),
    [
        pytest.param("recommend", {"k": 0}, "--k is 0", id="none asked for"),
        pytest.param("recommend", {"max_price": 1.0}, "--max-price leaves nothing", id="one limit"),
        pytest.param(
            "recommend",
            {"max_price": 1.0, "include_categories": ["X"]},
            "--categories, --max-price together",
            id="both",
        ),
        pytest.param("upsell", {}, "--item ID", id="no item named"),
        pytest.param("cross_sell", {}, "--cart ID,ID or --item ID", id="no cart named"),
        pytest.param("upsell", {"item_id": "Z"}, "do not know the item Z", id="unknown item"),
        pytest.param("cross_sell", {"cart_item_ids": ["B", "Y", "Z"]}, "the items Y, Z", id="unknown cart"),
        pytest.param("upsell", {"item_id": "B"}, "No item of the category of B is dearer", id="nothing dearer"),
    ],
)
def test_cause_is_named(signature, arguments, cause):
    assert cause in why_no_offers(Server(), signature, arguments, OPTION_NAMES)


def test_without_a_ranking_model_no_item_is_called_unknown():
    assert "do not know" not in why_no_offers(Server(has_ranking=False), "upsell", {"item_id": "Z"}, {})


def test_limits_have_their_own_names_where_there_are_no_options():
    assert "`max_price` leaves nothing" in why_no_offers(Server(), "recommend", {"max_price": 1.0}, {})
