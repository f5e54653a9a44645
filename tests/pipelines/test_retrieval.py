import collections
import tracemalloc
import weakref

import numpy as np
import pytest

from tests.worlds import bought, checkerboard, make_shop, viewed
from tfrec.errors import ConfigError, SchemaError
from tfrec.features.stored_sequences import store_sequences
from tfrec.pipelines import retrieval
from tfrec.pipelines.retrieval import GAP_BOUNDARIES, gap_bucket


def epoch_of(dataset):
    """One epoch as `[windows, T]` arrays, short windows padded."""
    batches = list(dataset.as_numpy_iterator())
    length = max(batch["item"].shape[1] for batch in batches)

    def padded(rows):
        return np.pad(rows, [(0, 0), (0, length - rows.shape[1])])

    return {name: np.concatenate([padded(batch[name]) for batch in batches]) for name in batches[0]}


@pytest.fixture(scope="module")
def shop():
    return checkerboard()[0]


@pytest.fixture(scope="module")
def mixed_shop():
    """Users whose visits repeat items, and guests."""
    rng = np.random.default_rng(5)
    rows = []
    for number in range(80):
        items = rng.choice(list("abcdefgh"), rng.integers(1, 9))
        rows += viewed("" if number % 3 == 0 else f"u{number % 5}", number, *items, session=f"s{number}")
    return make_shop(rows)


def test_every_event_but_the_first_of_each_shopper_is_a_label_once(shop):
    epoch = epoch_of(retrieval(shop.train, batch_size=64, sequence_length=8))
    num_first = len(shop.train.splits) - 1
    assert (epoch["label"] > 0).sum() == len(shop.train) - num_first
    labels = collections.Counter(epoch["label"][epoch["label"] > 0].tolist())
    events = collections.Counter(shop.train.item.tolist())
    assert sum((events - labels).values()) == num_first and not labels - events


def test_every_event_but_the_last_of_each_shopper_is_read_once(mixed_shop):
    train = mixed_shop.train
    epoch = epoch_of(retrieval(train, batch_size=64, sequence_length=8))
    last = np.zeros(len(train), bool)
    last[train.splits[1:] - 1] = True
    assert (epoch["item"] > 0).sum() == (~last).sum()
    assert sorted(epoch["group"][epoch["item"] > 0]) == sorted(train.group[~last])


def test_the_label_is_the_next_look_be_it_at_an_item_seen_before():
    shop = make_shop([*viewed("ann", 0, "a", "a", "b", "a", "c"), *viewed("ann", 1, "a")])
    epoch = epoch_of(retrieval(shop.train, batch_size=8, sequence_length=8))
    decode = shop.vocabularies.items.decode
    assert decode(epoch["item"][0, :5]).tolist() == ["a", "a", "b", "a", "c"]
    assert decode(epoch["label"][0, :5]).tolist() == ["a", "b", "a", "c", "a"]
    assert not epoch["item"][0, 5:].any() and not epoch["label"][0, 5:].any()


def test_windows_never_cross_shoppers(mixed_shop):
    train = mixed_shop.train
    shopper_of = dict(zip(train.group.tolist(), train.sequence.tolist(), strict=True))
    epoch = epoch_of(retrieval(train, batch_size=64, sequence_length=8))
    for window in range(len(epoch["item"])):
        real, labelled = epoch["item"][window] > 0, epoch["label"][window] > 0
        shoppers = {shopper_of[group] for group in epoch["group"][window][real].tolist()}
        for group in epoch["label_group"][window][labelled].tolist():
            is_look = group >= len(train)  # a look is a group of its own: the number of events plus its row
            shoppers.add(train.sequence[group - len(train)] if is_look else shopper_of[group])
        assert len(shoppers) == 1


def test_a_guests_visit_is_no_history_of_the_next_guest():
    shop = make_shop([*viewed("", 0, "a", "b", session="one"), *viewed("", 0.01, "c", "d", session="two")])
    epoch = epoch_of(retrieval(shop.train, batch_size=8, sequence_length=4))
    a, b, c, d = shop.vocabularies.items.encode(list("abcd")).tolist()
    pairs = set(zip(epoch["item"].ravel().tolist(), epoch["label"].ravel().tolist(), strict=True)) - {(0, 0)}
    assert pairs == {(a, b), (c, d)}


def test_lines_of_an_order_change_places_but_moments_do_not():
    shop = make_shop([*bought("ann", 0, "a", "b", "c"), *bought("ann", 1, "d")])
    dataset = retrieval(shop.train, batch_size=8, sequence_length=8)
    firsts, lasts = set(), set()
    for _ in range(12):
        epoch = epoch_of(dataset)
        firsts.add(int(epoch["item"][0, 0]))
        lasts.add(int(epoch["label"][0, 2]))
    assert firsts == {1, 2, 3} and lasts == {4}


def test_the_same_seed_repeats_and_epochs_differ(shop):
    dataset, same_seed = (retrieval(shop.train, batch_size=64, sequence_length=8, seed=3) for _ in range(2))
    other = epoch_of(retrieval(shop.train, batch_size=64, sequence_length=8, seed=4))
    first, second = epoch_of(dataset), epoch_of(dataset)
    for mine, its in ((first, epoch_of(same_seed)), (second, epoch_of(same_seed))):
        assert all(np.array_equal(mine[name], its[name]) for name in mine)
    assert not np.array_equal(first["label"], second["label"])
    assert not np.array_equal(first["label"], other["label"])


def test_a_run_that_goes_on_sees_the_epochs_that_it_missed(shop):
    whole = retrieval(shop.train, batch_size=64, sequence_length=8, seed=3)
    epoch_of(whole)
    second = epoch_of(whole)
    resumed = epoch_of(retrieval(shop.train, batch_size=64, sequence_length=8, seed=3, first_epoch=1))
    assert all(np.array_equal(second[name], resumed[name]) for name in second)


@pytest.mark.parametrize("which", ["shop", "mixed_shop"])
def test_the_probability_is_the_share_of_the_labels(which, request):
    train = request.getfixturevalue(which).train
    epoch = epoch_of(retrieval(train, batch_size=64, sequence_length=8))
    labels = epoch["label"][epoch["label"] > 0]
    share = np.bincount(labels) / len(labels)
    np.testing.assert_allclose(epoch["label_probability"][epoch["label"] > 0], share[labels], rtol=1e-6)


@pytest.mark.parametrize("length", [2, 3, 8, 64])
def test_windows_of_any_length_hold_every_label(mixed_shop, length):
    train = mixed_shop.train
    epoch = epoch_of(retrieval(train, batch_size=64, sequence_length=length))
    assert (epoch["item"] > 0).sum() == (np.diff(train.splits) - 1).sum()
    assert epoch["item"].shape[1] == length


def test_window_borders_move_from_epoch_to_epoch():
    shop = make_shop(viewed("ann", 0, *(f"i{number}" for number in range(12))))
    dataset = retrieval(shop.train, batch_size=8, sequence_length=8)
    begins = {tuple(sorted(epoch_of(dataset)["item"][:, 0].tolist())) for _ in range(20)}
    assert len(begins) == 2  # the short window before the long one, and behind it


def test_the_number_of_batches_is_known(mixed_shop):
    dataset = retrieval(mixed_shop.train, batch_size=64, sequence_length=4)
    assert [len(list(dataset)) for _ in range(3)] == [int(dataset.cardinality())] * 3


def test_short_visits_are_not_padded_to_the_longest():
    rows = [row for n in range(64) for row in viewed("", n, *"abcd"[: 2 + n % 3], session=f"s{n}")]
    shop = make_shop([*rows, *viewed("", 99, *(f"i{number}" for number in range(17)), session="long")])
    batches = list(retrieval(shop.train, batch_size=64, sequence_length=32).as_numpy_iterator())
    assert sorted(batch["item"].shape for batch in batches) == [(1, 16), (16, 4), (16, 4), (16, 4), (16, 4)]


def test_real_positions_stand_in_front(mixed_shop):
    epoch = epoch_of(retrieval(mixed_shop.train, batch_size=64, sequence_length=8))
    is_real = epoch["item"] > 0
    assert is_real[:, 0].all() and not (is_real[:, 1:] & ~is_real[:, :-1]).any()
    assert not epoch["label"][~is_real].any()


def test_gaps_count_from_the_event_before_of_the_same_shopper():
    shop = make_shop(
        [*bought("ann", 0, "a"), *bought("ann", 1, "b"), *bought("ann", 30, "c"), *bought("bob", 90, "a", "b")]
    )
    epoch = epoch_of(retrieval(shop.train, batch_size=8, sequence_length=4))
    rows = {tuple(row[:2].tolist()) for row in epoch["gap"]}
    assert rows == {(0, int(gap_bucket(np.array(24.0)))), (0, 0)}


def test_gap_buckets_begin_at_their_boundaries():
    hours = np.array([0, *GAP_BOUNDARIES, 1e6])
    assert gap_bucket(hours).tolist() == [0, *range(1, len(GAP_BOUNDARIES) + 1), len(GAP_BOUNDARIES)]


@pytest.mark.parametrize(
    "sizes", [{"sequence_length": 1}, {"batch_size": 4, "sequence_length": 8}], ids=["short window", "small batch"]
)
def test_sizes_that_cannot_be_say_so(shop, sizes):
    with pytest.raises(ConfigError, match="`sequence_length` must be at least 2"):
        retrieval(shop.train, **sizes)


@pytest.fixture(scope="module")
def stored(mixed_shop, tmp_path_factory):
    """The same log in some six shards."""
    return store_sequences(tmp_path_factory.mktemp("stored") / "sequences", mixed_shop.train, shard_events=60)


def labels_of(epoch):
    return collections.Counter(epoch["label"][epoch["label"] > 0].tolist())


def test_every_event_is_read_once_an_epoch_over_all_workers(mixed_shop, stored):
    """Views have an order, so that no shuffle decides which of them are labels."""
    whole = epoch_of(retrieval(mixed_shop.train, batch_size=64, sequence_length=8))
    for num_workers in (1, 2, 3):
        shares = [
            epoch_of(retrieval(stored, batch_size=64, sequence_length=8, worker=worker, num_workers=num_workers))
            for worker in range(num_workers)
        ]
        assert sum(map(labels_of, shares), collections.Counter()) == labels_of(whole)
        read = np.concatenate([share["group"][share["item"] > 0] for share in shares])
        assert sorted(read.tolist()) == sorted(whole["group"][whole["item"] > 0].tolist())
    with pytest.raises(ConfigError, match="`worker` must lie below `num_workers`"):
        retrieval(stored, worker=0, num_workers=stored.num_shards + 1)


def test_shards_come_in_another_order_each_epoch_and_repeat_with_the_seed(stored):
    settings = {"batch_size": 64, "sequence_length": 8, "seed": 3}
    first_run, second_run = retrieval(stored, **settings), retrieval(stored, **settings)
    epochs = [epoch_of(first_run) for _ in range(4)]
    again = [epoch_of(second_run) for _ in range(3)] + [epoch_of(retrieval(stored, **settings, first_epoch=3))]
    for mine, its in zip(epochs, again, strict=True):
        assert all(np.array_equal(mine[name], its[name]) for name in mine)
    shard_of = {group: number for number in range(stored.num_shards) for group in stored.shard(number).group.tolist()}
    orders = {tuple(dict.fromkeys(shard_of[row[0]] for row in epoch["group"].tolist())) for epoch in epochs}
    assert len(orders) > 1
    assert all(sorted(order) == list(range(stored.num_shards)) for order in orders)


def test_the_number_of_batches_of_shards_is_known(stored):
    dataset = retrieval(stored, batch_size=16, sequence_length=4)
    assert [len(list(dataset)) for _ in range(3)] == [int(dataset.cardinality())] * 3


def test_the_probability_is_the_share_in_all_shards(stored):
    epoch = epoch_of(retrieval(stored, batch_size=64, sequence_length=8))
    labels = epoch["label"][epoch["label"] > 0]
    share = np.bincount(labels) / len(labels)
    np.testing.assert_allclose(epoch["label_probability"][epoch["label"] > 0], share[labels], rtol=1e-6)


def test_one_shard_is_in_memory(stored, monkeypatch):
    living, most = [], []
    read = type(stored).shard

    def watched(self, number):
        most.append(sum(reference() is not None for reference in living))
        shard = read(self, number)
        living.append(weakref.ref(shard))
        return shard

    monkeypatch.setattr(type(stored), "shard", watched)
    for _ in retrieval(stored, batch_size=64, sequence_length=8):
        pass
    assert len(living) > 2 * stored.num_shards and max(most) == 0


def test_memory_does_not_grow_with_the_number_of_users(tmp_path):
    peaks = []
    for users in (60, 600):
        rows = [row for user in range(users) for row in viewed(f"u{user}", user / 9, *(f"i{n}" for n in range(20)))]
        stored = store_sequences(tmp_path / str(users), make_shop(rows).train, shard_events=600)
        dataset = retrieval(stored, batch_size=64, sequence_length=8)
        next(iter(dataset))  # what is made once
        tracemalloc.start()
        for _ in dataset:
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]  # shards differ in size, as they are drawn


def test_shoppers_of_one_event_teach_nothing():
    with pytest.raises(SchemaError, match="no next item to learn"):
        retrieval(make_shop([*bought("ann", 0, "a"), *bought("bob", 1, "b")]).train)
