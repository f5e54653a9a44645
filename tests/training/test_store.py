import dataclasses

import numpy as np
import pytest

from tests.training.small import SMALL, ask
from tfrec.errors import SourceError
from tfrec.training import load_trained, save_trained

pytestmark = pytest.mark.slow


def test_written_and_read_it_answers_the_same(checkerboard_world, trained, tmp_path):
    shop, withheld = checkerboard_world
    save_trained(trained, SMALL, tmp_path)
    again, config = load_trained(shop, tmp_path)
    assert config == SMALL
    for name, value in vars(trained.feature_tables).items():
        np.testing.assert_array_equal(getattr(again.feature_tables, name), value)
    question = {"user_id": list(withheld), "cart_item_ids": [["i1", "i4"]]}
    mine, its = (ask(shop, funnel, "complete_cart", **question) for funnel in (trained, again))
    assert mine["item_ids"].tolist() == its["item_ids"].tolist()
    np.testing.assert_allclose(mine["scores"], its["scores"], rtol=1e-5)
    np.testing.assert_allclose(mine["probabilities"], its["probabilities"], rtol=1e-5)


def test_a_folder_without_models_says_what_to_run(checkerboard_world, tmp_path):
    with pytest.raises(SourceError, match="tfrec train PREPARED --out MODELS"):
        load_trained(checkerboard_world[0], tmp_path)


def test_settings_survive_their_file(checkerboard_world, trained, tmp_path):
    settings = dataclasses.replace(SMALL, retrieval=dataclasses.replace(SMALL.retrieval, image_filters=(8, 16)))
    save_trained(trained, settings, tmp_path)
    assert load_trained(checkerboard_world[0], tmp_path)[1] == settings
