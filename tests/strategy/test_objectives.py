"""What is put first: complements of the anchor, upgrades by what they bring."""

import numpy as np
import pytest
import tensorflow as tf

from tfrec.schema.inputs import OBJECTIVES
from tfrec.strategy.candidate_slate import CandidateSlate, put_first, top
from tfrec.strategy.config import UpsellConfig
from tfrec.strategy.upsell import by_objective

GONE = -np.inf


def slate_of(scores, probabilities=None):
    scores = np.array(scores, np.float32)
    items = np.where(scores > GONE, np.arange(1, scores.shape[1] + 1), 0)
    probabilities = np.zeros_like(scores) if probabilities is None else np.array(probabilities, np.float32)
    return CandidateSlate(
        item=tf.constant(items, tf.int32), score=tf.constant(scores), probability=tf.constant(probabilities)
    )


@pytest.mark.parametrize(
    ("scores", "strength", "expected"),
    [
        ([5, 1, 3, 2], [0, 0.1, 0, 0.9], [4, 2, 1, 3]),  # each part by its scores
        ([5, 9, 3, 2], [0, 0.1, 0, 0], [2, 1, 3, 4]),
        ([5, GONE, 3, 2], [0, 0.5, 0, 0.1], [4, 1, 3]),  # what is not offered stays so
        ([5, 1, 3, 2], [0, 0, 0, 0], [1, 3, 4, 2]),
        ([GONE, GONE, GONE, GONE], [1, 1, 0, 0], []),
    ],
)
def test_complements_come_first_and_nothing_is_lost(scores, strength, expected):
    ordered = put_first(slate_of([scores]), is_first=tf.constant([strength]) > 0)
    best = top(ordered, k=tf.constant([4]))
    assert [item for item in best.item.numpy()[0].tolist() if item] == expected
    is_complement = np.array(strength) > 0
    kept = ordered.score.numpy()[0]
    assert kept[is_complement].tolist() == np.array(scores, np.float32)[is_complement].tolist()


def test_rows_without_complements_keep_their_scores_in_a_batch():
    scores = [[5, 1, 3], [5, 1, 3]]
    ordered = put_first(slate_of(scores), is_first=tf.constant([[0.0, 0.5, 0.0], [0.0, 0.0, 0.0]]) > 0)
    assert ordered.score.numpy()[1].tolist() == scores[1]


PRICE = tf.constant([0.0, 100, 120, 200])
PROFIT = tf.constant([0.0, 40, 60, 50])


def order(objective, *, config=UpsellConfig(), upgrade_of=1):
    """Item 2 is taken in .2, item 3 in .1 of the cases."""
    slate = slate_of([[GONE, 2.0, 1.0]], [[0.0, 0.2, 0.1]])
    slate = by_objective(
        slate,
        chance=slate.probability,
        upgrade_of=tf.constant([upgrade_of]),
        objective=tf.constant([OBJECTIVES.index(objective) + 1 if objective else 0]),
        price=PRICE,
        profit=PROFIT,
        config=config,
    )
    return slate.score.numpy()[0].round(4).tolist()


def test_each_objective_orders_by_what_it_names():
    assert order("purchase") == [GONE, 2, 1]
    assert order("revenue") == [GONE, 0.2 * 20, 0.1 * 100]
    assert order("margin") == [GONE, 0.2 * 20, 0.1 * 10]
    assert order("") == order("margin") and order("", config=UpsellConfig(objective="revenue")) == order("revenue")


@pytest.mark.parametrize("upgrade_of", [0, -1])
def test_without_an_anchor_scores_stay(upgrade_of):
    assert order("margin", upgrade_of=upgrade_of) == [GONE, 2, 1]
