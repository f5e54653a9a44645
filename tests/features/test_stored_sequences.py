import collections
import dataclasses

import numpy as np
import pytest

from tests.worlds import bought, make_shop, viewed
from tfrec.errors import ConfigError
from tfrec.features import stored_sequences
from tfrec.features.sequences import EVENT_ARRAYS
from tfrec.features.stored_sequences import store_sequences


@pytest.fixture(scope="module")
def train():
    """Forty known users and twenty visits of guests, some 280 events."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(80):
        items = rng.choice(list("abcdefgh"), rng.integers(1, 7))
        if number % 4 == 0:
            rows += viewed("", number, *items, session=f"s{number}")
        else:
            rows += bought(f"u{number % 40}", number / 7, *items)
    return make_shop(rows).train


def counted(shards):
    """Counts the sequences by user and events."""
    found = collections.Counter()
    for shard in shards:
        for user, start, stop in zip(shard.sequence_user, shard.splits[:-1], shard.splits[1:], strict=True):
            rows = zip(*(getattr(shard, name)[start:stop].tolist() for name in EVENT_ARRAYS), strict=True)
            found[int(user), tuple(rows)] += 1
    return found


def shards_of(stored):
    return [stored.shard(number) for number in range(stored.num_shards)]


def files_of(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_every_sequence_is_in_one_shard(train, tmp_path):
    stored = store_sequences(tmp_path / "sequences", train, shard_events=50)
    assert stored.num_shards == -(-len(train) // 50) > 4
    shards = shards_of(stored)
    assert counted(shards) == counted([train])
    assert [len(shard) for shard in shards] == list(stored.sizes)
    assert len(stored) == len(train)
    for name in EVENT_ARRAYS:
        assert getattr(shards[0], name).dtype == getattr(train, name).dtype


def test_a_log_of_one_shard_keeps_its_order(train, tmp_path):
    (shard,) = shards_of(store_sequences(tmp_path / "sequences", train))
    for name in (*EVENT_ARRAYS, "splits", "sequence_user"):
        np.testing.assert_array_equal(getattr(shard, name), getattr(train, name))


def test_what_came_before_an_hour_is_left_of_each_shard(train, tmp_path):
    stored = store_sequences(tmp_path / "sequences", train, shard_events=50)
    hour = float(np.median(train.hour))
    early = stored.before(hour)
    assert counted(shards_of(early)) == counted([train.before(hour)])
    assert len(early) == len(train.before(hour)) == sum(map(len, shards_of(early)))
    assert len(early.before(1e9)) == len(early)


def test_more_shards_than_sequences_are_empty(train, tmp_path):
    few = train.where(train.sequence < 2)
    stored = store_sequences(tmp_path / "sequences", few, least_shards=9)
    assert stored.num_shards == 9
    assert counted(shards_of(stored)) == counted([few])
    assert len(store_sequences(tmp_path / "none", train.where(train.hour < 0))) == 0


def test_a_killed_writing_goes_on_with_the_missing_shards(train, tmp_path, monkeypatch):
    write, folder = stored_sequences.pyarrow.parquet.write_table, tmp_path / "sequences"
    written = []

    def write_three(table, path):
        if len(written) == 3:
            path.write_bytes(b"half a shard")
            raise KeyboardInterrupt
        write(table, path)
        written.append(path)

    monkeypatch.setattr(stored_sequences.pyarrow.parquet, "write_table", write_three)
    with pytest.raises(KeyboardInterrupt):
        store_sequences(folder, train, shard_events=50)
    assert not folder.exists()
    first = files_of(tmp_path / ".sequences.unfinished")
    monkeypatch.setattr(stored_sequences.pyarrow.parquet, "write_table", write)
    stored = store_sequences(folder, train, shard_events=50)
    assert counted(shards_of(stored)) == counted([train])
    assert len(first) == 1 + 3
    assert first.items() <= files_of(folder).items()
    assert [path.name for path in tmp_path.iterdir()] == ["sequences"]


def test_other_events_are_written_over_and_the_same_are_not(train, tmp_path):
    folder = tmp_path / "sequences"
    store_sequences(folder, train, shard_events=50)
    first = files_of(folder)
    store_sequences(folder, train, shard_events=50)
    assert files_of(folder) == first
    other = dataclasses.replace(train, item=train.item[::-1].copy())
    assert counted(shards_of(store_sequences(folder, other, shard_events=50))) == counted([other])
    assert len(shards_of(store_sequences(folder, other, shard_events=100))) == -(-len(train) // 100)


def test_what_was_begun_for_other_events_is_not_used(train, tmp_path, monkeypatch):
    folder, write = tmp_path / "sequences", stored_sequences.pyarrow.parquet.write_table
    other = dataclasses.replace(train, item=train.item[::-1].copy())

    def write_and_stop(table, path):
        write(table, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(stored_sequences.pyarrow.parquet, "write_table", write_and_stop)
    with pytest.raises(KeyboardInterrupt):
        store_sequences(folder, other, shard_events=50)
    monkeypatch.setattr(stored_sequences.pyarrow.parquet, "write_table", write)
    assert counted(shards_of(store_sequences(folder, train, shard_events=50))) == counted([train])


@pytest.mark.parametrize("settings", [{"shard_events": 0}, {"least_shards": 0}], ids=["no events", "no shards"])
def test_numbers_that_cannot_be_say_so(train, tmp_path, settings):
    with pytest.raises(ConfigError, match="must be at least 1"):
        store_sequences(tmp_path / "sequences", train, **settings)
