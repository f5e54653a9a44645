"""Behaviour sequences → tf.data batches for the retrieval model: every position of a window is a query with a label."""

import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError, SchemaError
from tfrec.features.sequences import BehaviourSequences

GAP_BOUNDARIES = (0.05, 0.5, 3.0, 12.0, 36.0, 120.0, 336.0, 1000.0, 3000.0)
"""Hours that part the buckets of the time since the event before; bucket 0 is also 'unknown'."""


def retrieval(
    sequences: BehaviourSequences,
    *,
    batch_size: int = 1024,
    sequence_length: int = 32,
    seed: int = 0,
    first_epoch: int = 0,
    since: float | None = None,
    replay: float = 0.0,
) -> tf.data.Dataset:
    """Returns batches of windows, cut and shuffled anew in each epoch, for `RetrievalModel.fit`.

    The label of a position is the next item that is new in its order or session, so that one pass of the LSTM learns
    from each position (`[R, T]` labels for `R` windows) instead of one window a label. Lines of one order have no
    order of their own: they are shuffled within their moment in each epoch. A position without a label (the last of
    a shopper) has label 0.

    Args:
        sequences: training events, `shop.train`.
        batch_size: positions a batch; a batch holds `batch_size // sequence_length` windows.
        sequence_length: positions of a window, `T`.
        seed: of shuffling; each epoch differs, each run repeats.
        first_epoch: number of the first epoch, so that a run that goes on sees what it would have seen.
        since: hour since 1970-01-01 UTC; only windows with a label from then on, earlier events as their past. None =
            all windows.
        replay: share of the other windows that each epoch mixes in, so that the old is not forgotten for the new.

    Returns:
        Dictionaries of `[R, T]` int32 tensors `item`, `event_type`, `gap`, `group`, `label`, `label_group` and
        float32 `label_probability` (share of the label among all labels, for the logQ correction).

    Raises:
        ConfigError: a size is not positive.
        SchemaError: there is nothing to learn from.
    """
    if sequence_length < 2 or batch_size < sequence_length:
        raise ConfigError(
            "`sequence_length` must be at least 2 and `batch_size` at least `sequence_length`; "
            f"got {sequence_length} and {batch_size}."
        )
    windows_a_batch = batch_size // sequence_length
    if since is not None and not 0 <= replay <= 1:
        raise ConfigError(f"`replay` must lie in [0, 1]; got {replay}.")
    if not np.any(np.diff(sequences.splits) > 1):
        raise SchemaError(
            "No shopper has two interactions, so there is no next item to learn. Check the prepared events."
        )
    epochs = itertools.count(first_epoch)

    def batches() -> Iterator[dict[str, np.ndarray]]:
        rng = np.random.default_rng((seed, next(epochs)))
        arrays = _epoch(sequences, sequence_length, rng, since=since, replay=replay)
        probability = _label_probability(arrays["label"])
        order = rng.permutation(len(arrays["item"]))
        for start in range(0, len(order), windows_a_batch):
            rows = order[start : start + windows_a_batch]
            batch = {name: array[rows] for name, array in arrays.items()}
            yield {**batch, "label_probability": probability[batch["label"]]}

    shape = (None, sequence_length)
    int_names = ("item", "event_type", "gap", "group", "label", "label_group")
    signature = {name: tf.TensorSpec(shape, tf.int32) for name in int_names}
    signature["label_probability"] = tf.TensorSpec(shape, tf.float32)
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    if since is not None:  # how many windows reach the new events hangs on where they are cut
        return dataset.prefetch(4)
    num_batches = -(-_num_windows(sequences, sequence_length) // windows_a_batch)
    return dataset.apply(tf.data.experimental.assert_cardinality(num_batches)).prefetch(4)


def gap_bucket(hours: np.ndarray) -> np.ndarray:
    """Returns the int32 bucket of the hours since the event before (see `GAP_BOUNDARIES`)."""
    return np.searchsorted(np.asarray(GAP_BOUNDARIES), hours, side="right").astype(np.int32)


def _label_probability(label: np.ndarray) -> np.ndarray:
    """Float32 share of each item among the labels of an epoch; 0 for index 0, which is no label."""
    counts = np.bincount(label.ravel())
    counts[0] = 0
    return (counts / max(counts.sum(), 1)).astype(np.float32)


def _num_windows(sequences: BehaviourSequences, length: int) -> int:
    sizes = np.diff(sequences.splits)
    return int((-(-(sizes[sizes > 1] - 1) // length)).sum())


def _epoch(
    sequences: BehaviourSequences,
    length: int,
    rng: np.random.Generator,
    *,
    since: float | None = None,
    replay: float = 0.0,
) -> dict[str, np.ndarray]:
    """The windows of one epoch, `[num_windows, length]` each."""
    sequence = sequences.sequence
    order = np.lexsort((rng.random(len(sequences)), sequences.group, sequences.hour, sequence))
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
    own_group = np.where(is_look, len(item) + np.arange(len(item)), group)
    label_group = np.where(has_label, own_group[label_at], -1).astype(np.int32)
    gap = np.zeros(len(item), np.int32)
    gap[1:] = gap_bucket(np.diff(hour))
    gap[sequences.splits[:-1]] = 0

    rows, valid = _windows(sequences.splits, length, rng)
    if since is not None:
        is_new = (has_label & (hour[label_at] >= since))[rows] & valid
        keep = is_new.any(axis=1) | (rng.random(len(rows)) < replay)
        keep[0] |= not keep.any()  # new shoppers with one event each have no label: something must be in a batch
        rows, valid = rows[keep], valid[keep]
    columns = {
        "item": item,
        "event_type": sequences.event_type[order].astype(np.int32),
        "gap": gap,
        "group": group,
        "label": label,
        "label_group": label_group,
    }
    return {name: np.where(valid, column[rows], 0) for name, column in columns.items()}


def _next_marked(marked: np.ndarray, size: int) -> np.ndarray:
    """For each row the smallest marked row behind it; `size` where there is none. `marked` ascends."""
    at = np.searchsorted(marked, np.arange(size), side="right")
    return np.append(marked, size)[at]


def _windows(splits: np.ndarray, length: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Row indices `[num_windows, length]` and which are inside; cut points move from epoch to epoch.

    A sequence of `n` events has `n - 1` labelled positions, cut in `ceil((n - 1) / length)` windows; the last
    window begins earlier so that it is full, and the whole grid is shifted at random where there is room.
    """
    sizes = np.diff(splits)
    use = sizes > 1
    start, labelled = splits[:-1][use], sizes[use] - 1
    count = -(-labelled // length)
    room = count * length - labelled
    shift = (rng.random(len(count)) * (np.minimum(room, length - 1) + 1)).astype(np.int64) * (count > 1)
    sequence = np.repeat(np.arange(len(count)), count)
    ordinal = np.arange(len(sequence)) - np.repeat(np.cumsum(count) - count, count)
    begin = ordinal * length - shift[sequence]
    position = begin[:, None] + np.arange(length)
    valid = (position >= 0) & (position < labelled[sequence, None])
    return np.where(valid, start[sequence, None] + position, 0), valid
