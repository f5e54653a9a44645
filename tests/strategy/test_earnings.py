"""Offers beside one another: what each row of a batch earns is its own affair, and what is near stays in front."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tfrec.strategy.asked import ASKED_SPEC, replaced
from tfrec.strategy.candidate_slate import CandidateSlate
from tfrec.strategy.config import StrategyConfig
from tfrec.strategy.earnings import Earnings

LEAF = np.array([0, 1, 1, 2, 1, 2], np.int32)
PRICE = np.array([0, 30, 25, 8, 6, 5], np.float32)
CHANCE = np.array([[0.3, 0.3, 0.2, 0.2, 0.1]], np.float32)
SCORE = np.array([[9.0, 8.0, 5.0, 4.0, 3.0]], np.float32)


@pytest.fixture(scope="module")
def earnings():
    sources = SimpleNamespace(
        categories=tf.constant(LEAF[:, None]), price=tf.constant(PRICE), profit=tf.constant(PRICE), organic=None
    )
    return Earnings(sources, StrategyConfig())


def scores_beside(earnings, ks, gap=0.0):
    """`[B, 5]` scores of the items 1 to 5 where each row wants so many; the cart lacks `gap`."""

    def empty(spec):
        return tf.zeros([len(ks), *(size or 0 for size in spec.shape[1:])], spec.dtype)

    asked = tf.nest.map_structure(empty, ASKED_SPEC, expand_composites=True)
    relation = replaced(asked.relation, gap=tf.fill([len(ks)], gap))
    asked = replaced(asked, k=tf.constant(ks), earns=tf.ones(len(ks), tf.int32), relation=relation)
    item, score, chance = (np.tile(part, (len(ks), 1)) for part in ([[1, 2, 3, 4, 5]], SCORE, CHANCE))
    slate = CandidateSlate(item=tf.constant(item, tf.int32), score=tf.constant(score), probability=tf.constant(chance))
    return earnings.beside(slate, asked, None).score.numpy()


def test_a_row_has_the_same_scores_beside_one_that_wants_more(earnings):
    """Variety and rules choose among more than the best k, so the scores behind these count too."""
    alone, together = scores_beside(earnings, [1]), scores_beside(earnings, [1, 5])
    assert together[0].tolist() == alone[0].tolist()
    assert together[1].tolist() != alone[0].tolist()


def test_what_brings_a_cart_to_its_threshold_stays_in_front_of_what_earns_more(earnings):
    """Both near items are of one category: beside the first, the second is worth less than the third item."""
    usual, near = scores_beside(earnings, [5])[0], scores_beside(earnings, [5], gap=20.0)[0]
    assert usual[1] < usual[2]
    assert near[:2].min() > near[2:].max() and near[0] > near[1]
