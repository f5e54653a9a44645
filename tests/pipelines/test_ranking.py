import numpy as np
import pytest

from tfrec.errors import ConfigError, SchemaError
from tfrec.pipelines.ranking import RankingExamples, ranking


def examples_of(size):
    """List `q` has the feature value `q` throughout; its candidate number `q % 3` was chosen."""
    features = np.broadcast_to(np.arange(size, dtype=np.float16)[:, None, None], (size, 3, 2)).copy()
    labels = np.zeros((size, 3, 1), bool)
    labels[np.arange(size), np.arange(size) % 3] = True
    return RankingExamples(features, np.ones((size, 3), bool), labels, labels[..., 0], ("purchase",))


def test_every_list_comes_once_an_epoch_with_its_labels():
    batches = list(ranking(examples_of(10), batch_size=4).as_numpy_iterator())
    assert [len(batch["features"]) for batch in batches] == [4, 4, 2]
    number = np.concatenate([batch["features"][:, 0, 0] for batch in batches])
    chosen = np.concatenate([batch["labels"][..., 0].argmax(axis=1) for batch in batches])
    gained = np.concatenate([batch["gains"].argmax(axis=1) for batch in batches])
    assert sorted(number) == list(range(10))
    assert chosen.tolist() == gained.tolist() == (number % 3).tolist()
    assert batches[0]["features"].dtype == np.float32 and batches[0]["is_candidate"].all()


def test_lists_are_shuffled_in_each_epoch_and_repeat_with_the_seed():
    def order(dataset):
        return np.concatenate([batch["features"][:, 0, 0] for batch in dataset.as_numpy_iterator()]).tolist()

    dataset, same_seed = (ranking(examples_of(50), seed=1) for _ in range(2))
    first, second = order(dataset), order(dataset)
    assert first != second
    assert [first, second] == [order(same_seed), order(same_seed)]


def test_shapes_that_do_not_fit_are_refused():
    good = examples_of(4)
    with pytest.raises(SchemaError, match=r"`labels` \[Q, C, H\]"):
        RankingExamples(good.features, good.is_candidate, good.labels, good.gains, ("click", "purchase"))
    with pytest.raises(SchemaError, match=r"`features` must be \[Q, C, F\]"):
        RankingExamples(good.features[:, :2], good.is_candidate, good.labels, good.gains, good.heads)


def test_nothing_to_learn_from_says_what_is_needed():
    with pytest.raises(SchemaError, match="orders with two items or visits"):
        ranking(examples_of(0))
    with pytest.raises(ConfigError, match="`batch_size` must be at least 1"):
        ranking(examples_of(2), batch_size=0)
