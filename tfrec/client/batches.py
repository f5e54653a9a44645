"""Splits a batch of queries into requests of fewer rows, and joins their answers."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np


def split_rows(inputs: Mapping[str, np.ndarray], *, max_rows: int) -> Iterator[dict[str, np.ndarray]]:
    """Yields the inputs `[B, ...]` in parts of at most `max_rows` rows each, in order."""
    num_rows = len(next(iter(inputs.values())))
    if num_rows <= max_rows:
        yield dict(inputs)
        return
    for start in range(0, num_rows, max_rows):
        yield {name: array[start : start + max_rows] for name, array in inputs.items()}


def join_rows(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Returns the outputs of the parts, each `[b, k]`, as one `[B, max k]`: padded as short rows are.

    Examples:
        >>> join_rows([{"scores": np.array([[0.5, 0.2]])}, {"scores": np.array([[0.4]])}])["scores"]
        array([[ 0.5,  0.2],
               [ 0.4, -inf]])
    """
    if len(parts) == 1:
        return dict(parts[0])
    return {name: _joined(name, [part[name] for part in parts]) for name in parts[0]}


def _joined(name: str, arrays: Sequence[np.ndarray]) -> np.ndarray:
    width = max(array.shape[1] for array in arrays)
    padding = "" if arrays[0].dtype == object else -np.inf if name == "scores" else 0
    return np.concatenate(
        [np.pad(array, [(0, 0), (0, width - array.shape[1])], constant_values=padding) for array in arrays]
    )
