"""Keeps ranking examples in files: the disk limits their number, not the memory.

Each list goes to one of a few shards at random, so that a shard is a random sample of all lists. Written in random
order and read from several shards at once through a small buffer, they are well shuffled in each epoch.
"""

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfrec.pipelines.feature_moments import FeatureMoments
from tfrec.pipelines.ranking_examples import RankingExamples

_NUM_SHARDS = 16
_ABOUT = "about.json"
_STORED = np.dtype("<f2")


@dataclasses.dataclass(frozen=True)
class StoredExamples:
    """Candidate lists in shards, files of TFRecords. `S` shards, `F` features.

    Attributes:
        shards: `S` files.
        sizes: number of lists in each.
        heads: names of the heads.
        moments: of the features of all candidates.
    """

    shards: tuple[Path, ...]
    sizes: tuple[int, ...]
    heads: tuple[str, ...]
    moments: FeatureMoments

    def __len__(self) -> int:
        """Returns the number of lists."""
        return sum(self.sizes)

    @property
    def num_features(self) -> int:
        """Returns `F`."""
        return len(self.moments.mean)

    @classmethod
    def joined(cls, parts: Sequence["StoredExamples"]) -> "StoredExamples":
        """Returns the lists of all parts, which have the same heads; at least one part."""
        return cls(
            shards=tuple(shard for part in parts for shard in part.shards),
            sizes=tuple(size for part in parts for size in part.sizes),
            heads=parts[0].heads,
            moments=FeatureMoments.joined(part.moments for part in parts),
        )

    def sample(self, most: int, *, seed: int) -> "StoredExamples":
        """Returns whole shards, drawn at random, with at most `most` lists in all; one shard at least."""
        drawn = np.random.default_rng(seed).permutation(len(self.shards))
        held = np.cumsum(np.array(self.sizes)[drawn])
        kept = np.sort(drawn[: max(1, int((held <= most).sum()))])
        shards, sizes = tuple(self.shards[at] for at in kept), tuple(self.sizes[at] for at in kept)
        return dataclasses.replace(self, shards=shards, sizes=sizes)


def store_examples(
    folder: Path, parts: Iterable[RankingExamples], *, heads: tuple[str, ...], num_features: int, seed: int = 0
) -> StoredExamples:
    """Writes candidate lists into a folder, part by part, and returns them; it appears when all is written.

    Args:
        folder: folder to be written; what an interrupted run began is removed.
        parts: lists with features and labels; one part at a time is in memory.
        heads: names of the heads.
        num_features: `F`.
        seed: of the shards that lists are drawn into.
    """
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    rng, sizes = np.random.default_rng(seed), np.zeros(_NUM_SHARDS, np.int64)
    moments = FeatureMoments.of(np.zeros((0, num_features)))
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(tf.io.TFRecordWriter(str(unfinished / name))) for name in _names()]
        for part in parts:
            drawn = rng.integers(_NUM_SHARDS, size=len(part))
            for row, shard in enumerate(drawn.tolist()):
                writers[shard].write(_as_record(part, row))
            sizes += np.bincount(drawn, minlength=_NUM_SHARDS)
            moments = FeatureMoments.joined([moments, FeatureMoments.of(part.features[part.is_candidate])])
    about = {
        "heads": heads,
        "sizes": sizes.tolist(),
        "count": moments.count,
        "mean": moments.mean.tolist(),
        "squares": moments.squares.tolist(),
    }
    (unfinished / _ABOUT).write_text(json.dumps(about))
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)
    return read_examples(folder)


def read_examples(folder: Path) -> StoredExamples:
    """Returns what `store_examples` wrote into a folder; the lists themselves are not read."""
    about = json.loads((folder / _ABOUT).read_text())
    moments = FeatureMoments(about["count"], np.array(about["mean"]), np.array(about["squares"]))
    shards = tuple(folder / name for name in _names())
    return StoredExamples(shards, tuple(about["sizes"]), tuple(about["heads"]), moments)


def parse_list(record: tf.Tensor, *, num_features: int, num_heads: int) -> dict[str, tf.Tensor]:
    """Returns one list of `C` candidates: `features [C, F]`, `labels [C, H]`, `gains [C]`, all float16."""
    text = tf.io.FixedLenFeature([], tf.string)
    stored = tf.io.parse_single_example(record, dict.fromkeys(("features", "labels", "gains"), text))
    values = {name: tf.io.decode_raw(value, tf.float16, little_endian=True) for name, value in stored.items()}
    return {
        "features": tf.reshape(values["features"], [-1, num_features]),
        "labels": tf.reshape(values["labels"], [-1, num_heads]),
        "gains": values["gains"],
    }


def _as_record(part: RankingExamples, row: int) -> bytes:
    """Returns the candidates of a list as bytes of a `tf.train.Example`, without padding."""
    real = part.is_candidate[row]

    def stored(values: np.ndarray) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[values[row][real].astype(_STORED).tobytes()]))

    columns = {"features": stored(part.features), "labels": stored(part.labels), "gains": stored(part.gains)}
    return tf.train.Example(features=tf.train.Features(feature=columns)).SerializeToString()


def _names() -> list[str]:
    return [f"lists-{number:02d}-of-{_NUM_SHARDS}.tfrecord" for number in range(_NUM_SHARDS)]
