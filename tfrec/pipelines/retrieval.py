"""Turns behaviour sequences into tf.data batches for the retrieval model: each position is a labelled query."""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError, SchemaError
from tfrec.features.sequences import BehaviourSequences, SequenceShards

GAP_BOUNDARIES = (0.05, 0.5, 3.0, 12.0, 36.0, 120.0, 336.0, 1000.0, 3000.0)
"""Hours that part the buckets of the time since the event before; bucket 0 is also 'unknown'."""

INT_COLUMNS = ("item", "event_type", "gap", "group", "label", "label_group")
"""Names of a batch's columns of int32; beside them stands the float32 `label_probability`."""

_SHORTEST = 4  # positions: shorter windows are padded to this


def retrieval(
    sequences: SequenceShards,
    *,
    batch_size: int = 1024,
    sequence_length: int = 32,
    seed: int = 0,
    first_epoch: int = 0,
    since: float | None = None,
    replay: float = 0.0,
    worker: int = 0,
    num_workers: int = 1,
) -> tf.data.Dataset:
    """Returns batches of windows, cut and shuffled again in each epoch, for `RetrievalModel.fit`.

    The label of a position is the next item that is new in its order or session, so that one pass of the LSTM learns
    from each position (`[R, T]` labels for `R` windows) instead of one window a label. Lines of one order have no
    order of their own: they are shuffled within their moment in each epoch. A position without a label (the last of
    a shopper) has label 0. Windows of like length make a batch, `T` no longer than they need: short visits would be
    padding for the most part.

    One shard is in memory: shards come in another order in each epoch, and the windows of a batch are of one shard.
    Each shard is read twice an epoch, as the labels are counted before the first batch.

    Args:
        sequences: training events, `shop.train`, which is one shard, or those of `store_sequences`.
        batch_size: positions a batch; a batch holds up to `batch_size // T` windows.
        sequence_length: positions of a window at most.
        seed: random seed of shuffling; each epoch differs, each run repeats.
        first_epoch: number of the first epoch, so that a resumed run sees the same batches as an uninterrupted one.
        since: hour since 1970-01-01 UTC; only windows with a label from then on, earlier events as their past. None =
            all windows.
        replay: share of the other windows that each epoch mixes in, against catastrophic forgetting.
        worker: number of this worker; it reads every `num_workers`-th shard.
        num_workers: number of workers.

    Returns:
        Dictionaries of `[R, T]` int32 tensors `item`, `event_type`, `gap`, `group`, `label`, `label_group` and
        float32 `label_probability` (share of the label among the labels of this worker's epoch, for the logQ
        correction). Real positions come first, 0 behind them: an LSTM needs no mask.

    Raises:
        ConfigError: a size is not positive, or there are more workers than shards.
        SchemaError: there is nothing to learn from.
    """
    if sequence_length < 2 or batch_size < sequence_length:
        raise ConfigError(
            "`sequence_length` must be at least 2 and `batch_size` at least `sequence_length`; "
            f"got {sequence_length} and {batch_size}."
        )
    if since is not None and not 0 <= replay <= 1:
        raise ConfigError(f"`replay` must lie in [0, 1]; got {replay}.")
    if not 0 <= worker < num_workers <= sequences.num_shards:
        raise ConfigError(
            f"`worker` must lie below `num_workers`, which is at most the number of shards, {sequences.num_shards}; "
            f"got {worker} and {num_workers}."
        )
    shards = range(worker, sequences.num_shards, num_workers)
    num_batches = sum(_fixed_batches(sequences.shard(number).splits, batch_size, sequence_length) for number in shards)
    if not num_batches:
        raise SchemaError(
            "No shopper has two interactions, so there is no next item to learn. Check the prepared events."
        )
    epochs = itertools.count(first_epoch)
    num_items = 1 + sequences.shard(0).vocabularies.num_items

    def cut(epoch: int, number: int) -> _Windows:
        rng = np.random.default_rng((seed, epoch, number))
        return _cut_windows(sequences.shard(number), sequence_length, rng, since=since, replay=replay)

    def batches() -> Iterator[tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]]:
        epoch = next(epochs)
        order = np.random.default_rng((seed, epoch, sequences.num_shards)).permutation(shards).tolist()
        counts = np.zeros(num_items, np.int64)
        for number in order:  # the labels of the whole epoch are counted before its first batch
            windows = None  # one shard is in memory
            windows = cut(epoch, number)
            counts += windows.count_labels(num_items)
        share = (counts / max(counts.sum(), 1)).astype(np.float32)
        for number in order[::-1]:  # the last is there
            windows = windows or cut(epoch, number)
            if len(windows.size):
                yield windows.batches(share, batch_size, sequence_length)
            windows = None

    flat = tf.TensorSpec([None], tf.int32)
    columns = {**dict.fromkeys(INT_COLUMNS, flat), "label_probability": tf.TensorSpec([None], tf.float32)}
    signature = (columns, dict.fromkeys(("begin", "size"), flat), dict.fromkeys(("start", "stop", "length"), flat))
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature).flat_map(_cut)
    if since is None:  # else the number of windows that reach the new events depends on the cut points
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_batches))
    return dataset.prefetch(4)


def gap_bucket(hours: np.ndarray) -> np.ndarray:
    """Returns `[...]` int32 buckets of the hours since the event before (see `GAP_BOUNDARIES`)."""
    return np.searchsorted(np.asarray(GAP_BOUNDARIES), hours, side="right").astype(np.int32)


def _cut(
    columns: dict[str, tf.Tensor], windows: dict[str, tf.Tensor], batches: dict[str, tf.Tensor]
) -> tf.data.Dataset:
    """Returns the batches of one epoch, gathered in the graph without Python."""

    def batch(of: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        begin, size = (windows[name][of["start"] : of["stop"], None] for name in ("begin", "size"))
        place = tf.range(of["length"])[None, :]
        inside = place < size
        rows = tf.where(inside, begin + place, 0)
        return {
            name: tf.where(inside, tf.gather(column, rows), tf.zeros([], column.dtype))
            for name, column in columns.items()
        }

    return tf.data.Dataset.from_tensor_slices(batches).map(batch)


@dataclasses.dataclass
class _Windows:
    """Windows of a shard in one epoch.

    Attributes:
        columns: `[E]` arrays of `_columns`.
        begin: `[W]` int32 first row of each window.
        size: `[W]` int32 rows of each window.
        rng: draws the batches.
    """

    columns: dict[str, np.ndarray]
    begin: np.ndarray
    size: np.ndarray
    rng: np.random.Generator

    def count_labels(self, num_items: int) -> np.ndarray:
        """Returns `[num_items]` how often each item is a label inside the windows; 0 for no label.

        Rows inside a window are found by counting: +1 at each begin, −1 behind each end, and the running sum is
        positive inside. Example: labels (4, 4, 7), one window of rows 0 and 1: 4 is counted twice, 7 not at all.
        """
        label = self.columns["label"]
        edges = np.zeros(len(label) + 1, np.int64)
        edges[self.begin] += 1
        edges[self.begin + self.size] -= 1
        counts = np.bincount(label[np.cumsum(edges[:-1]) > 0], minlength=num_items)
        counts[0] = 0
        return counts

    def batches(
        self, share: np.ndarray, batch_size: int, length: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Returns the columns, the windows in the order of `_batches`, and its batches.

        Args:
            share: `[num_items]` float32 share of each item among the labels.
            batch_size: see `retrieval`.
            length: rows of a window at most.
        """
        order, batches = _batches(self.size, batch_size, length, self.rng)
        columns = {**self.columns, "label_probability": share[self.columns["label"]]}
        return columns, {"begin": self.begin[order], "size": self.size[order]}, batches


def _cut_windows(
    sequences: BehaviourSequences, length: int, rng: np.random.Generator, *, since: float | None, replay: float
) -> _Windows:
    """Returns the windows of an epoch; see `retrieval`."""
    columns, label_hour = _columns(sequences, rng)
    begin, size = _windows(sequences.splits, length, rng)
    if since is not None and len(begin):
        is_new = np.concatenate([[0], np.cumsum((columns["label"] > 0) & (label_hour >= since))])
        keep = (is_new[begin + size] > is_new[begin]) | (rng.random(len(begin)) < replay)
        keep[0] |= not keep.any()  # new shoppers with one event each have no label: a batch must hold something
        begin, size = begin[keep], size[keep]
    return _Windows(columns, begin, size, rng)


def _columns(sequences: BehaviourSequences, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns `[E]` arrays of the events of one epoch, in time, and the hour `[E]` of each label.

    The label of an event is the next event of its sequence that is new in its order or session, or a view. Lines of
    one order are shuffled, so that over the epochs each of its items is predicted from each of the others.
    Example: an order of items a, b, b and then a view of c: labels are b, c, c and none.
    """
    order = _shuffled_within_moments(sequences, rng)
    sequence = sequences.sequence
    item, group, hour = sequences.item[order], sequences.group[order], sequences.hour[order]
    key = group.astype(np.int64) * sequences.vocabularies.items.size + item
    _, first = np.unique(key, return_index=True)
    is_label = np.zeros(len(item), bool)
    is_label[first] = True
    is_look = sequences.event_type[order] == sequences.type_code("view")
    is_label |= is_look
    label_at = _next_marked(np.flatnonzero(is_label), len(item))
    same_sequence = sequence[np.minimum(label_at, len(item) - 1)] == sequence
    has_label = (label_at < len(item)) & same_sequence
    label_at = np.where(has_label, label_at, 0)
    label = np.where(has_label, item[label_at], 0).astype(np.int32)
    # Looks come one after the other: what was looked at before or later is a negative, as in no order.
    own_group = np.where(is_look, max(len(item), group.max(initial=0) + 1) + np.arange(len(item)), group)
    gap = np.zeros(len(item), np.int32)
    gap[1:] = gap_bucket(np.diff(hour))
    gap[sequences.splits[:-1]] = 0
    columns = {
        "item": item,
        "event_type": sequences.event_type[order].astype(np.int32),
        "gap": gap,
        "group": group,
        "label": label,
        "label_group": np.where(has_label, own_group[label_at], -1).astype(np.int32),
    }
    return columns, hour[label_at]


def _shuffled_within_moments(sequences: BehaviourSequences, rng: np.random.Generator) -> np.ndarray:
    """Returns `[E]` rows in time; those of one order and moment in random order."""
    parts = (sequences.sequence, sequences.hour, sequences.group)
    begins = np.any([part[1:] != part[:-1] for part in parts], axis=0)
    moment = np.concatenate([[0], np.cumsum(begins)])
    return np.argsort(moment + rng.random(len(moment)), kind="stable")


def _next_marked(marked: np.ndarray, size: int) -> np.ndarray:
    """Returns `[size]` the smallest marked row behind each row; `size` where there is none. `marked` ascends.

    Example: `marked` (1, 3) of 5 rows gives (1, 3, 3, 5, 5).
    """
    at = np.searchsorted(marked, np.arange(size), side="right")
    return np.append(marked, size)[at]


def _windows(splits: np.ndarray, length: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first rows and sizes of the windows, int32 `[W]`; cut points move from epoch to epoch, sizes do not.

    The idea: moving cut points give an event other contexts in each epoch, while fixed sizes keep the number of batches
    the same. A sequence of `n` events has `n - 1` labelled positions, cut into `ceil((n - 1) / length)` windows, one of
    which, at a random place, is short. Windows behind the short one begin earlier by what it lacks.

    Example: 6 events and length 2 give 5 labelled positions and sizes 2, 2 and 1; with the short window first the
    windows begin at 0, 1, 3, with it second at 0, 2, 3, with it last at 0, 2, 4.
    """
    sizes = np.diff(splits)
    use = sizes > 1
    start, labelled = splits[:-1][use], sizes[use] - 1
    count = -(-labelled // length)
    short = (rng.random(len(count)) * count).astype(np.int64)
    sequence = np.repeat(np.arange(len(count)), count)
    ordinal = np.arange(len(sequence)) - np.repeat(np.cumsum(count) - count, count)
    size = np.where(ordinal == short[sequence], (labelled - (count - 1) * length)[sequence], length)
    begin = (
        start[sequence]
        + ordinal * length
        - np.where(ordinal > short[sequence], (count * length - labelled)[sequence], 0)
    )
    return begin.astype(np.int32), size.astype(np.int32)


def _batches(
    size: np.ndarray, batch_size: int, length: int, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns `[W]` an order of the windows, and `[batches]` int32 `start`, `stop` in it and `length` of windows.

    Padding costs as much as events, so windows are sorted into lengths of powers of two (`_lengths`): less than half of
    a row is padding, except for the shortest. Windows are shuffled within their length, and the batches of all lengths
    among each other. `np.lexsort` sorts by its last key first: by length, then at random.

    Example: sizes (5, 1, 2) and length 8: lengths are (4, 8), so one batch holds the windows 1 and 2, one the window 0.
    """
    lengths = _lengths(length)
    kind = np.searchsorted(lengths, size)
    order = np.lexsort((rng.random(len(size)), kind))
    count = np.bincount(kind, minlength=len(lengths))
    parts = _num_batches(size, batch_size, lengths)
    edges = [np.linspace(0, n, p + 1).astype(np.int64) for n, p in zip(count, parts, strict=True)]
    first = np.cumsum(count) - count
    start = np.concatenate([at + edge[:-1] for at, edge in zip(first, edges, strict=True)])
    stop = np.concatenate([at + edge[1:] for at, edge in zip(first, edges, strict=True)])
    shuffled = rng.permutation(len(start))
    columns = {"start": start, "stop": stop, "length": np.repeat(lengths, parts)}
    return order, {name: column[shuffled].astype(np.int32) for name, column in columns.items()}


def _lengths(longest: int) -> np.ndarray:
    """Returns `[lengths]` powers of two from `_SHORTEST` on, and the longest itself."""
    return np.array([*(_SHORTEST << n for n in range(longest.bit_length()) if _SHORTEST << n < longest), longest])


def _fixed_batches(splits: np.ndarray, batch_size: int, length: int) -> int:
    """Returns the number of batches of sequences in each epoch."""
    _, size = _windows(splits, length, np.random.default_rng(0))
    return int(_num_batches(size, batch_size, _lengths(length)).sum())


def _num_batches(size: np.ndarray, batch_size: int, lengths: np.ndarray) -> np.ndarray:
    """Returns `[lengths]` numbers of batches that the windows of each length fill."""
    count = np.bincount(np.searchsorted(lengths, size), minlength=len(lengths))
    return -(-count // np.maximum(batch_size // lengths, 1))
