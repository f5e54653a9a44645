import numpy as np
import pytest
import tensorflow as tf

from tests.models.saving import reloaded
from tfrec.models import BehaviourTower


def events(batch=3, length=5, dim=4):
    return tf.constant(np.random.default_rng(0).normal(size=(batch, length, dim)), tf.float32)


def test_one_unit_by_hand():
    """Gates that stand wide open: the cell adds tanh of each event up, the state is tanh of the cell."""
    tower = BehaviourTower(1)
    tower(tf.zeros([1, 2, 1]))
    kernel = np.array([[0, 0, 1, 0]], np.float32)  # input, forget, cell, output
    bias = np.array([50, 50, 0, 50], np.float32)
    tower.set_weights([kernel, np.zeros((1, 4)), bias])
    states = tower(tf.constant([[[0.5], [0.25], [-1.0]]])).numpy()[0, :, 0]
    cell = np.cumsum(np.tanh([0.5, 0.25, -1.0]))
    np.testing.assert_allclose(states, np.tanh(cell), rtol=1e-5)


def test_a_state_knows_what_came_before_and_nothing_after():
    tower = BehaviourTower(6)
    plain = events().numpy()
    changed = plain.copy()
    changed[:, 3] = 100.0
    before, after = tower(tf.constant(plain)).numpy(), tower(tf.constant(changed)).numpy()
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (np.abs(before[:, 3:] - after[:, 3:]).max(axis=(0, 2)) > 1e-3).all()


def test_padding_on_either_side_changes_nothing():
    tower = BehaviourTower(6)
    bare = tower(events()).numpy()
    wide = tf.pad(events(), [[0, 0], [2, 3], [0, 0]], constant_values=7.0)
    mask = tf.constant([[False] * 2 + [True] * 5 + [False] * 3] * 3)
    padded = tower(wide, mask=mask).numpy()
    np.testing.assert_allclose(padded[:, 2:7], bare, atol=1e-6)
    np.testing.assert_allclose(padded[:, 9], bare[:, 4], atol=1e-6)  # the state behind padding is the state before it


def test_under_a_mask_states_and_gradients_are_those_of_the_keras_layer():
    tower, cell = BehaviourTower(6), tf.keras.layers.LSTMCell(6)
    wide, first = events(batch=4, length=7), tf.constant([[0], [2], [6], [7]])  # the last row has no event
    mask = tf.range(7)[None, :] >= first
    tower(wide)
    cell.build(wide.shape)
    weights = [np.random.default_rng(1).normal(size=weight.shape) for weight in tower.get_weights()]
    tower.set_weights(weights)
    cell.set_weights(weights)
    start = [tf.zeros([4, 6])] * 2
    with tf.GradientTape(persistent=True) as tape:
        expected = tf.keras.backend.rnn(cell, wide, start, mask=mask)[1]
        queries, found = tower(wide, mask=mask), tower(wide, mask=mask, training=True)
        losses = [tf.reduce_sum(states[:, -1] ** 2) for states in (found, expected, queries)]
    for states in (found, queries):
        np.testing.assert_allclose(states, expected, atol=1e-6)
    assert tape.gradient(losses[2], tower.trainable_variables) == [None] * 3  # none at all, rather than wrong ones
    pairs = zip(
        tape.gradient(losses[0], tower.trainable_variables),
        tape.gradient(losses[1], cell.trainable_variables),
        strict=True,
    )
    for one, other in pairs:
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_no_query_has_no_state():
    assert BehaviourTower(6)(tf.zeros([0, 3, 4]), mask=tf.zeros([0, 3], tf.bool)).shape == (0, 3, 6)


def test_items_without_embedding_say_what_to_do():
    with pytest.raises(ValueError, match=r"embedded events \[B, T, d\].*Embed the items first"):
        BehaviourTower(4)(tf.zeros([2, 3]))


def test_the_config_makes_the_same_layer():
    tower = BehaviourTower(7, name="past")
    again = BehaviourTower.from_config(tower.get_config())
    assert again.get_config() == tower.get_config()
    assert (again.units, again.name) == (7, "past")


def test_saved_and_loaded_it_remembers_the_same(tmp_path):
    inputs = tf.keras.Input((5, 4))
    model = tf.keras.Model(inputs, BehaviourTower(6)(inputs))
    np.testing.assert_allclose(reloaded(model, tmp_path)(events()), model(events()), atol=1e-6)
