import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.worlds import bought, make_shop, viewed
from tfrec.models import RetrievalConfig, RetrievalModel
from tfrec.training import TrainingConfig
from tfrec.training.tower_training import TowerTraining

NO_LSTM = TrainingConfig(retrieval=RetrievalConfig(embedding_dim=4, use_lstm=False), sequence_length=32)


def shop_of(num_users):
    """Users with 33 orders each of one item: one window of 32 labels a user."""
    items = np.random.default_rng(0).integers(0, 30, (33, num_users))
    return make_shop(
        row for day in range(33) for user in range(num_users) for row in bought(f"u{user}", day, f"i{items[day, user]}")
    )


@pytest.fixture(scope="module")
def short_log():
    return shop_of(1100)  # 36,300 events: nine batches of 4,096


def steps_of_an_epoch(shop, config, work):
    tf.keras.utils.set_random_seed(0)
    model = RetrievalModel(shop.vocabularies, config.retrieval)
    TowerTraining(model, config, work).learn(shop.train, 1, label="an epoch", show=False)
    return int(model.optimizer.iterations)


def test_an_epoch_over_a_short_log_has_64_batches_all_the_same(short_log, tmp_path):
    assert 64 <= steps_of_an_epoch(short_log, NO_LSTM, tmp_path) <= 66


def test_batches_of_a_tiny_log_hold_512_positions(tmp_path):
    assert steps_of_an_epoch(shop_of(64), NO_LSTM, tmp_path) == 64 * 32 // 512


def test_no_batch_is_larger_than_the_setting(short_log, tmp_path):
    config = dataclasses.replace(NO_LSTM, retrieval_batch=320)
    assert steps_of_an_epoch(short_log, config, tmp_path) == 1100 * 32 // 320


def test_a_batch_holds_a_whole_window_at_least(tmp_path):
    config = dataclasses.replace(NO_LSTM, sequence_length=600, retrieval_batch=600)
    shop = make_shop(
        [row for user in range(4) for row in viewed(f"u{user}", user, *(f"i{n % 30}" for n in range(601)))]
    )
    assert steps_of_an_epoch(shop, config, tmp_path) == 4


def test_a_step_is_traced_once(tmp_path, monkeypatch):
    traced = []
    compute_loss = RetrievalModel.compute_loss

    def counted(self, batch, training=False):
        traced.append(training)
        return compute_loss(self, batch, training=training)

    monkeypatch.setattr(RetrievalModel, "compute_loss", counted)
    steps_of_an_epoch(shop_of(64), NO_LSTM, tmp_path)
    assert traced.count(True) == 1
