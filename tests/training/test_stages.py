import dataclasses

import numpy as np
import pytest

from tests.worlds import START_HOUR, bought, make_shop
from tfrec.training import TrainingConfig, WarmStartConfig
from tfrec.training.time_blocks import training_stages, warm_stages

CONFIG = TrainingConfig(num_blocks=2, block_share=0.4, retrieval_epochs=5, block_epochs=1, ranking_queries=7)


@pytest.fixture(scope="module")
def sequences():
    """Eleven orders at the hours 0, 1, ..., 10."""
    return make_shop(line for at in range(11) for line in bought("ann", at / 24, f"i{at}")).train


def test_towers_learn_what_lies_before_a_block_and_are_asked_its_queries(sequences):
    stages = training_stages(sequences, CONFIG)
    hours = np.array([stage.block for stage in stages if stage.block]) - START_HOUR
    np.testing.assert_allclose(hours, [[6, 8], [8, 10]], atol=0.01)
    assert [len(stage.past(sequences)) for stage in stages] == [6, 8, 11]
    assert [stage.epochs for stage in stages] == [5, 1, 1]
    assert [stage.most for stage in stages] == [4, 4, 0]  # seven in all, rounded up


def test_blocks_of_a_training_leave_no_gap_and_end_behind_the_last_order(sequences):
    blocks = [stage.block for stage in training_stages(sequences, CONFIG) if stage.block]
    assert blocks[0][1] == blocks[1][0]
    assert blocks[-1][1] > sequences.hour.max()


def test_new_days_are_asked_before_they_are_learned():
    asked, learned = warm_stages(100.0, 200.0, dataclasses.replace(CONFIG, warm=WarmStartConfig(epochs=3)))
    assert (asked.epochs, asked.block, asked.most) == (0, (100.0, 200.0), 1000)
    assert (learned.epochs, learned.block, learned.since, learned.replay) == (3, None, 100.0, 0.1)


def test_a_warm_start_that_leaves_the_ranking_model_alone_asks_nothing():
    config = dataclasses.replace(CONFIG, warm=WarmStartConfig(ranking_epochs=0))
    assert [stage.block for stage in warm_stages(100.0, 200.0, config)] == [None, None]
