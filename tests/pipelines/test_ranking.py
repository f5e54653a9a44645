import numpy as np
import pytest

from tfrec.errors import ConfigError, SchemaError
from tfrec.pipelines import RankingExamples, StoredExamples, ranking, read_examples, store_examples


def examples_of(size):
    """List `q` has the feature value `q` throughout; its candidate number `q % 3` was chosen."""
    features = np.broadcast_to(np.arange(size, dtype=np.float16)[:, None, None], (size, 3, 2)).copy()
    labels = np.zeros((size, 3, 1), bool)
    labels[np.arange(size), np.arange(size) % 3] = True
    return RankingExamples(features, np.ones((size, 3), bool), labels, labels[..., 0], ("purchase",))


@pytest.fixture
def stored(tmp_path):
    """Returns so many lists in files."""
    return lambda size: store_examples(tmp_path / str(size), [examples_of(size)], heads=("purchase",), num_features=2)


def order(dataset):
    """The numbers of the lists, as they come."""
    return np.concatenate([batch["features"][:, 0, 0] for batch in dataset.as_numpy_iterator()]).tolist()


def test_every_list_comes_once_an_epoch_with_its_labels(stored):
    batches = list(ranking(stored(10), batch_size=4).as_numpy_iterator())
    assert [len(batch["features"]) for batch in batches] == [4, 4, 2]
    number = np.concatenate([batch["features"][:, 0, 0] for batch in batches])
    chosen = np.concatenate([batch["labels"][..., 0].argmax(axis=1) for batch in batches])
    gained = np.concatenate([batch["gains"].argmax(axis=1) for batch in batches])
    assert sorted(number) == list(range(10))
    assert chosen.tolist() == gained.tolist() == (number % 3).tolist()
    assert batches[0]["features"].dtype == np.float32 and batches[0]["is_candidate"].all()


def test_lists_are_shuffled_in_each_epoch_and_repeat_with_the_seed(stored):
    dataset, same_seed = (ranking(stored(50), seed=1) for _ in range(2))
    first, second = order(dataset), order(dataset)
    assert first != second
    assert [first, second] == [order(same_seed), order(same_seed)]


def test_workers_share_the_lists(stored):
    examples = stored(50)
    shares = [order(ranking(examples, worker=worker, num_workers=3)) for worker in range(3)]
    assert sorted(np.concatenate(shares)) == list(range(50))
    with pytest.raises(ConfigError, match="`worker` must lie below `num_workers`"):
        ranking(examples, worker=0, num_workers=17)


def test_lists_of_several_parts_and_folders_are_one_set(tmp_path):
    """Padding is not stored, and the scale of the features is that of all candidates."""
    rng = np.random.default_rng(0)
    parts = []
    for size, width in ((5, 3), (0, 2), (7, 6)):
        is_candidate = np.arange(width) < rng.integers(1, width + 1, size)[:, None]
        features = rng.normal(50, 3, size=(size, width, 2)).astype(np.float16)
        features[~is_candidate] = -1000
        gains = rng.random((size, width)).astype(np.float16)
        parts.append(RankingExamples(features, is_candidate, gains[..., None], gains, ("purchase",)))
    settings = {"heads": ("purchase",), "num_features": 2}
    first = store_examples(tmp_path / "1", parts[:2], **settings)
    second = store_examples(tmp_path / "2", parts[2:], **settings)
    both = StoredExamples.joined([first, read_examples(tmp_path / "2")])
    assert (len(first), len(second), len(both)) == (5, 7, 12)
    rows = np.concatenate([part.features[part.is_candidate] for part in parts]).astype(np.float64)
    np.testing.assert_allclose(both.moments.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(both.moments.variance, rows.var(axis=0), rtol=1e-9)
    (batch,) = ranking(both, batch_size=20).as_numpy_iterator()
    expected = sorted(part.gains[row][part.is_candidate[row]].tolist() for part in parts for row in range(len(part)))
    assert (
        sorted(row[real].tolist() for row, real in zip(batch["gains"], batch["is_candidate"], strict=True)) == expected
    )


def test_a_sample_holds_whole_shards_and_no_more_than_asked(stored):
    examples = stored(400)
    sample = examples.sample(100, seed=0)
    assert 60 < len(sample) <= 100
    assert len(set(order(ranking(sample)))) == len(sample)
    assert examples.sample(100, seed=0).shards == sample.shards != examples.sample(100, seed=1).shards
    assert len(examples.sample(1_000, seed=0)) == 400


def test_what_an_interrupted_run_began_is_no_set(tmp_path):
    def broken():
        yield examples_of(3)
        raise KeyboardInterrupt

    folder = tmp_path / "lists"
    with pytest.raises(KeyboardInterrupt):
        store_examples(folder, broken(), heads=("purchase",), num_features=2)
    assert not folder.exists()
    assert len(store_examples(folder, [examples_of(3)], heads=("purchase",), num_features=2)) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["lists"]


def test_shapes_that_do_not_fit_are_refused():
    good = examples_of(4)
    with pytest.raises(SchemaError, match=r"`labels` \[Q, C, H\]"):
        RankingExamples(good.features, good.is_candidate, good.labels, good.gains, ("click", "purchase"))
    with pytest.raises(SchemaError, match=r"`features` must be \[Q, C, F\]"):
        RankingExamples(good.features[:, :2], good.is_candidate, good.labels, good.gains, good.heads)


def test_nothing_to_learn_from_says_what_is_needed(stored):
    with pytest.raises(SchemaError, match="orders with two items or visits"):
        ranking(stored(0))
    with pytest.raises(ConfigError, match="`batch_size` and `buffer_size` must be at least 1"):
        ranking(stored(2), batch_size=0)
