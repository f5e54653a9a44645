import numpy as np
import pytest
import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.training.optimizer import LazyAdam


def steps(optimizer, gradients):
    table = tf.Variable(np.arange(8.0).reshape(4, 2), dtype=tf.float32)
    for gradient in gradients:
        optimizer.apply_gradients([(gradient, table)])
    return table.numpy()


def test_dense_steps_are_those_of_adam():
    rng = np.random.default_rng(0)
    gradients = [tf.constant(rng.normal(size=(4, 2)), tf.float32) for _ in range(5)]
    mine, keras = (steps(kind(0.1), gradients) for kind in (LazyAdam, tf.keras.optimizers.Adam))
    np.testing.assert_allclose(mine, keras, rtol=1e-5)


def test_rows_touched_in_every_step_move_as_adam_moves_them_and_others_stay():
    rng = np.random.default_rng(1)
    gradients = [tf.IndexedSlices(tf.constant(rng.normal(size=(3, 2)), tf.float32), [2, 0, 2]) for _ in range(5)]
    mine, keras = (steps(kind(0.1), gradients) for kind in (LazyAdam, tf.keras.optimizers.Adam))
    np.testing.assert_allclose(mine, keras, rtol=1e-5)
    assert mine[[1, 3]].ravel().tolist() == [2.0, 3.0, 6.0, 7.0]


def test_a_row_that_a_step_leaves_out_keeps_its_place():
    touched = tf.IndexedSlices(tf.constant([[1.0, 1.0]]), [1])
    elsewhere = tf.IndexedSlices(tf.constant([[1.0, 1.0]]), [3])
    once, later = steps(LazyAdam(0.1), [touched]), steps(LazyAdam(0.1), [touched, elsewhere])
    assert np.array_equal(once[1], later[1])
    assert not np.array_equal(once[1], steps(tf.keras.optimizers.Adam(0.1), [touched, elsewhere])[1])


def test_what_it_is_made_of_makes_it_again():
    made = LazyAdam.from_config(LazyAdam(0.02, beta_1=0.8).get_config())
    assert float(made.learning_rate) == pytest.approx(0.02) and made.beta_1 == 0.8


def test_the_highest_moments_of_amsgrad_are_refused():
    with pytest.raises(ConfigError, match="amsgrad"):
        LazyAdam(0.1, amsgrad=True)
