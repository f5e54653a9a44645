"""Keeps behaviour sequences in files: a training reads one shard of them at a time, whatever the size of the log.

Each sequence goes to one of the shards at random, so that a shard is a random sample of all shoppers. A shard is a file
of Parquet with a row a sequence.
"""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from tfrec.errors import ConfigError
from tfrec.features.sequences import EVENT_ARRAYS, BehaviourSequences
from tfrec.publish import replacing

SHARD_EVENTS = 1 << 19
"""Events of a shard, about: an epoch of so many takes some 100 MB, and smaller shops are one shard."""

_ABOUT = "about.json"
_FORMAT = 1  # raised when the layout of the files changes


@dataclasses.dataclass(frozen=True)
class StoredSequences:
    """Behaviour sequences in shards.

    Attributes:
        folder: holds the shards.
        sizes: events of each shard before `until`.
        none: sequences without an event, which give vocabularies, users, segments and friends.
        until: hour since 1970-01-01 UTC; later events are left out. None = all events.
    """

    folder: Path
    sizes: tuple[int, ...]
    none: BehaviourSequences
    until: float | None = None

    def __len__(self) -> int:
        """Returns the number of events."""
        return sum(self.sizes)

    @property
    def num_shards(self) -> int:
        """Number of shards."""
        return len(self.sizes)

    def shard(self, number: int) -> BehaviourSequences:
        """Returns the sequences of a shard, read from its file."""
        table = pyarrow.parquet.read_table(self._path(number), memory_map=False)
        lists = {name: table[name].combine_chunks() for name in EVENT_ARRAYS}
        sequences = dataclasses.replace(
            self.none,
            **{name: column.values.to_numpy() for name, column in lists.items()},
            splits=lists["item"].offsets.to_numpy().astype(np.int64),
            sequence_user=table["user"].to_numpy(),
        )
        return sequences if self.until is None else sequences.before(self.until)

    def before(self, hour: float) -> "StoredSequences":
        """Returns the events strictly before `hour`."""
        until = hour if self.until is None else min(hour, self.until)
        return dataclasses.replace(
            self, until=until, sizes=tuple(self._count(number, until) for number in range(self.num_shards))
        )

    def _count(self, number: int, until: float) -> int:
        hours = pyarrow.parquet.read_table(self._path(number), columns=["hour"])["hour"].combine_chunks().values
        return int((hours.to_numpy() < until).sum())

    def _path(self, number: int) -> Path:
        return self.folder / _name(number, self.num_shards)


def store_sequences(
    folder: Path, sequences: BehaviourSequences, *, shard_events: int = SHARD_EVENTS, least_shards: int = 1
) -> StoredSequences:
    """Writes sequences into a folder, which appears when all is written; what is there already is not written again.

    An interrupted call leaves whole shards beside the folder, and the next one of the same sequences writes the others.

    Args:
        folder: folder to be written; one that holds other sequences, or other shards, is replaced.
        sequences: behaviour.
        shard_events: events of a shard, about.
        least_shards: shards at least: each worker reads its own.

    Raises:
        ConfigError: a number is below 1.
    """
    if shard_events < 1 or least_shards < 1:
        raise ConfigError(
            f"`shard_events` and `least_shards` must be at least 1; got {shard_events} and {least_shards}."
        )
    num_shards = max(least_shards, -(-len(sequences) // shard_events))
    identity = _identity(sequences, num_shards)
    none = sequences.where(np.zeros(len(sequences), bool))
    if not _is_of(folder, identity):
        unfinished = folder.with_name(f".{folder.name}.unfinished")
        drawn = np.random.default_rng(0).integers(num_shards, size=len(sequences.splits) - 1)
        if not _is_of(unfinished, identity):
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            sizes = np.bincount(drawn[sequences.sequence], minlength=num_shards)
            with replacing(unfinished / _ABOUT) as path:
                path.write_text(json.dumps({"identity": identity, "sizes": sizes.tolist()}))
        for number in range(num_shards):
            _write_shard(unfinished / _name(number, num_shards), sequences, drawn == number)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.replace(folder)
    return StoredSequences(folder, tuple(json.loads((folder / _ABOUT).read_text())["sizes"]), none)


def _write_shard(path: Path, sequences: BehaviourSequences, chosen: np.ndarray) -> None:
    """Writes the chosen sequences, `[S]` bool, by rename; a file that is there was written by an interrupted call."""
    if path.exists():
        return
    rows = np.repeat(chosen, np.diff(sequences.splits))
    splits = pa.array(np.append(0, np.cumsum(np.diff(sequences.splits)[chosen])).astype(np.int32))
    columns = {
        name: pa.ListArray.from_arrays(splits, pa.array(getattr(sequences, name)[rows])) for name in EVENT_ARRAYS
    }
    table = pa.table({"user": pa.array(sequences.sequence_user[chosen]), **columns})
    with replacing(path) as unfinished:
        pyarrow.parquet.write_table(table, unfinished)


def _identity(sequences: BehaviourSequences, num_shards: int) -> str:
    """Returns a hash of the events and of how they are cut."""
    digest = hashlib.sha256(json.dumps([_FORMAT, num_shards]).encode())
    for name in (*EVENT_ARRAYS, "splits", "sequence_user"):
        digest.update(np.ascontiguousarray(getattr(sequences, name)).data)
    return digest.hexdigest()


def _is_of(folder: Path, identity: str) -> bool:
    about = folder / _ABOUT
    return about.exists() and json.loads(about.read_text())["identity"] == identity


def _name(number: int, num_shards: int) -> str:
    return f"sequences-{number:05d}-of-{num_shards:05d}.parquet"
