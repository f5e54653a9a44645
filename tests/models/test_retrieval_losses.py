"""The losses of the retrieval model: by hand, and by what they teach."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.models.fitting import fit_retrieval, query_of, sources_of
from tests.worlds import bought, checkerboard, make_shop
from tfrec.errors import ConfigError
from tfrec.models import RetrievalConfig, RetrievalModel, retrieval, retrieval_losses
from tfrec.models.retrieval import LOSSES
from tfrec.models.retrieval_losses import bpr_max, full_softmax, gbce, sampled_softmax


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def a_batch(probability=0.2):
    """One query of label 1 scoring 2, and the labels 2 and 3 of other orders, which the first scores 1 and 0."""
    queries = tf.constant([[2.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    return queries, tf.eye(3), tf.constant([1, 2, 3]), tf.constant([7, 8, 9]), tf.fill([3], probability)


def test_bpr_max_weighs_negatives_by_their_softmax():
    share = np.exp([1.0, 0.0]) / np.exp([1.0, 0.0]).sum()
    plain = -np.log(share @ sigmoid(np.array([1.0, 2.0])))
    assert float(bpr_max(*a_batch(), regularisation=0.0)[0]) == pytest.approx(plain, rel=1e-5)
    held = plain + 0.5 * share @ (np.array([1.0, 0.0]) * 0.1) ** 2
    assert float(bpr_max(*a_batch(), regularisation=0.5, temperature=0.1)[0]) == pytest.approx(held, rel=1e-5)


def test_gbce_undoes_the_overconfidence_of_sampling():
    alpha, probability = 2 / 10, 0.2
    chance = 1 - (1 - probability) ** 3
    for calibration in (0.0, 0.75, 1.0):
        beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
        positive, *negatives = np.array([2.0, 1.0, 0.0]) - np.log(chance * 11 / beta)
        expected = (-beta * np.log(sigmoid(positive)) - sum(np.log(1 - sigmoid(r)) for r in negatives)) / 3
        loss = gbce(*a_batch(probability), num_items=11, calibration=calibration)
        assert float(loss[0]) == pytest.approx(expected, rel=1e-5)


def test_gbce_is_content_with_no_opinion_where_nothing_is_known():
    """Scores of zero are the odds of chance: many negatives do not push all items away."""
    size, num_items = 200, 400
    shift = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        queries = tf.fill([size, 1], shift)
        columns = tf.ones([size, 1]), tf.range(size), tf.range(size), tf.fill([size], 1 / num_items)
        loss = tf.reduce_mean(gbce(queries, *columns, num_items=num_items))
    assert abs(float(tape.gradient(loss, shift))) < 0.2 * float(loss)


@pytest.mark.parametrize("loss", [bpr_max, functools.partial(gbce, num_items=3)], ids=["bpr_max", "gbce"])
def test_the_score_of_an_item_of_the_same_order_does_not_count(loss):
    queries, candidates, label, _, probability = a_batch()
    rated = queries + tf.constant([[0.0, 0.0, 5.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])  # item 3, by the first query
    for group, counts in ((tf.constant([7, 8, 7]), False), (tf.constant([7, 8, 9]), True)):
        first, second = (float(loss(part, candidates, label, group, probability)[0]) for part in (queries, rated))
        assert (first != pytest.approx(second)) == counts


@pytest.mark.parametrize("loss", [bpr_max, functools.partial(gbce, num_items=3)], ids=["bpr_max", "gbce"])
def test_a_batch_of_one_order_has_finite_losses_and_gradients(loss):
    queries, candidates, label, _, probability = a_batch()
    alone = tf.Variable(queries)
    with tf.GradientTape() as tape:
        values = loss(alone, candidates, label, tf.fill([3], 7), probability)
    assert np.isfinite(values).all()
    assert np.isfinite(tape.gradient(values, alone)).all()


def test_sampled_softmax_corrects_for_what_was_likely_to_be_in_the_batch():
    queries = tf.constant([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    candidates = tf.constant([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]])  # the third query's label is the first's
    label, group = tf.constant([4, 2, 4]), tf.constant([7, 8, 9])
    probability = tf.constant([0.2, 0.01, 0.2])
    correction = np.log(1 - (1 - np.array([0.2, 0.01])) ** 3)
    logits = queries.numpy() @ candidates.numpy()[:2].T - correction
    expected = [-row[at] + np.log(np.exp(row).sum()) for row, at in zip(logits, [0, 1, 0], strict=True)]
    loss = sampled_softmax(queries, candidates, label, group, probability)
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


def test_sampled_softmax_sets_no_item_against_its_own_order():
    queries, candidates = tf.constant([[1.0, 0.0], [0.0, 1.0]]), tf.constant([[1.0, 0.0], [0.9, 2.0]])
    label, probability = tf.constant([1, 2]), tf.constant([0.5, 0.5])
    together = sampled_softmax(queries, candidates, label, tf.constant([7, 7]), probability)
    apart = sampled_softmax(queries, candidates, label, tf.constant([7, 8]), probability)
    np.testing.assert_allclose(together, 0.0, atol=1e-6)
    assert (apart.numpy() > 0.1).all()


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_of_a_batch_are_batches_of_their_own(monkeypatch, parts):
    monkeypatch.setattr(retrieval_losses, "_LEAST_IN_PART", 3)
    rng = np.random.default_rng(parts)
    size = 7  # two parts of 4 and 3, whether or not more are allowed
    columns = (
        tf.constant(rng.normal(size=(size, 2)), tf.float32),
        tf.constant(rng.normal(size=(size, 2)), tf.float32),
        tf.constant([1, 2, 1, 3, 1, 2, 4]),
        tf.range(size),
        tf.fill([size], 0.2),
    )
    apart = [sampled_softmax(*(column[at] for column in columns)) for at in (slice(0, 4), slice(4, 7))]
    np.testing.assert_allclose(sampled_softmax(*columns, parts=parts), np.concatenate(apart), rtol=1e-5)


def test_full_softmax_leaves_out_the_orders_own_items_and_items_without_events():
    queries = tf.constant([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    candidates = tf.constant([[9.0, 9.0], [1.0, 0.0], [0.0, 2.0], [0.5, 0.5], [9.0, 9.0]])  # row 0 is padding
    label, group = tf.constant([1, 2, 3]), tf.constant([7, 7, 8])
    is_met = tf.constant([False, True, True, True, False])
    loss = full_softmax(queries, candidates, label, group, is_met).numpy()
    rivals = [
        [1.0, 0.5],
        [2.0, 0.5],
        [1.0, 1.0, 2.0],
    ]  # label first; item 2 is the first query's mate, item 1 the second's
    expected = [-row[0] + np.log(np.exp(row).sum()) for row in rivals]
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_finds_the_withheld_item(loss):
    """What comes first of all that a user never bought is the one item of the user's colour."""
    shop, withheld = checkerboard()
    config = RetrievalConfig(embedding_dim=16, id_dropout=0.0, dropout=0.0, loss=loss)
    model = fit_retrieval(shop, config, epochs=20)
    sources = sources_of(shop, model)
    query = sources.embed_query(query_of(shop, list(withheld)))
    scores = tf.matmul(query, sources.candidate_embeddings, transpose_b=True).numpy()[:, 1:]
    events = shop.prepared.train.events
    items = shop.vocabularies.items.tokens
    for row, user in enumerate(withheld):
        scores[row, np.isin(items, events["item_id"][events["user_id"] == user])] = -np.inf
    assert np.mean(items[scores.argmax(axis=1)] == list(withheld.values())) > 0.9


def test_full_softmax_marks_only_what_was_met():
    catalogue = {name: {"category": "A"} for name in ("a", "b", "c", "never met")}
    shop = make_shop([*bought("ann", 0, "a"), *bought("ann", 1, "b"), *bought("ann", 2, "c")], catalogue)
    model = fit_retrieval(shop, RetrievalConfig(embedding_dim=4, loss="full_softmax"), epochs=2)
    assert model.item_encoder.is_seen.numpy()[1:].tolist() == [1.0, 1.0, 1.0, 0.0]


def test_unknown_losses_and_too_many_items_say_so(monkeypatch):
    with pytest.raises(ConfigError, match="Did you mean 'bpr_max'"):
        RetrievalConfig(loss="bprmax")
    with pytest.raises(ConfigError, match="`softmax_parts` must be at least 1; got 0"):
        RetrievalConfig(softmax_parts=0)
    monkeypatch.setattr(retrieval, "_MOST_ITEMS_IN_FULL", 5)
    with pytest.raises(ConfigError, match="sampled_softmax"):
        RetrievalModel(checkerboard()[0].vocabularies, RetrievalConfig(loss="full_softmax"))
