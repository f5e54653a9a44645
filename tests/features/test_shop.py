import numpy as np
import pytest

import tfrec
from tests.ingest.small_shop import write_small_shop
from tests.worlds import START, bought, make_shop
from tfrec.errors import SourceError
from tfrec.ingest.prepare import prepare_shop


def test_models_see_nothing_of_the_test_period():
    rows = [*bought("ann", 0, "a"), *bought("bob", 5, "a", "b")]
    shop = make_shop(rows, test_from_day=5)
    assert len(shop.train) == 1
    assert shop.users.tokens.tolist() == ["ann"]


def test_what_came_before_a_moment_keeps_its_indices():
    rows = [*bought("ann", 0, "a"), *bought("bob", 1, "b"), *bought("ann", 2, "c")]
    shop = make_shop(rows)
    before = shop.train_until(START.replace(day=2))
    assert shop.vocabularies.items.decode(before.item).tolist() == ["a"]
    assert before.users is shop.users and before.vocabularies is shop.vocabularies


def test_a_prepared_folder_becomes_a_shop(tmp_path):
    prepare_shop(write_small_shop(tmp_path), tmp_path / "prepared")
    shop = tfrec.load(tmp_path / "prepared")
    assert sorted(shop.vocabularies.items.tokens) == ["A", "B", "C"]  # D is sold in the test period alone
    assert np.all(shop.train.hour < shop.prepared.test_from.timestamp() / 3600)


def test_no_folder_says_what_to_run(tmp_path):
    with pytest.raises(SourceError, match="tfrec prepare"):
        tfrec.load(tmp_path / "nowhere")
