import dataclasses
import sys

import numpy as np
import pytest

from tfrec.client.offers import OfferedItem, Offers, Origin
from tfrec.errors import EnvironmentSetupError


def offers_of(prices):
    num = len(prices)
    numbers, texts = np.zeros(num, np.float32), np.full(num, "", dtype=object)
    return Offers(
        item_ids=np.array([f"i{n}" for n in range(num)], dtype=object), scores=numbers, probabilities=numbers,
        prices=np.array(prices, np.float32), reasons=texts, reason_item_ids=texts,
        reason_counts=np.zeros(num, np.int32), sources=texts, total_prices=numbers, widgets=texts,
        places=np.zeros(num, np.int32),
        threshold_sets=np.zeros(num, np.int32),
        objectives=np.full(num, "", object),
        propensities=np.full(num, np.nan), origins=(Origin("r1", "shop", 1),),
    )  # fmt: skip


def test_prices_are_the_decimals_of_the_catalogue():
    assert [item.price for item in offers_of([49.99, 1299.95, 0.1])] == [49.99, 1299.95, 0.1]


@pytest.mark.parametrize(
    ("count", "sentence"),
    [(1, "you bought it once"), (2, "you bought it twice"), (12, "you bought it 12 times")],
    ids=["once", "twice", "often"],
)
def test_reason_speaks_to_the_shopper(count, sentence):
    item = OfferedItem("i", 1.0, 0.5, 2.0, "bought_by_you", "", count, "own")
    assert item.reason_sentence() == sentence


def test_a_table_has_a_row_an_item_with_its_origin():
    table = offers_of([1.5, 2.25]).to_pandas()
    assert table["query"].tolist() == [0, 0]
    assert table["position"].tolist() == [0, 1]
    assert table["item_ids"].tolist() == ["i0", "i1"]
    assert table["prices"].tolist() == [1.5, 2.25]
    assert table["recommendation_id"].tolist() == ["r1", "r1"]
    assert table["servable"].tolist() == ["shop", "shop"]


def test_without_pandas_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(EnvironmentSetupError, match="analysis"):
        offers_of([1.0]).to_pandas()


def test_a_drawn_slate_keeps_its_order_as_a_slate():
    drawn = dataclasses.replace(offers_of([1.0, 2.0, 3.0]), scores=np.array([1.0, 5.0, 0.5], np.float32))
    slate = drawn.to_slate()
    assert slate.item_ids.tolist() == [["i0", "i1", "i2"]]
    assert slate.scores.tolist() == [[1.0, 1.0, 0.5]]
