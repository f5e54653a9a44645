import numpy as np
import pytest
import tensorflow as tf

from tests.models.saving import reloaded
from tfrec.models import ImageTower
from tfrec.models.image_tower import with_sigmoid_head


def pictures(count=3, size=10, channels=1):
    return tf.constant(np.random.default_rng(0).random((count, size, size, channels)), tf.float32)


def test_a_picture_by_hand():
    """A kernel that copies its centre, then the greatest of each 2×2, then their sum."""
    tower = ImageTower(filters=(1,), features=1)
    tower(tf.zeros([1, 6, 6, 1]))
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, 1] = 1
    tower.set_weights([kernel, np.zeros(1), np.ones((4, 1)), np.array([0.5])])
    picture = np.zeros((1, 6, 6, 1), np.float32)
    picture[0, 1:5, 1:5, 0] = [[1, 2, 0, 0], [3, 4, 0, 5], [0, 0, 6, 0], [7, 0, 0, 0]]
    assert tower(tf.constant(picture)).numpy().tolist() == [[4 + 5 + 7 + 6 + 0.5]]


def test_whole_numbers_are_read_as_0_to_255():
    tower = ImageTower(filters=(2,), features=4)
    integers = tf.constant(np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1)), tf.uint8)
    np.testing.assert_allclose(tower(integers), tower(tf.cast(integers, tf.float32) / 255.0), rtol=1e-5)


def test_a_missing_channel_axis_says_what_to_do():
    with pytest.raises(ValueError, match=r"pictures \[B, H, W, C\].*Add a channel axis"):
        ImageTower()(tf.zeros([2, 28, 28]))


def test_pictures_too_small_for_the_blocks_say_so():
    ImageTower(filters=(4, 4))(tf.zeros([1, 10, 10, 1]))
    with pytest.raises(ValueError, match=r"at least 10×10; got 9×12\. Use fewer blocks"):
        ImageTower(filters=(4, 4))(tf.zeros([1, 9, 12, 1]))


def test_the_config_makes_the_same_layer():
    tower = ImageTower(filters=(4, 8), features=16, dropout=0.25, name="seen")
    again = ImageTower.from_config(tower.get_config())
    assert again.get_config() == tower.get_config()
    assert (again.filters, again.features, again.dropout, again.name) == ((4, 8), 16, 0.25, "seen")


def test_saved_and_loaded_it_sees_the_same(tmp_path):
    images = tf.keras.Input((10, 10, 1))
    model = tf.keras.Model(images, ImageTower(filters=(4,), features=8, dropout=0.5)(images))
    again = reloaded(model, tmp_path)
    np.testing.assert_allclose(again(pictures()), model(pictures()), rtol=1e-6)
    assert isinstance(again.layers[1], ImageTower)


def test_the_documents_model_learns_which_pictures_sell():
    """Bright left halves are bought, bright right halves are not."""
    tf.keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    bought = rng.random(400) < 0.5
    images = rng.random((400, 8, 8, 1)).astype(np.float32) * 0.5
    images[bought, :, :4] += 0.5
    images[~bought, :, 4:] += 0.5
    model = with_sigmoid_head(ImageTower(filters=(4,), features=8), (8, 8, 1))
    assert [type(layer).__name__ for layer in model.layers[1:]] == ["ImageTower", "Dense"]
    model.fit(images[:300], bought[:300].astype(np.float32), epochs=12, batch_size=32, verbose=0)
    probability = model.predict(images[300:], verbose=0)[:, 0]
    assert ((probability > 0.5) == bought[300:]).mean() > 0.95
