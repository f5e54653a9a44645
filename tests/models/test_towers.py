import numpy as np
import pytest
import tensorflow as tf

from tests.worlds import bought, make_shop
from tfrec.models.image_tower import ImageTower
from tfrec.models.towers import CandidateTower, ItemEncoder, QueryTower, TowerInputs

ITEMS = {
    "a": {"category": "Photo > Cameras", "image_index": 0},
    "b": {"category": "Photo > Cards", "image_index": 1},
    "c": {"category": "Photo > Cards", "image_index": 1},
    "d": {},
}
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 6, 6), np.uint8)


@pytest.fixture
def shop():
    return make_shop(bought("ann", 0, "a", "b"), ITEMS, images=IMAGES)


def encoder_of(shop, *, id_dropout=0.0, use_content=True, images=True):
    tf.keras.utils.set_random_seed(1)
    return ItemEncoder(
        shop.vocabularies,
        embedding_dim=4,
        id_dropout=id_dropout,
        use_content=use_content,
        image_tower=ImageTower((2,), 3) if images else None,
    )


def test_an_item_is_its_id_and_the_mean_of_its_category_levels(shop):
    encoder = encoder_of(shop, images=False)
    items = tf.constant([1, 2])
    encoder(items, training=True)  # both are met
    by_size = {weight.shape[0]: weight.numpy() for weight in encoder.trainable_weights}
    ids, paths = by_size[shop.vocabularies.items.size], by_size[shop.vocabularies.categories.size]
    levels = shop.vocabularies.catalogue.categories[1]
    np.testing.assert_allclose(encoder(items)[0], ids[1] + paths[levels].mean(axis=0), rtol=1e-5)


def test_items_that_no_step_has_met_stand_by_their_content_alone(shop):
    encoder = encoder_of(shop)
    encoder(tf.constant([1, 2]), training=True)
    encoded = encoder(tf.range(5)).numpy()
    assert encoder.is_seen.numpy().tolist() == [0, 1, 1, 0, 0]
    assert not encoded[4].any()  # nothing is known of d
    assert encoded[3].any()
    encoder.is_seen.assign(tf.zeros(5))
    np.testing.assert_allclose(encoder(tf.constant([2])), encoder(tf.constant([3])), rtol=1e-6)  # b and c are alike


def test_dropped_ids_leave_the_content(shop):
    encoder = encoder_of(shop, id_dropout=0.5)
    items = tf.constant([1] * 400)
    trained = encoder(items, training=True).numpy()
    whole = encoder(items[:1]).numpy()[0]
    encoder.is_seen.assign(tf.zeros(5))
    content = encoder(items[:1]).numpy()[0]
    is_whole, is_content = (np.isclose(trained, row, atol=1e-6).all(axis=1) for row in (whole, content))
    assert (is_whole ^ is_content).all()
    assert 0.4 < is_content.mean() < 0.6


def test_without_content_an_unseen_item_is_nothing(shop):
    encoder = encoder_of(shop, use_content=False, images=False)
    encoder(tf.constant([1]), training=True)
    encoded = encoder(tf.range(5)).numpy()
    assert encoded[1].any() and not encoded[[0, 2, 3, 4]].any()


def test_items_without_a_picture_get_nothing_from_the_picture_tower(shop):
    encoder = encoder_of(shop)
    encoder(tf.range(5))
    for weight in encoder.image_tower.trainable_weights:
        weight.assign_add(tf.fill(weight.shape, 0.1))  # so that even a black picture would say something
    encoded = encoder(tf.range(5)).numpy()
    bare = encoder_of(shop, images=False)(tf.range(5)).numpy()
    assert (np.abs(encoded - bare).max(axis=1) > 1e-4).tolist() == [False, True, True, True, False]


def test_candidates_have_unit_length_and_keep_their_direction_at_first():
    tower = CandidateTower(3)
    encoded = tf.constant([[3.0, 0, 4], [0, 2, 0], [0, 0, 0]])
    np.testing.assert_allclose(tower(encoded), [[0.6, 0, 0.8], [0, 1, 0], [0, 0, 0]], atol=1e-6)


def inputs_of(item, *, event_type=None, gap=None, group=None):
    item = np.asarray(item, np.int32)
    fill = {
        "event_type": (item > 0) if event_type is None else event_type,
        "gap": np.zeros_like(item) if gap is None else gap,
        "group": np.ones_like(item) if group is None else group,
    }
    return TowerInputs(tf.constant(item), **{name: tf.constant(value, tf.int32) for name, value in fill.items()})


def test_without_lstm_a_query_is_the_mean_of_its_own_order_so_far():
    tower = QueryTower(2, 6, use_lstm=False, dropout=0.0)
    inputs = inputs_of([[1, 2, 3, 4, 0]], group=[[7, 7, 8, 7, 0]])
    encoded = tf.constant([[[1.0, 0], [0, 1], [0, 5], [1, 0], [9, 9]]])
    tower(encoded, inputs)
    for weight in tower.trainable_weights:
        if "query" in weight.name:
            weight.assign(tf.zeros_like(weight))  # leaves the mean alone
    mean = np.array([[1, 0], [0.5, 0.5], [0, 5], [2 / 3, 1 / 3]])
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(tower(encoded, inputs)[0, :4], expected, atol=1e-6)


@pytest.fixture
def tower():
    tf.keras.utils.set_random_seed(3)
    return QueryTower(4, 6, use_lstm=True, dropout=0.5)


def embed(tower, item, **parts):
    table = np.random.default_rng(2).normal(size=(20, 4)).astype(np.float32)
    return tower(tf.constant(table[np.asarray(item)]), inputs_of(item, **parts)).numpy()


@pytest.mark.parametrize("part", ["item", "event_type", "gap", "group"])
def test_nothing_of_a_later_event_reaches_an_earlier_position(tower, part):
    """The label of a position is the next event: were it visible, training would learn to copy."""
    parts = {name: np.ones((2, 6), np.int32) for name in ("event_type", "gap", "group")}
    item = np.arange(1, 13).reshape(2, 6)
    before = embed(tower, item, **parts)
    changed = {**parts, "item": item}
    changed[part] = changed[part].copy()
    changed[part][:, 4] = {"item": 19, "event_type": 5, "gap": 6, "group": 9}[part]
    after = embed(tower, changed.pop("item"), **changed)
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.abs(before[:, 4] - after[:, 4]).max() > 1e-5


def test_the_last_position_alone_is_what_all_positions_have_there(tower):
    item = np.array([[0, 0, 1, 2, 3, 4], [5, 6, 7, 8, 9, 10], [0, 0, 0, 0, 0, 0]])
    inputs = inputs_of(item, group=[[0, 0, 1, 2, 1, 2], [3, 3, 3, 3, 3, 3], [0, 0, 0, 0, 0, 0]])
    encoded = tf.constant(np.random.default_rng(2).normal(size=(20, 4)).astype(np.float32)[item])
    np.testing.assert_allclose(tower.last(encoded, inputs), tower(encoded, inputs)[:, -1], atol=1e-6)


@pytest.mark.parametrize("part", ["event_type", "gap"])
def test_kind_and_gap_of_an_event_count(tower, part):
    item = np.arange(1, 7).reshape(1, 6)
    changed = np.ones((1, 6), np.int32)
    changed[:, -1] = 3
    other = embed(tower, item, **{part: changed})[:, -1]
    assert np.abs(other - embed(tower, item, **{part: np.ones((1, 6), np.int32)})[:, -1]).max() > 1e-3


@pytest.mark.parametrize("front", [2, 0], ids=["padded in front", "padded behind"])
def test_padding_changes_no_query(tower, front):
    item = np.arange(1, 6).reshape(1, 5)
    bare = embed(tower, item)
    width = [(0, 0), (front, 3 - front)]
    padded = embed(tower, np.pad(item, width), group=np.pad(np.ones_like(item), width))
    np.testing.assert_allclose(padded[:, front : front + 5], bare, atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [CandidateTower(5, name="c"), QueryTower(5, 6, use_lstm=False, dropout=0.25, name="q")],
    ids=["candidate", "query"],
)
def test_the_config_makes_the_same_layer(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.name == layer.name


def test_the_query_towers_config_keeps_every_setting():
    config = QueryTower(5, 6, use_lstm=False, dropout=0.25).get_config()
    assert {config["embedding_dim"], config["num_event_types"], config["use_lstm"], config["dropout"]} == {
        5, 6, False, 0.25,
    }  # fmt: skip


def test_items_of_the_wrong_rank_say_what_is_needed(tower):
    with pytest.raises(ValueError, match=r"encoded items \[B, T, d\]"):
        tower(tf.zeros([2, 4]), inputs_of([[1, 2]]))
