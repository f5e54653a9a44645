import numpy as np
import tensorflow as tf

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
