import numpy as np
import pytest

from tfrec.client.offers import OfferedItem, Offers, Origin


def offers_of(prices):
    num = len(prices)
    numbers, texts = np.zeros(num, np.float32), np.full(num, "", dtype=object)
    return Offers(
        item_ids=np.array([f"i{n}" for n in range(num)], dtype=object), scores=numbers, probabilities=numbers,
        prices=np.array(prices, np.float32), reasons=texts, reason_item_ids=texts,
        reason_counts=np.zeros(num, np.int32), sources=texts, propensities=np.full(num, np.nan),
        origins=(Origin("r1", "shop", 1),),
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
