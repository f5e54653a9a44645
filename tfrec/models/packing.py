"""Packs values of many tensors into a few, for branches that few requests take.

Each tensor that a branch of `tf.cond` may read costs an operation, whether the branch is taken or not. Packed once, a
value passes to any number of branches for the price of its packs.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def pack(value: Any) -> list[tf.Tensor]:
    """Returns the tensors of a value that has `B` rows: those of one type and rank, 1 or 2, side by side.

    Args:
        value: an extension type, or several; all its tensors have the batch as their first axis.
    """
    tensors = tf.nest.flatten(value, expand_composites=True)
    packed = []
    for rank, places in _groups(tensors):
        parts = [tensors[place] for place in places]
        if rank == 1:
            packed.append(tf.stack(parts))
        elif rank == 2:
            packed += [tf.concat(parts, axis=1), tf.concat(tf.shape_n(parts), axis=0)]
        else:
            packed += parts
    return packed


def packed_spec(spec: Any) -> list[tf.TensorSpec]:
    """Returns the specs of what `pack` makes of a value of `spec`."""
    specs, packed = tf.nest.flatten(spec, expand_composites=True), []
    for rank, places in _groups(specs):
        dtype = specs[places[0]].dtype
        if rank == 1:
            packed.append(tf.TensorSpec([len(places), None], dtype))
        elif rank == 2:
            packed += [tf.TensorSpec([None, None], dtype), tf.TensorSpec([2 * len(places)], tf.int32)]
        else:
            packed += [specs[place] for place in places]
    return packed


def unpack(packed: Sequence[tf.Tensor], spec: Any) -> Any:
    """Returns the value of `spec` that `pack` made `packed` of.

    Examples:
        >>> spec = [tf.TensorSpec([None, None], tf.int32)] * 2 + [tf.TensorSpec([None], tf.bool)]
        >>> value = [tf.constant([[1, 2]]), tf.constant([[3]]), tf.constant([True])]
        >>> [part.numpy().tolist() for part in unpack(pack(value), spec)]
        [[[1, 2]], [[3]], [True]]
    """
    specs, left = tf.nest.flatten(spec, expand_composites=True), list(packed)
    flat: dict[int, tf.Tensor] = {}
    for rank, places in _groups(specs):
        if rank == 1:
            parts = tf.unstack(left.pop(0), num=len(places))
        elif rank == 2:
            parts = tf.split(left.pop(0), left.pop(0)[1::2], axis=1, num=len(places))
        else:
            parts = [left.pop(0) for _ in places]
        flat.update(zip(places, parts, strict=True))
    return tf.nest.pack_sequence_as(spec, [flat[place] for place in range(len(specs))], expand_composites=True)


def _groups(tensors: Sequence[Any]) -> list[tuple[int, list[int]]]:
    """Returns the places of tensors, or specs, that go together, each group with its rank; 0 = those as they are."""
    groups: dict[tuple[int, tf.DType], list[int]] = {}
    for place, tensor in enumerate(tensors):
        groups.setdefault((tensor.shape.rank, tensor.dtype), []).append(place)
    return [(rank if rank in (1, 2) and len(places) > 1 else 0, places) for (rank, _), places in groups.items()]
