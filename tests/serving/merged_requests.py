"""TF Serving's batching rule in NumPy: requests are padded, concatenated, answered as one, and split again.

After `batching_session.cc` (`MergeInputTensors`, `SplitOutputTensors`) and `batching_util.cc` (`AddPadding`) of 2.20.0
with `pad_variable_length_inputs`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

Tensors: TypeAlias = Mapping[str, np.ndarray]


def answer_merged(
    requests: Sequence[Tensors], answer: Callable[[Tensors], Tensors], *, allowed_batch_sizes: Sequence[int]
) -> list[dict[str, np.ndarray]]:
    """Answers requests that arrived together; each gets its rows of the batch's outputs."""
    sizes = [len(next(iter(request.values()))) for request in requests]
    missing = min(size for size in allowed_batch_sizes if size >= sum(sizes)) - sum(sizes)
    merged = {}
    for name in requests[0]:
        width = max((request[name].shape[1] for request in requests if request[name].ndim > 1), default=0)
        parts = [_widened(request[name], width) for request in requests]
        parts += [parts[-1][:1]] * missing  # rows of the last task fill the batch up
        merged[name] = np.concatenate(parts)
    outputs = answer(merged)
    starts = np.cumsum([0, *sizes])
    return [
        {name: array[start : start + size] for name, array in outputs.items()}
        for start, size in zip(starts, sizes, strict=False)
    ]


def _widened(tensor: np.ndarray, width: int) -> np.ndarray:
    """`AddPadding`: the tensor's own first element fills it up."""
    if tensor.ndim == 1:
        return tensor
    padded = np.full((len(tensor), width), tensor.flat[0], tensor.dtype)
    padded[:, : tensor.shape[1]] = tensor
    return padded
