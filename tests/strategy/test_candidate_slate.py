import numpy as np
import tensorflow as tf

from tfrec.strategy.candidate_slate import CandidateSlate, followed_by, top

NONE = -float("inf")


def slate_of(items, scores):
    scores = tf.constant(scores, tf.float32)
    return CandidateSlate(item=tf.constant(items), score=scores, probability=tf.exp(scores))


def test_each_row_gets_its_own_k_best_first():
    slate = top(slate_of([[4, 7, 2], [1, 3, 5]], [[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]]), k=tf.constant([2, 1]))
    assert slate.item.numpy().tolist() == [[7, 2], [1, 0]]
    assert slate.score.numpy().tolist() == [[np.float32(0.9), 0.5], [np.float32(0.3), NONE]]
    assert slate.probability.numpy()[1, 1] == 0


def test_equal_scores_go_by_the_smaller_item():
    slate = top(slate_of([[9, 3, 5]], [[1.0, 1.0, 1.0]]), k=tf.constant([3]))
    assert slate.item.numpy().tolist() == [[3, 5, 9]]


def test_what_has_no_score_is_no_item():
    slate = top(slate_of([[9, 3, 0]], [[1.0, NONE, NONE]]), k=tf.constant([3]))
    assert slate.item.numpy().tolist() == [[9, 0, 0]]
    assert slate.probability.numpy().tolist() == [[np.float32(np.e), 0, 0]]


def test_more_than_there_is_and_nothing_at_all_can_be_asked_for():
    slate = slate_of([[9, 3]], [[1.0, 2.0]])
    assert top(slate, k=tf.constant([1_000_000])).item.shape == (1, 2)
    assert top(slate, k=tf.constant([0])).item.shape == (1, 0)
    empty = CandidateSlate(tf.zeros([0, 3], tf.int32), tf.zeros([0, 3]), tf.zeros([0, 3]))
    assert top(empty, k=tf.zeros([0], tf.int32)).item.shape[0] == 0


def test_other_items_follow_a_slate_in_their_order_and_none_comes_twice():
    slate = CandidateSlate(
        item=tf.constant([[4, 2, 0], [0, 0, 0]]),
        score=tf.constant([[7.0, 5.0, -np.inf], [-np.inf] * 3]),
        probability=tf.constant([[0.3, 0.2, 0.0], [0.0] * 3]),
    )
    longer = followed_by(slate, tf.constant([[2, 4, 3, 1], [1, 0, 4, 0]]))
    assert [[item for item in row if item] for row in longer.item.numpy().tolist()] == [[4, 2, 3, 1], [1, 4]]
    for row in range(2):
        is_item = longer.item[row].numpy() > 0
        assert (np.diff(longer.score[row].numpy()[is_item]) < 0).all()
        assert ((longer.probability[row].numpy() > 0) == is_item).all()
